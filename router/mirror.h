/*
 * The mirror of a service: a version that gets a share of the other versions'
 * requests once more, as copies that only count. Their counters are apart from
 * the version's own, and outlive plans as tallies do.
 */
#ifndef ROUTER_MIRROR_H
#define ROUTER_MIRROR_H

#include <stdbool.h>
#include <stdint.h>

#include "router/plan.h"
#include "router/tally.h"

/* Why a request whose turn it was is not mirrored. */
enum mirror_skip {
	MIRROR_SKIP_BODY,	/* too long, or with trailer fields */
	MIRROR_SKIP_LIMIT,	/* enough are in flight, or no memory */
	MIRROR_SKIP_INCOMPLETE, /* it never was complete */
	MIRROR_SKIPS,
};

/* In what the copy's answer differs from the real one. */
enum mirror_difference {
	MIRROR_DIFFERS_STATUS,
	MIRROR_DIFFERS_BODY, /* with the same status */
	MIRROR_DIFFERENCES,
};

/* written by one worker, read by main */
struct mirror_slot {
	alignas(64) tally_count skipped[MIRROR_SKIPS];
	tally_count differences[MIRROR_DIFFERENCES];
	uint32_t inflight; /* worker's own: begun and not yet over */
};

struct mirror_counts;

struct mirror {
	/*
	 * The version as of this plan, but what happens is counted in a tally
	 * of the mirror's. What it points to is the real one's.
	 */
	struct version to;
	struct split *split; /* 0: is mirrored; NULL: all are, or none */
	struct mirror_counts *counts;
};

/*
 * What the terms of a service say, once it has its versions. Counters of the
 * same version's mirror in `old` (NULL: none) go on, and its split if the share
 * is the same. -1 without memory. Main thread only, as all up to
 * mirror_settle().
 */
int mirror_make(
    struct service *s, const struct service *old, unsigned nworkers);
/* The same for a service that is a copy of `old`. */
int mirror_copy(struct service *s, const struct service *old);
/* NULL is fine. */
void mirror_free(struct mirror *m);
/* After the versions are settled; a service without mirror is fine. */
void mirror_settle(struct service *s);

/* Whether it is the next request's turn. Any thread, no lock. */
bool mirror_draw(const struct service *s);

/* The slot of a worker, for that worker. */
struct mirror_slot *mirror_slot(const struct mirror *m, unsigned worker);
void mirror_skip(const struct mirror *m, unsigned worker, enum mirror_skip why);
void mirror_differ(
    const struct mirror *m, unsigned worker, enum mirror_difference difference);

/* Over all workers; any thread. */
uint64_t mirror_skipped(const struct mirror *m, enum mirror_skip why);
uint64_t mirror_differed(
    const struct mirror *m, enum mirror_difference difference);
/* The metric labels. */
const char *mirror_skip_name(enum mirror_skip why);
const char *mirror_difference_name(enum mirror_difference difference);

#endif
