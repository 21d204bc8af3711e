/*
 * TLS 1.2 and 1.3 of one connection, by OpenSSL: bytes from the wire in,
 * bytes for the wire out. It touches no socket. What many connections share
 * is in tls_server.h and tls_client.h. Worker thread only.
 */
#ifndef PROXY_TLS_H
#define PROXY_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "base/span.h"

struct address;
struct pod_slot;
struct ssl_st;
struct tls;
struct tls_client;
struct tls_server;
struct tls_tickets;

/* What a worker's connections share, used up within one call. */
struct tls_wire {
	char *in; /* to receive into */
	size_t in_size;
	char *out; /* to be sent, after each call below */
	size_t out_n, out_size;
	char *record; /* small orders become one record here */
	struct span fed;
	struct tls_tickets *tickets;
};

/*
 * For reads of at least `read_size` bytes. The tickets are borrowed. -1
 * without memory; zeroed is fine for tls_wire_fini().
 */
int tls_wire_init(
    struct tls_wire *w, size_t read_size, struct tls_tickets *tickets);
void tls_wire_fini(struct tls_wire *w);

/* One connection's; NULL without memory. */
struct tls *tls_accept(struct tls_wire *w, struct tls_server *s);
/*
 * To the pod at that address; `slot` is the worker's own of it and lends an
 * earlier session. It must outlive the connection.
 */
struct tls *tls_connect(struct tls_wire *w, struct tls_client *c,
    const struct address *address, struct pod_slot *slot);
void tls_free(struct tls *t);

/* Bytes that came before anybody asked; false without memory. */
bool tls_keep(struct tls *t, struct span bytes);
/* Whether tls_read() has something to say before more comes in. */
bool tls_pending(const struct tls *t);

enum tls_progress {
	TLS_MORE, /* send what is in out, then feed what comes */
	TLS_DONE,
	TLS_FAILED, /* send what is in out: it says why */
};

enum tls_progress tls_handshake(struct tls *t, struct span wire);

/*
 * Feeds bytes of the wire: > 0 bytes of text, 0 at the peer's close_notify,
 * -1 when there are none, -2 when the connection is broken. `size` is at
 * least the wire's read_size.
 */
int64_t tls_read(struct tls *t, struct span wire, char *buf, size_t size);

/*
 * Takes text from the vectors, as much as fits into out, and moves *iov and
 * *n on; their spans may be changed. False when the connection is broken.
 */
bool tls_write(struct tls *t, struct iovec **iov, int *n);

/* close_notify, once. */
void tls_end(struct tls *t);

/* Of a handshake that is done. */
bool tls_speaks_h2(const struct tls *t);
/* Subject of the client's certificate (RFC 4514), "" without one. */
const char *tls_subject(const struct tls *t);
/* Why it failed, static words or valid as long as the connection. */
const char *tls_reason(const struct tls *t);

/*
 * OpenSSL's words, static, for a failure of which `error` is the newest entry
 * of its queue; NULL when it has none. Any thread.
 */
const char *tls_words(const struct ssl_st *ssl, unsigned long error);

#endif
