/*
 * What there is to see of a rollout at a moment: its two versions in the plan
 * in force, the terms by which it goes, and the facts for its strategy. Main
 * thread only.
 */
#ifndef CONTROL_ROLLOUT_SIGHT_H
#define CONTROL_ROLLOUT_SIGHT_H

#include <stdbool.h>
#include <stdint.h>

#include "control/rollout_facts.h"
#include "strategies/strategy.h"

struct release;
struct rollout;
struct rollouts;
struct service;
struct version;

struct sight {
	const struct service *service;
	const struct version *old, *new;
	const struct release *release;
	struct strategy_terms terms;
	struct rollout_pods old_pods, new_pods;
	struct facts facts;
	uint64_t now_us; /* monotonic; facts have the wall clock's */
	char why[240];
};

/*
 * Looks. False when the service or a version is not in the plan any more (NULL
 * then), or without memory, which is logged. Other terms than before are a
 * decision.
 */
bool rollout_observe(struct rollouts *set, struct rollout *r, struct sight *k);

#endif
