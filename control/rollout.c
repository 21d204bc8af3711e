/* The life of one rollout: its phases, its decisions, its row. */
#include "control/rollout.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "control/events.h"
#include "control/rollout_store.h"

/* As many decisions of one rollout are kept; the oldest go. */
#define DECISIONS_MAX 500u
/* A row that wants more pods than that is no row of ours. */
#define REPLICAS_MAX 1000000u

#define TO(phase) (1u << ROLLOUT_##phase)

/* Which phases may follow each. */
static const unsigned moves[ROLLOUT_PHASE_COUNT] = {
    [ROLLOUT_STARTING] = TO(PROGRESSING) | TO(PAUSED) | TO(PROMOTING) |
			 TO(ROLLING_BACK) | TO(FAILED),
    [ROLLOUT_PROGRESSING] =
	TO(PAUSED) | TO(PROMOTING) | TO(ROLLING_BACK) | TO(FAILED),
    [ROLLOUT_PAUSED] = TO(STARTING) | TO(PROGRESSING) | TO(PROMOTING) |
		       TO(ROLLING_BACK) | TO(FAILED),
    [ROLLOUT_PROMOTING] = TO(PAUSED) | TO(DONE) | TO(ROLLING_BACK) | TO(FAILED),
    [ROLLOUT_ROLLING_BACK] = TO(ROLLED_BACK) | TO(FAILED),
};

bool
rollout_may_move(enum rollout_phase from, enum rollout_phase to)
{
	return (moves[from] & (1u << to)) != 0;
}

static struct rollout *
rollout_alloc(
    const char *service, const char *strategy, const char *from, const char *to)
{
	struct rollout *r = calloc(1, sizeof *r);

	if (r == NULL)
		return NULL;
	r->magic = ROLLOUT_MAGIC;
	r->service = strdup(service);
	r->strategy = strdup(strategy);
	r->from = strdup(from);
	r->to = strdup(to);
	r->first_seq = 1;
	if (r->service != NULL && r->strategy != NULL && r->from != NULL &&
	    r->to != NULL)
		return r;
	rollout_free(r);
	return NULL;
}

struct rollout *
rollout_new(uint64_t id, const char *service, const char *from, const char *to,
    const struct strategy_ops *ops, uint64_t wall_us)
{
	struct rollout *r = rollout_alloc(service, ops->name, from, to);

	if (r == NULL)
		return NULL;
	r->id = id;
	r->ops = ops;
	r->started_us = wall_us;
	return r;
}

void
rollout_free(struct rollout *r)
{
	if (r == NULL)
		return;
	CHECK_OBJ(r, ROLLOUT_MAGIC);
	CHECK(r->run == NULL);
	for (size_t i = 0; i < r->ndecisions; i++) {
		free((char *)r->decisions[i].action);
		free((char *)r->decisions[i].reason);
	}
	free(r->decisions);
	free(r->service);
	free(r->strategy);
	free(r->from);
	free(r->to);
	r->magic = 0;
	free(r);
}

/* Decisions. */

static int
add_decision(
    struct rollout *r, uint64_t time_us, const char *action, const char *reason)
{
	struct rollout_decision *list, d = {.time_us = time_us};

	list = reallocarray(r->decisions, r->ndecisions + 1, sizeof *list);
	if (list == NULL)
		return -1;
	r->decisions = list;
	d.action = strdup(action);
	d.reason = strdup(reason);
	if (d.action == NULL || d.reason == NULL) {
		free((char *)d.action);
		free((char *)d.reason);
		return -1;
	}
	list[r->ndecisions++] = d;
	return 0;
}

/* Only of those that are stored, as long as there is a store. */
static void
drop_oldest(struct rollout *r)
{
	free((char *)r->decisions[0].action);
	free((char *)r->decisions[0].reason);
	memmove(&r->decisions[0], &r->decisions[1],
	    --r->ndecisions * sizeof r->decisions[0]);
	r->first_seq++;
	if (r->nstored > 0)
		r->nstored--;
}

static void
record(struct rollout *r, struct events *events, enum rollout_phase was,
    const char *action, const char *reason)
{
	char words[512];

	if (r->ndecisions == DECISIONS_MAX)
		drop_oldest(r);
	add_decision(r, clock_wall_us(), action, reason);
	r->stored = false;
	snprintf(words, sizeof words, "%s%s%s", action,
	    *reason != '\0' ? ": " : "", reason);
	events_rollout(events, r->service, r->to, rollout_phase_name(was),
	    rollout_phase_name(r->phase), words);
}

void
rollout_decide(struct rollout *r, struct events *events, const char *action,
    const char *reason)
{
	CHECK_OBJ(r, ROLLOUT_MAGIC);
	record(r, events, r->phase, action, reason);
}

void
rollout_move(struct rollout *r, struct events *events, enum rollout_phase to,
    const char *action, const char *reason)
{
	const enum rollout_phase was = r->phase;

	CHECK_OBJ(r, ROLLOUT_MAGIC);
	CHECK(rollout_may_move(was, to));
	r->phase = to;
	if (to != ROLLOUT_PAUSED)
		rollout_end_pause(r, clock_wall_us());
	if (rollout_phase_over(to))
		r->ended_us = clock_wall_us();
	snprintf(r->reason, sizeof r->reason, "%s", reason);
	record(r, events, was, action, reason);
}

/* Pauses. */

bool
rollout_frozen(const struct rollout *r)
{
	return r->paused_by == PAUSE_PERSON || r->paused_by == PAUSE_GATE;
}

void
rollout_end_pause(struct rollout *r, uint64_t wall_us)
{
	const bool frozen = rollout_frozen(r);
	uint64_t took;

	if (r->paused_at_us == 0)
		return;
	took = wall_us > r->paused_at_us ? wall_us - r->paused_at_us : 0;
	r->paused_us += took;
	if (frozen && r->state.since_us > 0)
		r->state.since_us += took;
	r->paused_at_us = 0;
	r->paused_by = PAUSE_NONE;
	r->stored = false;
}

void
rollout_set_pause(struct rollout *r, enum rollout_pause by, uint64_t wall_us)
{
	rollout_end_pause(r, wall_us);
	r->paused_by = by;
	r->paused_at_us = wall_us;
	r->stored = false;
}

/* Rows. */

/* What is wrong with the numbers of a row that is under way; NULL: nothing. */
static const char *
fault_of(const struct stored_rollout *row, const struct rollout *r)
{
	const bool back = r->phase == ROLLOUT_ROLLING_BACK;

	if (r->ops == NULL)
		return "its strategy is unknown";
	if (!strategy_knows(r->ops, &r->state, back) || row->stage > UINT32_MAX)
		return "its strategy knows no such stage";
	if (row->share > SHARE_ALL || row->at_step > UINT32_MAX ||
	    row->old_replicas > REPLICAS_MAX ||
	    row->new_replicas > REPLICAS_MAX ||
	    row->old_wanted > REPLICAS_MAX || row->new_wanted > REPLICAS_MAX ||
	    row->lead > LEAD_AB)
		return "a number of it is out of range";
	if (row->paused_by >= PAUSE_COUNT || row->verb > VERB_PROMOTE_FULL ||
	    (r->phase != ROLLOUT_PAUSED && row->paused_by != PAUSE_NONE))
		return "what it waits for is unknown";
	if (*row->from == '\0' || *row->to == '\0')
		return "it names no versions";
	return NULL;
}

static void
read_numbers(struct rollout *r, const struct stored_rollout *row)
{
	r->step = row->step;
	r->steps = row->steps;
	r->started_us = row->started_us;
	r->ended_us = row->ended_us;
	r->paused_us = row->paused_us;
	r->paused_at_us = row->paused_at_us;
	r->paused_by = (enum rollout_pause)row->paused_by;
	r->verb = (enum strategy_verb)row->verb;
	r->undo = row->undo;
	r->state = (struct strategy_state){
	    .stage = (uint32_t)row->stage,
	    .step = (uint32_t)row->at_step,
	    .since_us = row->since_us,
	    .old_wanted = (uint32_t)row->old_wanted,
	    .new_wanted = (uint32_t)row->new_wanted,
	};
	r->now = (struct rollout_force){
	    .share = (uint32_t)row->share,
	    .old_replicas = (unsigned)row->old_replicas,
	    .new_replicas = (unsigned)row->new_replicas,
	    .lead = (enum release_lead)row->lead,
	    .closed = row->closed,
	};
}

static enum verdict
find_verdict(const char *name)
{
	static const enum verdict all[] = {
	    VERDICT_NO_DATA, VERDICT_PASS, VERDICT_FAIL};

	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
		if (strcmp(verdict_name(all[i]), name) == 0)
			return all[i];
	return VERDICT_NONE;
}

struct rollout *
rollout_of_row(const struct stored_rollout *row,
    const struct stored_decision *decisions, size_t n, char *why,
    size_t why_size)
{
	struct rollout *r =
	    rollout_alloc(row->service, row->strategy, row->from, row->to);
	const char *fault = NULL;

	*why = '\0';
	if (r == NULL)
		return NULL;
	r->id = row->id;
	r->ops = strategy_find(row->strategy);
	r->phase = rollout_phase_find(row->phase);
	r->verdict = find_verdict(row->verdict);
	snprintf(r->reason, sizeof r->reason, "%s", row->reason);
	read_numbers(r, row);
	if (n > 0)
		r->first_seq = decisions[0].seq;
	for (size_t i = 0; i < n; i++)
		if (add_decision(r, decisions[i].time_us, decisions[i].action,
			decisions[i].reason) < 0) {
			rollout_free(r);
			return NULL;
		}
	r->nstored = r->ndecisions;
	r->stored = true;
	if (r->phase == ROLLOUT_PHASE_COUNT)
		fault = "its phase is unknown";
	else if (!rollout_phase_over(r->phase))
		fault = fault_of(row, r);
	if (fault != NULL) {
		r->phase = ROLLOUT_FAILED;
		snprintf(why, why_size, "%s", fault);
	}
	return r;
}

static void
put_decision(const struct rollout *r, struct store *store, size_t i)
{
	const struct rollout_decision *d = &r->decisions[i];

	rollout_store_decide(store, r->id,
	    &(struct stored_decision){
		.seq = r->first_seq + i,
		.time_us = d->time_us,
		.action = d->action,
		.reason = d->reason,
	    });
}

void
rollout_put(struct rollout *r, struct store *store)
{
	CHECK_OBJ(r, ROLLOUT_MAGIC);
	rollout_store_put(store, &(struct stored_rollout){
				     .id = r->id,
				     .service = r->service,
				     .strategy = r->strategy,
				     .from = r->from,
				     .to = r->to,
				     .phase = rollout_phase_name(r->phase),
				     .verdict = verdict_name(r->verdict),
				     .reason = r->reason,
				     .started_us = r->started_us,
				     .ended_us = r->ended_us,
				     .paused_us = r->paused_us,
				     .paused_at_us = r->paused_at_us,
				     .step = r->step,
				     .steps = r->steps,
				     .paused_by = r->paused_by,
				     .verb = r->verb,
				     .undo = r->undo,
				     .stage = r->state.stage,
				     .at_step = r->state.step,
				     .since_us = r->state.since_us,
				     .old_wanted = r->state.old_wanted,
				     .new_wanted = r->state.new_wanted,
				     .share = r->now.share,
				     .old_replicas = r->now.old_replicas,
				     .new_replicas = r->now.new_replicas,
				     .lead = r->now.lead,
				     .closed = r->now.closed,
				 });
	for (; r->nstored < r->ndecisions; r->nstored++)
		put_decision(r, store, r->nstored);
	if (r->first_seq > 1)
		rollout_store_forget_before(store, r->id, r->first_seq);
	r->stored = true;
}

void
rollout_put_whole(struct rollout *r, struct store *store)
{
	r->nstored = 0;
	rollout_put(r, store);
}

void
rollout_show(const struct rollout *r, struct rollout_view *view)
{
	const uint64_t now = clock_wall_us();

	CHECK_OBJ(r, ROLLOUT_MAGIC);
	*view = (struct rollout_view){
	    .id = r->id,
	    .service = r->service,
	    .strategy = r->strategy,
	    .from = r->from,
	    .to = r->to,
	    .phase = r->phase,
	    .step = r->step,
	    .steps = r->steps,
	    .verdict = r->verdict,
	    .reason = r->reason,
	    .started_us = r->started_us,
	    .ended_us = r->ended_us,
	    .paused_us = r->paused_us,
	    .decisions = r->decisions,
	    .ndecisions = r->ndecisions,
	};
	if (r->paused_at_us > 0 && now > r->paused_at_us)
		view->paused_us += now - r->paused_at_us;
}
