/*
 * What happened when: requests and errors per version, and latencies, in
 * slots of equal width by the intended time. There are never more than
 * TIMELINE_SLOTS: two become one when the run outgrows them. Pure.
 */
#ifndef LOAD_TIMELINE_H
#define LOAD_TIMELINE_H

#include <stdbool.h>
#include <stdint.h>

#include "load/board.h"

#define TIMELINE_SLOTS	  600u
#define TIMELINE_WIDTH_NS 100000000ull /* at first */
/* Latencies in microseconds, 3 % wide. */
#define TIMELINE_SUB_BITS 5u
#define TIMELINE_BUCKETS  ((34u - TIMELINE_SUB_BITS) << TIMELINE_SUB_BITS)

struct timeline_slot {
	uint64_t requests[BOARD_VERSIONS], errors[BOARD_VERSIONS];
	uint64_t answered, max_ns;
	uint32_t latency[TIMELINE_BUCKETS];
};

struct timeline {
	uint64_t width_ns;
	unsigned n; /* slots in use, from 0 on */
	struct timeline_slot slots[TIMELINE_SLOTS];
};

struct timeline *timeline_new(void);
void timeline_free(struct timeline *t);

/* latency_ns is UINT64_MAX where there was no answer. */
void timeline_add(struct timeline *t, uint64_t at_ns, unsigned version,
    bool failed, uint64_t latency_ns);

/*
 * Adds `from`, which may become coarser by it; its version i is `versions[i]`
 * here.
 */
void timeline_merge(struct timeline *to, struct timeline *from,
    const unsigned versions[BOARD_VERSIONS]);

/* One slot into another; versions as above, NULL where they are the same. */
void timeline_add_slot(struct timeline_slot *to,
    const struct timeline_slot *from, const unsigned *versions);

/* Of a slot, in nanoseconds; 0 without an answer. */
uint64_t timeline_quantile(const struct timeline_slot *s, double q);

#endif
