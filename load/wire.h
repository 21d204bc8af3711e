/*
 * The client's side of TLS 1.2 and 1.3 on a socket that does not block. One
 * thread.
 */
#ifndef LOAD_WIRE_H
#define LOAD_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct trial;
struct wire_maker;
struct wire;

enum wire_result {
	WIRE_DONE,
	WIRE_WAIT, /* for the socket */
	WIRE_END,  /* the peer has said goodbye, or left */
	WIRE_FAILED,
};

/* NULL with the reason in why (one line). */
struct wire_maker *wire_maker_new(
    const struct trial *trial, char *why, size_t why_size);
void wire_maker_free(struct wire_maker *m);

/* The socket stays the caller's. NULL without memory. */
struct wire *wire_new(struct wire_maker *m, int fd);
void wire_free(struct wire *w);

/* With the reason in why (one line) where it is neither DONE nor WAIT. */
enum wire_result wire_shake(struct wire *w, char *why, size_t why_size);
/* What ALPN has chosen. */
bool wire_speaks_h2(const struct wire *w);
/* *done bytes were read or taken, above 0, with WIRE_DONE. */
enum wire_result wire_read(struct wire *w, char *p, size_t n, size_t *done);
enum wire_result wire_write(
    struct wire *w, const char *p, size_t n, size_t *done);

#endif
