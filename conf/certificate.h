/*
 * Certificates with their keys, and sets of trusted authorities, read from
 * PEM files and checked. Loading is main's; what was loaded is immutable and
 * shared by count, any thread.
 */
#ifndef CONF_CERTIFICATE_H
#define CONF_CERTIFICATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/span.h"

struct certificate;
struct evp_pkey_st;
struct stack_st_X509;
struct trust;
struct x509_st;
struct x509_store_st;

/* The files of a certificate; which of them an error is about. */
enum certificate_file {
	CERTIFICATE_CHAIN, /* the certificate, then its issuers */
	CERTIFICATE_KEY,
	CERTIFICATE_OCSP, /* a DER OCSP response, to be stapled */
	CERTIFICATE_FILES,
};

/*
 * Reads the files; paths[CERTIFICATE_OCSP] may be NULL. One reference. NULL
 * with the file at fault and the reason in why: unreadable, not PEM, the key
 * is another certificate's or needs a passphrase, not valid yet or expired at
 * now_s (seconds since 1970), an OCSP response about something else.
 */
struct certificate *certificate_load(const char *const paths[CERTIFICATE_FILES],
    int64_t now_s, enum certificate_file *at_fault, char *why, size_t why_size);
struct certificate *certificate_hold(struct certificate *c);
void certificate_drop(struct certificate *c);

/* Borrowed: valid as long as the certificate is held. */
struct x509_st *certificate_leaf(const struct certificate *c);
struct evp_pkey_st *certificate_key(const struct certificate *c);
struct stack_st_X509 *certificate_issuers(const struct certificate *c);
/* Empty when nothing is stapled. */
struct span certificate_ocsp(const struct certificate *c);
/* From then on (seconds since 1970) it must not be stapled; INT64_MAX: never */
int64_t certificate_ocsp_until(const struct certificate *c);
/* Of its key: "RSA" or "ECDSA". */
const char *certificate_kind(const struct certificate *c);

/*
 * The i-th DNS name it is good for, in lower case, maybe "*.example.com"; the
 * common name only where it has no alternative names. p == NULL after the
 * last.
 */
struct span certificate_name(const struct certificate *c, size_t i);

/*
 * The authorities of a PEM file; NULL for the system's. One reference. NULL
 * with the reason in why.
 */
struct trust *trust_load(const char *path, char *why, size_t why_size);
struct trust *trust_hold(struct trust *t);
void trust_drop(struct trust *t);
struct x509_store_st *trust_store(const struct trust *t);
/* Their certificates, to be named to clients; empty for the system's. */
struct stack_st_X509 *trust_authorities(const struct trust *t);

#endif
