/*
 * Bump memory for one transaction: a first block that belongs to the owner,
 * more from malloc up to a fixed maximum, all of it released at once.
 * Overflow is sticky, so a caller may test once per phase.
 * One thread at a time; with -DARENA_MALLOC each piece is its own malloc, so
 * that AddressSanitizer sees every byte.
 */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include <stdbool.h>
#include <stddef.h>

#include "base/span.h"

struct arena_block;

struct arena {
	char *first; /* owner's block, never freed here */
	size_t first_size;
	char *next, *end;	    /* what is left of the current block */
	struct arena_block *blocks; /* malloc'd ones, newest first */
	size_t used, max;	    /* bytes handed out; the limit */
	bool overflow;
};

/* `first` may be NULL with size 0; max counts bytes handed out. */
void arena_init(struct arena *a, void *first, size_t size, size_t max);

/* Aligned for any type; NULL once the arena has overflowed. */
void *arena_alloc(struct arena *a, size_t size);

/* A copy of the bytes; p == NULL on overflow. */
struct span arena_copy(struct arena *a, struct span s);

/* Releases everything handed out; the arena is as after arena_init. */
void arena_reset(struct arena *a);

#endif
