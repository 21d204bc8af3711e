/*
 * From what a strategy wants to a plan, and from there into the store, then
 * to the workers.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "conf/conf.h"
#include "control/kept.h"
#include "control/publish.h"
#include "control/rollout_store.h"
#include "control/rollout_weights.h"
#include "control/rollouts_reply.h"
#include "control/rollouts_state.h"
#include "control/store.h"
#include "control/weights.h"
#include "router/split.h"

/* As many rollouts of a service are kept in the store. */
#define HISTORY_MAX 1000u

static bool
has_weights(const struct service *s, const struct weight_change *changes)
{
	for (size_t i = 0; i < s->nversions; i++)
		if (s->versions[i].weight != changes[i].weight ||
		    changes[i].void_sticky)
			return false;
	return true;
}

/* Whether the plan in force is one of which nothing would change. */
static bool
in_force(const struct service *s, const struct release_change *change)
{
	const struct version *candidate =
	    s->candidate < s->nversions ? &s->versions[s->candidate] : NULL;
	const char *is = candidate != NULL ? candidate->name : "";
	const char *shall = change->candidate != NULL ? change->candidate : "";

	return has_weights(s, change->weights) && s->closed == change->closed &&
	       s->leads == change->lead && strcmp(is, shall) == 0 &&
	       (change->stable == NULL ||
		   strcmp(s->versions[s->stable].name, change->stable) == 0);
}

struct plan *
rollout_plan(const struct rollouts *set, const struct rollout *r,
    const struct rollout_change *change, bool *same, char *why, size_t why_size)
{
	const struct plan *now = publish_current(set->parts.publish);
	const struct service *s = plan_service(now, r->service);
	struct weight_change weights[SPLIT_VERSIONS_MAX];
	struct release_change wanted = {
	    .stable = change->stable,
	    .weights = weights,
	    .nweights = s->nversions,
	    .closed = change->force.closed,
	    .lead = change->force.lead,
	    .candidate = change->over ? NULL : r->to,
	};

	rollout_weights(s, r->from, r->to, change->force.share, weights);
	for (size_t i = 0; i < s->nversions; i++)
		weights[i].void_sticky =
		    (change->void_old &&
			strcmp(weights[i].version, r->from) == 0) ||
		    (change->void_new &&
			strcmp(weights[i].version, r->to) == 0);
	*same = in_force(s, &wanted);
	if (*same)
		return NULL;
	return plan_with_release(now, r->service, &wanted, why, why_size);
}

static void
put_stable(struct rollouts *set, struct released *s)
{
	if (s->stored)
		return;
	if (s->stable != NULL)
		rollout_store_stable(set->store, &(struct stored_stable){
						     .service = s->service,
						     .version = s->stable,
						     .filed = s->filed,
						 });
	else
		rollout_store_drop_stable(set->store, s->service);
	s->stored = true;
}

/* In a transaction. */
static void
put_all(struct rollouts *set, struct rollout *r)
{
	rollout_put(r, set->store);
	put_stable(set, rollouts_find(set, r->service));
	if (rollout_phase_over(r->phase))
		rollout_store_prune(set->store, r->service, HISTORY_MAX);
}

void
rollout_publish(struct rollouts *set, struct plan *plan)
{
	publish_plan(set->parts.publish, plan, NULL,
	    rollouts_reply_add(set->reply), set->reply);
}

void
rollout_commit(struct rollouts *set, struct rollout *r, struct plan *plan)
{
	struct publish *publish = set->parts.publish;

	store_begin(set->store);
	put_all(set, r);
	if (plan != NULL)
		kept_put_weights(set->store, plan, publish_conf(publish)->spec);
	store_end(set->store);
	if (plan != NULL)
		rollout_publish(set, plan);
}

void
rollout_save(struct rollouts *set, struct rollout *r)
{
	struct released *s = rollouts_find(set, r->service);

	if (!r->stored || (s != NULL && !s->stored))
		rollout_commit(set, r, NULL);
}
