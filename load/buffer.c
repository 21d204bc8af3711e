/* A growing piece of memory. */
#include "load/buffer.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool
make_room(struct buffer *b, size_t more)
{
	size_t room = b->room > 0 ? b->room : 256;
	char *grown;

	while (room - b->n < more)
		room *= 2;
	if (room == b->room)
		return true;
	grown = b->failed ? NULL : realloc(b->p, room);
	if (grown == NULL) {
		b->failed = true;
		return false;
	}
	b->p = grown;
	b->room = room;
	return true;
}

void
buffer_add(struct buffer *b, struct span bytes)
{
	if (bytes.n == 0 || !make_room(b, bytes.n))
		return;
	memcpy(b->p + b->n, bytes.p, bytes.n);
	b->n += bytes.n;
}

void
buffer_print(struct buffer *b, const char *fmt, ...)
{
	va_list args;
	int n;

	va_start(args, fmt);
	n = vsnprintf(NULL, 0, fmt, args);
	va_end(args);
	if (n < 0 || !make_room(b, (size_t)n + 1))
		return;
	va_start(args, fmt);
	vsnprintf(b->p + b->n, (size_t)n + 1, fmt, args);
	va_end(args);
	b->n += (size_t)n;
}

void
buffer_consume(struct buffer *b, size_t n)
{
	b->n -= n;
	if (b->n > 0)
		memmove(b->p, b->p + n, b->n);
}

void
buffer_free(struct buffer *b)
{
	free(b->p);
	*b = (struct buffer){0};
}
