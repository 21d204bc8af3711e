/*
 * Records from one thread to one other, in order, without a lock, in a fixed
 * block of memory. Pure.
 */
#ifndef PROXY_RING_H
#define PROXY_RING_H

#include <stdbool.h>
#include <stddef.h>

#include "base/span.h"

struct ring;

/* size is a power of two, at least 64 bytes. NULL without memory. */
struct ring *ring_new(size_t size);
void ring_free(struct ring *r);

/* Records are at most this long. */
size_t ring_record_max(const struct ring *r);

/* The writing thread's. */

/*
 * Room for a record of n bytes, aligned for 8-byte types; NULL when the ring
 * is too full. What was reserved and not committed is forgotten.
 */
void *ring_reserve(struct ring *r, size_t n);

/*
 * Hands the reserved record over. Sequentially consistent: a reader that
 * says that it goes to sleep and then finds the ring empty is seen asleep by
 * who commits after that look.
 */
void ring_commit(struct ring *r);

/* The reading thread's. */

/* The oldest record, which stays in place until ring_pop(); false: none. */
bool ring_peek(struct ring *r, struct span *record);
void ring_pop(struct ring *r);

#endif
