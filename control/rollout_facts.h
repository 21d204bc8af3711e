/*
 * What strategies are told of a version's pods (struct version_facts): of
 * those that shunt runs, as their processes are; of others, whose number is
 * not ours to change, as many as the version was given traffic for. Pure but
 * for the pods it looks at; main thread only, time is an argument.
 *
 * A strategy counts in one number of replicas for both versions. Where a
 * version has another number of its own, its pods are counted in proportion.
 */
#ifndef CONTROL_ROLLOUT_FACTS_H
#define CONTROL_ROLLOUT_FACTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "strategies/strategy.h"

struct launch_counts;
struct pod;
struct version;

/* What there is to know of one version at a moment. */
struct rollout_pods {
	bool launched;
	unsigned own;	 /* how many it has, when it has all of them */
	unsigned up;	 /* of these */
	unsigned steady; /* of these, for min_ready */
	unsigned there, leaving, failed; /* processes */
	unsigned busy;			 /* pods with requests in flight */
	unsigned inflight;
};

/* Since when a pod has been up. */
struct rollout_seen {
	const struct pod *pod; /* only compared */
	uint64_t up_us;	       /* 0 = ever since we look; NOT_UP */
	bool here;
};

/* What is remembered of one version from look to look; all zero at first. */
struct rollout_side {
	bool looked;
	struct rollout_seen *seen;
	size_t nseen, size;
	unsigned given;	    /* replicas as the strategy wanted them last */
	uint64_t *given_us; /* since when, one by one */
	size_t given_size;
	uint64_t idle_us; /* when it lost all; 0 = it did not */
};

/* Frees what it points to. */
void rollout_side_clear(struct rollout_side *side);

/*
 * Looks at the pods of the plan's version, and its processes, where it has
 * some (else NULL). -1 without memory: then nothing was learned.
 */
int rollout_side_look(struct rollout_side *side, const struct version *v,
    const struct launch_counts *counts, uint64_t min_ready_us, uint64_t now_us,
    struct rollout_pods *pods);

/* So many replicas are wanted of it from now on. -1 without memory. */
int rollout_side_give(
    struct rollout_side *side, unsigned given, uint64_t now_us);

/* When traffic is what its pods are measured by. */
struct rollout_measure {
	unsigned replicas; /* that the strategy counts in, at least 1 */
	uint64_t min_ready_us;
	uint64_t drain_us; /* so long requests in flight are waited for */
	bool taken;	   /* every worker goes by the plan in force */
	uint64_t now_us;
};

/* In the strategy's count. */
struct version_facts rollout_side_facts(const struct rollout_side *side,
    const struct rollout_pods *pods, const struct rollout_measure *m);

/* How many processes that are, of those that the version has of its own. */
unsigned rollout_side_processes(
    unsigned wanted, const struct rollout_pods *pods, unsigned replicas);

#endif
