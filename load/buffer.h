/* Bytes that are put together; the memory stays for the next time. */
#ifndef LOAD_BUFFER_H
#define LOAD_BUFFER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/span.h"

/* Zeroed at first. */
struct buffer {
	char *p;
	size_t n, room;
	bool failed; /* without memory: once, and what follows is left out */
};

void buffer_add(struct buffer *b, struct span bytes);
void buffer_print(struct buffer *b, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* Forgets the first n bytes. */
void buffer_consume(struct buffer *b, size_t n);
void buffer_free(struct buffer *b);

static inline struct span
buffer_span(const struct buffer *b)
{
	return (struct span){b->p, b->n};
}

#endif
