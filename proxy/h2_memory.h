/*
 * Memory for nghttp2: each of its sessions has one frame buffer of 16 KiB,
 * of which it mostly touches the first bytes. They get whole pages here, so
 * that what is not touched costs nothing, and what is quiet can be given back
 * to the system. One worker's thread.
 */
#ifndef PROXY_H2_MEMORY_H
#define PROXY_H2_MEMORY_H

#include <stddef.h>

struct h2_slab;

/* A worker's; zeroed is empty. */
struct h2_memory {
	struct h2_slab *slabs; /* those with a spare slot first */
};

/* All sessions must be gone. */
void h2_memory_fini(struct h2_memory *m);

/* One session's; it must stay where it is and outlive the session. */
struct h2_pages {
	struct h2_memory *memory;
	struct h2_slab *slab; /* whose slot it has; NULL = none */
	void *slot;
};

/* For a nghttp2_mem; the last argument is a struct h2_pages. */
void *h2_pages_malloc(size_t size, void *pages);
void h2_pages_free(void *at, void *pages);
void *h2_pages_calloc(size_t n, size_t size, void *pages);
void *h2_pages_realloc(void *at, size_t size, void *pages);

/* No frame is on its way: what the buffer holds is not needed any more. */
void h2_pages_trim(struct h2_pages *p);

#endif
