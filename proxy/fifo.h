/*
 * Bytes that must wait: read and not yet usable, or ordered and not yet
 * taken by a socket. One pointer while there are none.
 */
#ifndef PROXY_FIFO_H
#define PROXY_FIFO_H

#include <stdbool.h>
#include <stddef.h>

#include "base/span.h"

struct fifo_block;

struct fifo {
	struct fifo_block *block; /* NULL = empty */
};

static inline bool
fifo_empty(const struct fifo *f)
{
	return f->block == NULL;
}

/* What is in it; valid until the next append or consume. */
struct span fifo_span(const struct fifo *f);

/*
 * Copies the bytes behind the others, which may move. False without memory.
 * How much may wait is for the caller to limit.
 */
bool fifo_append(struct fifo *f, struct span bytes);
/* Forgets the first n bytes; when none are left the memory goes, too. */
void fifo_consume(struct fifo *f, size_t n);
void fifo_free(struct fifo *f);

#endif
