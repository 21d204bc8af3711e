/*
 * Bytes that were read but cannot be used yet: a head that is still
 * incomplete, a body that must wait, a pipelined request. Attached only while
 * there is something in it.
 */
#ifndef PROXY_INBUF_H
#define PROXY_INBUF_H

#include <stdbool.h>
#include <stddef.h>

#include "base/span.h"

struct inbuf {
	char *p;
	size_t start, end, size;
};

static inline struct span
inbuf_span(const struct inbuf *b)
{
	return (struct span){b->p + b->start, b->end - b->start};
}

static inline bool
inbuf_empty(const struct inbuf *b)
{
	return b->start == b->end;
}

/* False without memory. The bytes must not lie inside the buffer. */
bool inbuf_append(struct inbuf *b, struct span bytes);
/* Forgets the first n bytes; an empty buffer lets go of its memory. */
void inbuf_consume(struct inbuf *b, size_t n);
void inbuf_free(struct inbuf *b);

#endif
