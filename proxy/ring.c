/*
 * Each record lies in one piece behind a header with its length; where the
 * end of the block is too near, a header that says so comes in its place.
 * Positions only grow; the block's size masks them.
 */
#include "proxy/ring.h"

#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/check.h"

#define RING_MAGIC   0x21490001u
#define RING_MIN     64u
#define RING_HEADER  8u
#define RING_TO_WRAP UINT64_MAX /* a header: go on at the block's start */
#define CACHE_LINE   64

struct ring {
	unsigned magic;
	size_t size;
	char *block;

	/* The writer's line: readers of `tail` disturb it only by that. */
	_Alignas(CACHE_LINE) _Atomic uint64_t tail; /* end of what is there */
	uint64_t reserved;  /* tail once the record is committed */
	uint64_t head_seen; /* an older `head`: at least so much is free */

	/* The reader's. */
	_Alignas(CACHE_LINE) _Atomic uint64_t head; /* start of what is there */
	uint64_t next; /* head once the record is popped */
};

struct ring *
ring_new(size_t size)
{
	struct ring *r;

	CHECK(size >= RING_MIN && (size & (size - 1)) == 0);
	r = aligned_alloc(CACHE_LINE, sizeof *r);
	if (r == NULL)
		return NULL;
	memset(r, 0, sizeof *r);
	r->magic = RING_MAGIC;
	r->size = size;
	r->block = malloc(size);
	if (r->block == NULL) {
		free(r);
		return NULL;
	}
	return r;
}

void
ring_free(struct ring *r)
{
	if (r == NULL)
		return;
	CHECK_OBJ(r, RING_MAGIC);
	r->magic = 0;
	free(r->block);
	free(r);
}

/* With half a block, an empty ring has room wherever it stands. */
size_t
ring_record_max(const struct ring *r)
{
	CHECK_OBJ(r, RING_MAGIC);
	return r->size / 2 - RING_HEADER;
}

static char *
ring_at(const struct ring *r, uint64_t position)
{
	return r->block + (position & (r->size - 1));
}

static uint64_t
ring_header(const struct ring *r, uint64_t position)
{
	uint64_t n;

	memcpy(&n, ring_at(r, position), sizeof n);
	return n;
}

static void
ring_set_header(struct ring *r, uint64_t position, uint64_t n)
{
	memcpy(ring_at(r, position), &n, sizeof n);
}

static uint64_t
ring_extent(uint64_t n)
{
	return RING_HEADER + ((n + 7) & ~UINT64_C(7));
}

/* From a position to the end of the block. */
static uint64_t
ring_rest(const struct ring *r, uint64_t position)
{
	return r->size - (position & (r->size - 1));
}

void *
ring_reserve(struct ring *r, size_t n)
{
	uint64_t tail, start, end, rest;

	CHECK_OBJ(r, RING_MAGIC);
	CHECK(n <= ring_record_max(r));
	tail = atomic_load_explicit(&r->tail, memory_order_relaxed);
	rest = ring_rest(r, tail);
	start = rest < ring_extent(n) ? tail + rest : tail;
	end = start + ring_extent(n);
	if (end - r->head_seen > r->size) {
		r->head_seen =
		    atomic_load_explicit(&r->head, memory_order_acquire);
		if (end - r->head_seen > r->size)
			return NULL;
	}
	if (start != tail)
		ring_set_header(r, tail, RING_TO_WRAP);
	ring_set_header(r, start, n);
	r->reserved = end;
	return ring_at(r, start) + RING_HEADER;
}

void
ring_commit(struct ring *r)
{
	CHECK_OBJ(r, RING_MAGIC);
	atomic_store(&r->tail, r->reserved);
}

bool
ring_peek(struct ring *r, struct span *record)
{
	uint64_t head, n;

	CHECK_OBJ(r, RING_MAGIC);
	head = atomic_load_explicit(&r->head, memory_order_relaxed);
	if (head == atomic_load(&r->tail))
		return false;
	n = ring_header(r, head);
	if (n == RING_TO_WRAP) {
		head += ring_rest(r, head);
		n = ring_header(r, head);
	}
	*record = (struct span){ring_at(r, head) + RING_HEADER, (size_t)n};
	r->next = head + ring_extent(n);
	return true;
}

void
ring_pop(struct ring *r)
{
	CHECK_OBJ(r, RING_MAGIC);
	atomic_store_explicit(&r->head, r->next, memory_order_release);
}
