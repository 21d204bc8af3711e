/*
 * Picking a pod of a version: one small vtable, one file per policy, one
 * array of all. Chance and the worker's cursor are arguments.
 */
#ifndef ROUTER_BALANCE_H
#define ROUTER_BALANCE_H

#include <stddef.h>
#include <stdint.h>

struct pod;

/* What a policy may look at. */
struct pick {
	struct pod *const *ready; /* pods that are up; n of them, n > 0 */
	unsigned n;
	unsigned worker;  /* whose slots to look at */
	uint32_t *cursor; /* the worker's own, kept between picks */
	uint64_t roll;	  /* 64 random bits */
};

struct balance_ops {
	const char *name; /* the word in the config file */
	/* An index below n. Any worker; no lock, no allocation. */
	unsigned (*pick)(const struct pick *p);
};

extern const struct balance_ops balance_round_robin;
extern const struct balance_ops balance_random;
extern const struct balance_ops balance_least_request;

/* By its word in the config; NULL when there is none. */
const struct balance_ops *balance_find(const char *name);
/* All words, comma-separated, for error messages. */
void balance_names(char *buf, size_t size);

/*
 * Picks a pod that is not among the tried ones, if there is any such pod;
 * NULL when all ready pods were tried or none is ready.
 */
struct pod *balance_pick(const struct balance_ops *ops, const struct pick *p,
    struct pod *const *tried, unsigned ntried);

#endif
