/* Rollouts out of the store: into the first plan, and on from there. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "control/publish.h"
#include "control/rollout_store.h"
#include "control/rollout_weights.h"
#include "control/rollouts.h"
#include "control/rollouts_state.h"
#include "control/store.h"
#include "control/weights.h"
#include "router/release.h"
#include "router/spec.h"

/* Reading. */

struct reading {
	struct rollouts *set;
	int rc;
};

static void
read_rollout(void *arg, const struct stored_rollout *row,
    const struct stored_decision *decisions, size_t n)
{
	struct reading *reading = arg;
	struct rollouts *set = reading->set;
	struct released *s = rollouts_make(set, row->service);
	struct rollout *r = NULL;
	char why[160];

	if (s != NULL)
		r = rollout_of_row(row, decisions, n, why, sizeof why);
	if (r == NULL) {
		reading->rc = -1;
		return;
	}
	rollouts_add(set, s, r);
	if (r->id >= set->next_id)
		set->next_id = r->id + 1;
	if (*why == '\0')
		return;
	r->stored = false;
	r->ended_us = 0; /* its end is still to be told */
	snprintf(r->reason, sizeof r->reason,
	    "what the state file has of it cannot be read: %s", why);
}

static void
read_stable(void *arg, const struct stored_stable *row)
{
	struct reading *reading = arg;
	struct released *s = rollouts_make(reading->set, row->service);

	if (s != NULL) {
		s->stable = strdup(row->version);
		s->filed = strdup(row->filed);
	}
	if (s == NULL || s->stable == NULL || s->filed == NULL)
		reading->rc = -1;
}

struct rollouts *
rollouts_new(struct store *store, char *why, size_t why_size)
{
	struct rollouts *set = calloc(1, sizeof *set);
	struct reading reading = {.set = set};

	snprintf(why, why_size, "out of memory");
	if (set == NULL)
		return NULL;
	set->magic = ROLLOUTS_MAGIC;
	set->store = store;
	set->next_id = 1;
	TAILQ_INIT(&set->services);
	if (rollout_store_each_last(store, read_rollout, &reading) == 0 &&
	    rollout_store_each_stable(store, read_stable, &reading) == 0 &&
	    reading.rc == 0)
		return set;
	snprintf(
	    why, why_size, "state: what it keeps of rollouts cannot be read");
	rollouts_free(set);
	return NULL;
}

/* What it was doing when the process ended. */
static bool
was_under_way(const struct rollout *r)
{
	return r != NULL && !rollout_phase_over(r->phase);
}

/* Its row is no good: the stable version gets everything. */
static bool
is_broken(const struct rollout *r)
{
	return r != NULL && r->phase == ROLLOUT_FAILED && r->ended_us == 0;
}

/* Into a spec. */

static void
apply_stable(const struct released *s, struct service_spec *spec)
{
	if (s->stable == NULL ||
	    strcmp(spec->versions[spec->stable].name, s->filed) != 0)
		return;
	for (size_t i = 0; i < spec->nversions; i++)
		if (strcmp(spec->versions[i].name, s->stable) == 0)
			spec->stable = i;
}

static bool
has_version(const struct service_spec *s, const char *name)
{
	for (size_t i = 0; i < s->nversions; i++)
		if (strcmp(s->versions[i].name, name) == 0)
			return true;
	return false;
}

void
rollouts_apply(struct rollouts *set, struct spec *spec)
{
	struct released *s;

	CHECK_OBJ(set, ROLLOUTS_MAGIC);
	TAILQ_FOREACH (s, &set->services, link) {
		const struct rollout *r = rollouts_newest(s);
		struct service_spec *next = weights_service(spec, s->service);

		if (next == NULL)
			continue;
		apply_stable(s, next);
		if (is_broken(r))
			rollout_spec_weights(next, r->from, r->to, 0);
		else if (was_under_way(r) && has_version(next, r->to) &&
			 strcmp(next->versions[next->stable].name, r->from) ==
			     0) /* else the file wins */
			rollout_spec_weights(
			    next, r->from, r->to, r->now.share);
	}
}

/* Into the first plan. */

static struct plan *
first_plan_of(
    struct plan *plan, const struct rollout *r, char *why, size_t why_size)
{
	const struct service *s = plan_service(plan, r->service);
	struct release_change change = {
	    .closed = r->now.closed, .lead = r->now.lead, .candidate = r->to};
	struct plan *next;

	if (s == NULL || service_version(s, r->to) == NULL ||
	    service_version(s, r->from) == NULL)
		return plan;
	if (change.lead == LEAD_AB && s->terms->release->ab_match == NULL)
		change.lead = LEAD_NONE;
	next = plan_with_release(plan, r->service, &change, why, why_size);
	plan_drop(plan);
	return next;
}

struct plan *
rollouts_first_plan(
    struct rollouts *set, struct plan *plan, char *why, size_t why_size)
{
	struct released *s;

	CHECK_OBJ(set, ROLLOUTS_MAGIC);
	TAILQ_FOREACH (s, &set->services, link) {
		const struct rollout *r = rollouts_newest(s);

		if (was_under_way(r) && plan != NULL)
			plan = first_plan_of(plan, r, why, why_size);
	}
	return plan;
}

/* Going on. */

/* The side that traffic has left is given time to finish what it has. */
static int
resume_sides(struct rollout *r)
{
	const bool back = r->phase == ROLLOUT_ROLLING_BACK;
	const uint64_t now = clock_now_us();
	struct rollout_run *run = r->run;

	/* without a plan of its own yet, the stable version has everything */
	run->given = r->now.old_replicas > 0 || r->now.new_replicas > 0;
	if (back && r->now.new_replicas == 0)
		run->new.idle_us = now;
	if (!back && r->now.old_replicas == 0 && run->given)
		run->old.idle_us = now;
	if (rollout_side_give(&run->old, r->now.old_replicas, now) < 0)
		return -1;
	return rollout_side_give(&run->new, r->now.new_replicas, now);
}

static void
obey_restart(struct rollouts *set, struct rollout *r, enum on_restart on)
{
	static const char reason[] = "shunt was restarted";

	rollout_decide(r, set->parts.events, "restart",
	    on == ON_RESTART_CONTINUE || r->phase == ROLLOUT_ROLLING_BACK
		? "it goes on where it was, counters begin anew"
		: reason);
	if (r->phase == ROLLOUT_ROLLING_BACK)
		return;
	switch (on) {
	case ON_RESTART_CONTINUE:
		break;
	case ON_RESTART_ROLLBACK:
		rollout_turn_back(set, r, "rollback", reason);
		break;
	case ON_RESTART_PAUSE:
		if (r->phase != ROLLOUT_PAUSED)
			rollout_go(set, r, ROLLOUT_PAUSED, "pause", reason);
		if (!rollout_frozen(r))
			rollout_set_pause(r, PAUSE_PERSON, clock_wall_us());
		break;
	}
}

static int
resume(struct rollouts *set, struct rollout *r)
{
	const struct service *s =
	    plan_service(publish_current(set->parts.publish), r->service);

	if (rollout_run_begin(set, r) < 0 || resume_sides(r) < 0)
		return -1;
	r->run->resumed_us = clock_wall_us();
	r->run->peak = r->now.share;
	r->run->started = r->phase != ROLLOUT_STARTING;
	if (s != NULL)
		obey_restart(set, r, s->terms->release->on_restart);
	return 0;
}

static void
tell_broken(struct rollouts *set, struct rollout *r)
{
	r->ended_us = clock_wall_us();
	rollouts_find(set, r->service)->ended[ROLLOUT_FAILED]++;
	rollout_decide(r, set->parts.events, "fail", r->reason);
	rollout_save(set, r);
}

int
rollouts_begin(struct rollouts *set, const struct rollouts_parts *parts)
{
	struct released *s;

	CHECK_OBJ(set, ROLLOUTS_MAGIC);
	if (rollouts_open(set, parts) < 0)
		return -1;
	TAILQ_FOREACH (s, &set->services, link) {
		struct rollout *r = rollouts_newest(s);

		if (is_broken(r))
			tell_broken(set, r);
		if (!was_under_way(r))
			continue;
		if (resume(set, r) < 0)
			return -1;
		rollouts_advance(set, r);
	}
	rollouts_soon(set);
	return 0;
}

void
rollouts_write(struct rollouts *set)
{
	struct released *s;
	struct rollout *r;

	CHECK_OBJ(set, ROLLOUTS_MAGIC);
	TAILQ_FOREACH (s, &set->services, link) {
		TAILQ_FOREACH (r, &s->list, link)
			rollout_put_whole(r, set->store);
		if (s->stable == NULL)
			rollout_store_drop_stable(set->store, s->service);
		else
			rollout_store_stable(
			    set->store, &(struct stored_stable){
					    .service = s->service,
					    .version = s->stable,
					    .filed = s->filed,
					});
		s->stored = true;
	}
}
