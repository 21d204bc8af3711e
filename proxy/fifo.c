/* A byte queue that owns memory only while there is something in it. */
#include "proxy/fifo.h"

#include <stdlib.h>

#include "base/check.h"

#define FIFO_MIN 1024u

struct fifo_block {
	size_t start, end; /* of what waits, in bytes[] */
	size_t size;
	char bytes[];
};

struct span
fifo_span(const struct fifo *f)
{
	const struct fifo_block *b = f->block;

	if (b == NULL)
		return SPAN_NONE;
	return (struct span){b->bytes + b->start, b->end - b->start};
}

/* Room for n more bytes behind what is there. */
static bool
fifo_fit(struct fifo *f, size_t n)
{
	struct fifo_block *b = f->block;
	size_t have = b != NULL ? b->end - b->start : 0;
	size_t size = b != NULL ? b->size : 0;

	if (b != NULL && b->start > 0 && b->end + n > size) {
		memmove(b->bytes, b->bytes + b->start, have);
		b->start = 0;
		b->end = have;
	}
	if (b != NULL && b->end + n <= size)
		return true;
	size = size * 2 > FIFO_MIN ? size * 2 : FIFO_MIN;
	if (size < have + n)
		size = have + n;
	b = realloc(b, sizeof *b + size);
	if (b == NULL)
		return false;
	if (f->block == NULL)
		b->start = b->end = 0;
	b->size = size;
	f->block = b;
	return true;
}

bool
fifo_append(struct fifo *f, struct span bytes)
{
	if (bytes.n == 0)
		return true;
	if (!fifo_fit(f, bytes.n))
		return false;
	memcpy(f->block->bytes + f->block->end, bytes.p, bytes.n);
	f->block->end += bytes.n;
	return true;
}

void
fifo_consume(struct fifo *f, size_t n)
{
	if (n == 0)
		return;
	CHECK(f->block != NULL && n <= f->block->end - f->block->start);
	f->block->start += n;
	if (f->block->start == f->block->end)
		fifo_free(f);
}

void
fifo_free(struct fifo *f)
{
	free(f->block);
	f->block = NULL;
}
