/*
 * Picking a pod of a version: one small vtable, one file per policy, one
 * array of all. Time, chance and the worker's cursor are arguments; a pick
 * costs the same for one pod and for ten thousand.
 */
#ifndef ROUTER_BALANCE_H
#define ROUTER_BALANCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "router/draw.h"

struct hash_ring;
struct pod;

/* What a policy may look at. */
struct pick {
	struct pod *const *ready; /* pods that are up; n of them, n > 0 */
	unsigned n;
	const struct draw *draw;      /* their weights; NULL = all the same */
	const struct hash_ring *ring; /* NULL, unless the policy hashes */
	struct pod *const *tried;     /* ntried pods that are no good */
	unsigned ntried;
	unsigned worker;   /* whose slots to look at */
	uint32_t *cursor;  /* the worker's own, kept between picks */
	uint32_t inflight; /* the worker's, with all pods of the version */
	uint64_t roll;	   /* 64 random bits */
	uint64_t key;	   /* hash_key_of() the request; 0 = it has none */
	uint64_t now_us;
};

struct balance_ops {
	const char *name; /* the word in the config file */
	bool hashes;	  /* needs a ring and a key */
	/* An index below n. Any worker; no lock, no allocation. */
	unsigned (*pick)(const struct pick *p);
	/*
	 * An attempt took so long to be answered, or failed. By the worker
	 * that made it; NULL where nothing is learnt from it.
	 */
	void (*note)(
	    struct pod *p, unsigned worker, uint64_t now_us, uint64_t took_us);
};

extern const struct balance_ops balance_round_robin;
extern const struct balance_ops balance_random;
extern const struct balance_ops balance_least_request;
extern const struct balance_ops balance_ewma;
extern const struct balance_ops balance_hash;

/* By its word in the config; NULL when there is none. */
const struct balance_ops *balance_find(const char *name);
/* All words, comma-separated, for error messages. */
void balance_names(char *buf, size_t size);

/*
 * Picks a pod that is not among the tried ones, if there is any such pod;
 * NULL when all ready pods were tried or none is ready.
 */
struct pod *balance_pick(const struct balance_ops *ops, const struct pick *p);

/* For policies: was the pod tried, how much of all does it weigh, and two
 * different ones by weight, of at least two. */

static inline bool
pick_tried(const struct pick *p, unsigned i)
{
	for (unsigned t = 0; t < p->ntried; t++)
		if (p->tried[t] == p->ready[i])
			return true;
	return false;
}

static inline uint64_t
pick_weight(const struct pick *p, unsigned i)
{
	return p->draw != NULL ? draw_weight(p->draw, i) : 1;
}

static inline void
pick_two(const struct pick *p, unsigned *a, unsigned *b)
{
	const uint32_t high = (uint32_t)(p->roll >> 32);
	const uint32_t low = (uint32_t)p->roll;

	if (p->draw != NULL) {
		*a = draw_by_chance(p->draw, high);
		*b = draw_another(p->draw, low, *a);
		return;
	}
	*a = (unsigned)((uint64_t)high * p->n >> 32);
	*b = (unsigned)((uint64_t)low * (p->n - 1) >> 32);
	if (*b >= *a)
		(*b)++;
}

#endif
