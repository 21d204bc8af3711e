/*
 * Counters that one thread writes and any may read: relaxed atomics that cost
 * what plain numbers do.
 */
#ifndef LOAD_COUNT_H
#define LOAD_COUNT_H

#include <stdatomic.h>
#include <stdint.h>

static inline uint64_t
count_get(const _Atomic uint64_t *c)
{
	return atomic_load_explicit(c, memory_order_relaxed);
}

static inline void
count_set(_Atomic uint64_t *c, uint64_t n)
{
	atomic_store_explicit(c, n, memory_order_relaxed);
}

/* By its one writer. */
static inline void
count_add(_Atomic uint64_t *c, uint64_t n)
{
	count_set(c, count_get(c) + n);
}

#endif
