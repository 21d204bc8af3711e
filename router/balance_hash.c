/*
 * hash: requests with the same key go to the same pod, by a ring. A pod that
 * has more than 1.25 times its share of this worker's requests in flight is
 * passed over, so a key that everybody asks for cannot bury its pod
 * (consistent hashing with bounded loads: Mirrokni et al., 2016).
 */
#include "router/balance.h"

#include "base/check.h"
#include "router/hash_ring.h"
#include "router/pod.h"

/* So many of a worker are never too many: a quiet service keeps its keys
 * where they are. */
#define FREE 4u
/* Points to look at before the load is disregarded. */
#define WALK_MAX 1024u

/* With the new request among the mean, or nothing would fit at first. */
static bool
is_loaded(const struct pick *p, unsigned i)
{
	const uint64_t load = atomic_load_explicit(
	    &p->ready[i]->slots[p->worker].inflight, memory_order_relaxed);
	const uint64_t total = p->draw != NULL ? draw_total(p->draw) : p->n;

	return load >= FREE && load * 4 * total >= ((uint64_t)p->inflight + 1) *
						       5 * pick_weight(p, i);
}

/* A request without key is a key of its own. */
static unsigned
pick_by_key(const struct pick *p)
{
	unsigned pod, last = p->n, owner = p->n;
	uint32_t place;

	CHECK(p->ring != NULL);
	place = hash_ring_find(p->ring, p->key != 0 ? p->key : p->roll);
	for (unsigned i = 0; i < WALK_MAX; i++) {
		pod = hash_ring_pod(p->ring, place);
		if (pod != last && !pick_tried(p, pod)) {
			if (!is_loaded(p, pod))
				return pod;
			if (owner == p->n)
				owner = pod;
		}
		last = pod;
		place = hash_ring_next(p->ring, place);
	}
	return owner < p->n ? owner : last;
}

const struct balance_ops balance_hash = {
    .name = "hash",
    .hashes = true,
    .pick = pick_by_key,
};
