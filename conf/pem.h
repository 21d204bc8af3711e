/*
 * Files of certificates and keys, read whole into memory. Only regular files:
 * no pipe and no device can keep the main thread waiting. Main thread only.
 */
#ifndef CONF_PEM_H
#define CONF_PEM_H

#include <stddef.h>

#include "base/span.h"

struct bio_st;
struct evp_pkey_st;
struct stack_st_X509;

/*
 * A copy of the file, wiped when closed. NULL with the reason in why.
 */
struct bio_st *pem_open(const char *path, char *why, size_t why_size);
/* Wipes the copy; NULL is fine. */
void pem_close(struct bio_st *in);
/* What of it has not been read yet; valid as long as it is not touched. */
struct span pem_bytes(struct bio_st *in);
/* What a file is that is not what was expected; buf is returned. */
const char *pem_describe(struct span bytes, char *buf, size_t size);

/*
 * All certificates of a file, at least one, in its order; the caller frees.
 * NULL with the reason in why.
 */
struct stack_st_X509 *pem_certificates(
    const char *path, char *why, size_t why_size);
/*
 * The first private key of a file, one without passphrase; the caller frees.
 * NULL with the reason in why.
 */
struct evp_pkey_st *pem_key(const char *path, char *why, size_t why_size);

/* Why OpenSSL's last call failed, in its words. */
const char *pem_reason(void);

#endif
