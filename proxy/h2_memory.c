/* Frame buffers in pages of their own. */
#include "proxy/h2_memory.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/check.h"

/* A frame with its header (RFC 9113 4.1) is a little more; whole pages. */
#define BUFFER_MIN 16384u
#define SLOT_SIZE  20480u
#define SLAB_SLOTS 64u
#define SLAB_SIZE  ((size_t)SLAB_SLOTS * SLOT_SIZE)

struct h2_slab {
	struct h2_slab *next;
	char *pages;
	unsigned nspare;
	unsigned char spare[SLAB_SLOTS]; /* indexes of slots */
};

static struct h2_slab *
slab_new(struct h2_memory *m)
{
	struct h2_slab *slab = malloc(sizeof *slab);

	if (slab == NULL)
		return NULL;
	slab->pages = mmap(NULL, SLAB_SIZE, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (slab->pages == MAP_FAILED) {
		free(slab);
		return NULL;
	}
	/* of a huge page all would be touched at once */
	madvise(slab->pages, SLAB_SIZE, MADV_NOHUGEPAGE);
	slab->nspare = SLAB_SLOTS;
	for (unsigned i = 0; i < SLAB_SLOTS; i++)
		slab->spare[i] = (unsigned char)i;
	slab->next = m->slabs;
	m->slabs = slab;
	return slab;
}

static void
slab_free(struct h2_memory *m, struct h2_slab *slab)
{
	struct h2_slab **at = &m->slabs;

	while (*at != slab)
		at = &(*at)->next;
	*at = slab->next;
	munmap(slab->pages, SLAB_SIZE);
	free(slab);
}

void
h2_memory_fini(struct h2_memory *m)
{
	while (m->slabs != NULL) {
		CHECK(m->slabs->nspare == SLAB_SLOTS);
		slab_free(m, m->slabs);
	}
}

static void *
slot_take(struct h2_pages *p)
{
	struct h2_slab *slab = p->memory->slabs;

	while (slab != NULL && slab->nspare == 0)
		slab = slab->next;
	if (slab == NULL)
		slab = slab_new(p->memory);
	if (slab == NULL)
		return NULL;
	p->slab = slab;
	p->slot = slab->pages + slab->spare[--slab->nspare] * (size_t)SLOT_SIZE;
	return p->slot;
}

void
h2_pages_trim(struct h2_pages *p)
{
	if (p->slot != NULL)
		madvise(p->slot, SLOT_SIZE, MADV_DONTNEED);
}

static void
slot_give(struct h2_pages *p)
{
	struct h2_slab *slab = p->slab;
	size_t at = (size_t)((char *)p->slot - slab->pages);

	h2_pages_trim(p);
	slab->spare[slab->nspare++] = (unsigned char)(at / SLOT_SIZE);
	if (slab->nspare == SLAB_SLOTS)
		slab_free(p->memory, slab);
	p->slab = NULL;
	p->slot = NULL;
}

void *
h2_pages_malloc(size_t size, void *arg)
{
	struct h2_pages *p = arg;

	if (size > BUFFER_MIN && size <= SLOT_SIZE && p->slot == NULL)
		return slot_take(p);
	return malloc(size);
}

void
h2_pages_free(void *at, void *arg)
{
	struct h2_pages *p = arg;

	if (at != NULL && at == p->slot)
		slot_give(p);
	else
		free(at);
}

void *
h2_pages_calloc(size_t n, size_t size, void *arg)
{
	(void)arg;
	return calloc(n, size);
}

void *
h2_pages_realloc(void *at, size_t size, void *arg)
{
	struct h2_pages *p = arg;
	void *more;

	if (at == NULL)
		return h2_pages_malloc(size, arg);
	if (at != p->slot)
		return realloc(at, size);
	if (size <= SLOT_SIZE)
		return at;
	more = malloc(size);
	if (more == NULL)
		return NULL;
	memcpy(more, at, SLOT_SIZE);
	slot_give(p);
	return more;
}
