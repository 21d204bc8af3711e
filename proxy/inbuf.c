/* A byte queue that exists only while it is needed. */
#include "proxy/inbuf.h"

#include <stdlib.h>

#include "base/check.h"

#define INBUF_MIN 1024u

bool
inbuf_append(struct inbuf *b, struct span bytes)
{
	size_t have = b->end - b->start;

	if (b->end + bytes.n > b->size && b->start > 0) {
		memmove(b->p, b->p + b->start, have);
		b->start = 0;
		b->end = have;
	}
	if (b->end + bytes.n > b->size) {
		size_t size = b->size * 2 > INBUF_MIN ? b->size * 2 : INBUF_MIN;
		char *grown;

		if (size < b->end + bytes.n)
			size = b->end + bytes.n;
		grown = realloc(b->p, size);
		if (grown == NULL)
			return false;
		b->p = grown;
		b->size = size;
	}
	if (bytes.n > 0)
		memcpy(b->p + b->end, bytes.p, bytes.n);
	b->end += bytes.n;
	return true;
}

void
inbuf_consume(struct inbuf *b, size_t n)
{
	CHECK(n <= b->end - b->start);
	b->start += n;
	if (inbuf_empty(b))
		inbuf_free(b);
}

void
inbuf_free(struct inbuf *b)
{
	free(b->p);
	*b = (struct inbuf){0};
}
