/*
 * A world for strategies to work in: pods that take time to come and to go,
 * may fail to start, and die; what the strategy wants is done at once.
 */
#ifndef TESTS_UNIT_STRATEGIES_WORLD_H
#define TESTS_UNIT_STRATEGIES_WORLD_H

#include <stdio.h>
#include <string.h>

#include "strategies/strategy.h"

#define SECOND	    1000000ull
#define PODS_ROOM   64u
#define WORLD_BEGIN 1000000000ull

enum sim_state {
	SIM_STARTING,
	SIM_READY,
	SIM_DEAD, /* still there, but not up */
	SIM_LEAVING,
};

struct sim_pod {
	enum sim_state state;
	uint64_t since_us;
};

struct sim_version {
	struct sim_pod pods[PODS_ROOM];
	unsigned n, failed;
};

struct world {
	uint64_t now_us, start_us, leave_us;
	bool broken; /* new pods never get ready */
	unsigned replicas;
	bool back;
	enum verdict verdict;
	enum strategy_verb verb;
	struct strategy_terms terms;
	struct strategy_state state;
	struct wish wish;
	struct facts facts; /* that led to the wish */
	struct sim_version old, new;
};

static inline void
sim_add(struct sim_version *v, enum sim_state state, uint64_t now_us)
{
	if (v->n < PODS_ROOM)
		v->pods[v->n++] = (struct sim_pod){state, now_us};
}

static inline void
sim_remove(struct sim_version *v, unsigned i)
{
	v->pods[i] = v->pods[--v->n];
}

/* Time passes for its pods. */
static inline void
sim_age(struct sim_version *v, const struct world *w, bool broken)
{
	for (unsigned i = v->n; i-- > 0;) {
		struct sim_pod *p = &v->pods[i];
		const uint64_t age = w->now_us - p->since_us;

		if (p->state == SIM_STARTING && !broken && age >= w->start_us)
			*p = (struct sim_pod){SIM_READY, w->now_us};
		else if (p->state == SIM_LEAVING && age >= w->leave_us)
			sim_remove(v, i);
	}
}

static inline struct version_facts
sim_facts(const struct sim_version *v, const struct world *w)
{
	struct version_facts f = {.failed = v->failed};

	for (unsigned i = 0; i < v->n; i++) {
		const struct sim_pod *p = &v->pods[i];

		f.leaving += p->state == SIM_LEAVING;
		f.pods += p->state != SIM_LEAVING;
		f.ready += p->state == SIM_READY;
		f.settled += p->state == SIM_READY &&
			     w->now_us - p->since_us >= w->terms.min_ready_us;
	}
	return f;
}

/* The worst to let go: one that is not ready, else any. */
static inline struct sim_pod *
sim_dispensable(struct sim_version *v)
{
	struct sim_pod *found = NULL;

	for (unsigned i = 0; i < v->n; i++) {
		struct sim_pod *p = &v->pods[i];

		if (p->state == SIM_LEAVING)
			continue;
		if (found == NULL || p->state != SIM_READY)
			found = p;
	}
	return found;
}

/* As many as wanted. */
static inline void
sim_scale(struct sim_version *v, unsigned wanted, const struct world *w)
{
	unsigned n = sim_facts(v, w).pods;

	for (; n < wanted; n++)
		sim_add(v, SIM_STARTING, w->now_us);
	for (; n > wanted; n--)
		*sim_dispensable(v) = (struct sim_pod){SIM_LEAVING, w->now_us};
}

static inline void
world_ask(struct world *w)
{
	w->facts = (struct facts){
	    .now_us = w->now_us,
	    .replicas = w->replicas,
	    .old = sim_facts(&w->old, w),
	    .new = sim_facts(&w->new, w),
	    .verdict = w->verdict,
	    .why = "as told",
	    .verb = w->verb,
	};
	w->verb = VERB_NONE;
	if (w->back)
		strategy_retreat(&w->state, &w->terms, &w->facts, &w->wish);
	else
		strategy_advance(&w->state, &w->terms, &w->facts, &w->wish);
	sim_scale(&w->old, w->wish.old_replicas, w);
	sim_scale(&w->new, w->wish.new_replicas, w);
}

static inline void
world_tick(struct world *w, uint64_t us)
{
	w->now_us += us;
	sim_age(&w->old, w, false);
	sim_age(&w->new, w, w->broken);
	world_ask(w);
}

static inline void
world_turn_back(struct world *w)
{
	w->back = true;
	w->state = (struct strategy_state){0};
}

/* N old pods that are up for long; new ones take 2 s to come, 1 s to go. */
static inline void
world_init(struct world *w, const struct strategy_ops *ops, unsigned replicas)
{
	*w = (struct world){
	    .now_us = WORLD_BEGIN,
	    .start_us = 2 * SECOND,
	    .leave_us = SECOND,
	    .replicas = replicas,
	    .verdict = VERDICT_PASS,
	    .terms =
		{
		    .ops = ops,
		    .gates = {.max_error_rate = 0.01,
			.max_error_increase = -1,
			.max_p99_increase = -1,
			.confidence = 0.95},
		    .progress_deadline_us = 60 * SECOND,
		    .max_surge = {.count = 1},
		    .parallelism = 1,
		},
	};
	for (unsigned i = 0; i < replicas; i++)
		sim_add(&w->old, SIM_READY, WORLD_BEGIN - 3600 * SECOND);
}

#endif
