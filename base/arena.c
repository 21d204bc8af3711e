/* Bump memory with a limit. */
#include "base/arena.h"

#include <stdalign.h>
#include <stdlib.h>

#include "base/check.h"

/* With ARENA_MALLOC every piece is a block of its own. */
#ifdef ARENA_MALLOC
#define ARENA_BLOCK 0u
#define USE_FIRST   false
#else
#define ARENA_BLOCK 4096u
#define USE_FIRST   true
#endif

struct arena_block {
	struct arena_block *older;
	alignas(max_align_t) char bytes[];
};

void
arena_init(struct arena *a, void *first, size_t size, size_t max)
{
	*a = (struct arena){
	    .first = first,
	    .first_size = size,
	    .max = max,
	};
	arena_reset(a);
}

static bool
arena_grow(struct arena *a, size_t size)
{
	struct arena_block *b;
	size_t want = size > ARENA_BLOCK ? size : ARENA_BLOCK;

	b = malloc(sizeof *b + want);
	if (b == NULL)
		return false;
	b->older = a->blocks;
	a->blocks = b;
	a->next = b->bytes;
	a->end = b->bytes + want;
	return true;
}

void *
arena_alloc(struct arena *a, size_t size)
{
	const size_t align = alignof(max_align_t);
	void *p;

	if (size > a->max - a->used)
		a->overflow = true;
	if (a->overflow)
		return NULL;
	/* nothing is a piece, too: NULL means overflow */
	size = size > 0 ? (size + align - 1) & ~(align - 1) : align;
	if ((size_t)(a->end - a->next) < size && !arena_grow(a, size)) {
		a->overflow = true;
		return NULL;
	}
	p = a->next;
	a->next += size;
	a->used += size < a->max - a->used ? size : a->max - a->used;
	return p;
}

struct span
arena_copy(struct arena *a, struct span s)
{
	char *p = arena_alloc(a, s.n > 0 ? s.n : 1);

	if (p == NULL)
		return SPAN_NONE;
	if (s.n > 0)
		memcpy(p, s.p, s.n);
	return (struct span){p, s.n};
}

void
arena_reset(struct arena *a)
{
	struct arena_block *b;

	CHECK(a->used <= a->max);
	while ((b = a->blocks) != NULL) {
		a->blocks = b->older;
		free(b);
	}
	a->next = a->first;
	a->end = a->first;
	if (USE_FIRST && a->first_size > 0)
		a->end += a->first_size;
	a->used = 0;
	a->overflow = false;
}
