/* Rows of rollouts, of their decisions, and of stable versions. */
#include "control/rollout_store.h"

#include <stdlib.h>
#include <string.h>

#include "control/store.h"
#include "control/store_query.h"

/* Columns behind the id: texts, then numbers. */
#define TEXTS	     7
#define NUMBERS	     19
#define FIRST_NUMBER (1 + TEXTS)

void
rollout_store_put(struct store *s, const struct stored_rollout *r)
{
	const char *const texts[TEXTS] = {r->service, r->strategy, r->from,
	    r->to, r->phase, r->verdict, r->reason};
	const uint64_t numbers[NUMBERS] = {r->started_us, r->ended_us,
	    r->paused_us, r->paused_at_us, r->step, r->steps, r->paused_by,
	    r->verb, r->undo, r->stage, r->at_step, r->since_us, r->old_wanted,
	    r->new_wanted, r->share, r->old_replicas, r->new_replicas, r->lead,
	    r->closed};

	if (!store_is_file(s))
		return;
	store_bind_number(s, PUT_ROLLOUT, 1, r->id);
	for (int i = 0; i < TEXTS; i++)
		store_bind_text(s, PUT_ROLLOUT, 2 + i, texts[i]);
	for (int i = 0; i < NUMBERS; i++)
		store_bind_number(
		    s, PUT_ROLLOUT, 1 + FIRST_NUMBER + i, numbers[i]);
	store_run(s, PUT_ROLLOUT);
}

void
rollout_store_decide(
    struct store *s, uint64_t id, const struct stored_decision *d)
{
	if (!store_is_file(s))
		return;
	store_bind_number(s, PUT_DECISION, 1, id);
	store_bind_number(s, PUT_DECISION, 2, d->seq);
	store_bind_number(s, PUT_DECISION, 3, d->time_us);
	store_bind_text(s, PUT_DECISION, 4, d->action);
	store_bind_text(s, PUT_DECISION, 5, d->reason);
	store_run(s, PUT_DECISION);
}

void
rollout_store_forget_before(struct store *s, uint64_t id, uint64_t seq)
{
	if (!store_is_file(s))
		return;
	store_bind_number(s, FORGET_DECISIONS, 1, id);
	store_bind_number(s, FORGET_DECISIONS, 2, seq);
	store_run(s, FORGET_DECISIONS);
}

void
rollout_store_prune(struct store *s, const char *service, uint64_t keep)
{
	static const enum query queries[] = {PRUNE_DECISIONS, PRUNE_ROLLOUTS};

	for (unsigned i = 0; store_is_file(s) && i < 2; i++) {
		store_bind_text(s, queries[i], 1, service);
		store_bind_number(s, queries[i], 2, keep);
		store_run(s, queries[i]);
	}
}

void
rollout_store_stable(struct store *s, const struct stored_stable *v)
{
	if (!store_is_file(s))
		return;
	store_bind_text(s, PUT_STABLE, 1, v->service);
	store_bind_text(s, PUT_STABLE, 2, v->version);
	store_bind_text(s, PUT_STABLE, 3, v->filed);
	store_run(s, PUT_STABLE);
}

void
rollout_store_drop_stable(struct store *s, const char *service)
{
	if (!store_is_file(s))
		return;
	store_bind_text(s, DROP_STABLE, 1, service);
	store_run(s, DROP_STABLE);
}

/* Reading. */

static const char *
text_at(struct store *s, enum query q, int column)
{
	const char *text = store_text(s, q, column);

	return text != NULL ? text : "";
}

static struct stored_rollout
read_row(struct store *s, enum query q)
{
	struct stored_rollout r = {.id = store_number(s, q, 0)};
	int i = FIRST_NUMBER;

	r.service = text_at(s, q, 1);
	r.strategy = text_at(s, q, 2);
	r.from = text_at(s, q, 3);
	r.to = text_at(s, q, 4);
	r.phase = text_at(s, q, 5);
	r.verdict = text_at(s, q, 6);
	r.reason = text_at(s, q, 7);
	r.started_us = store_number(s, q, i++);
	r.ended_us = store_number(s, q, i++);
	r.paused_us = store_number(s, q, i++);
	r.paused_at_us = store_number(s, q, i++);
	r.step = (unsigned)store_number(s, q, i++);
	r.steps = (unsigned)store_number(s, q, i++);
	r.paused_by = store_number(s, q, i++);
	r.verb = store_number(s, q, i++);
	r.undo = store_number(s, q, i++) != 0;
	r.stage = store_number(s, q, i++);
	r.at_step = store_number(s, q, i++);
	r.since_us = store_number(s, q, i++);
	r.old_wanted = store_number(s, q, i++);
	r.new_wanted = store_number(s, q, i++);
	r.share = store_number(s, q, i++);
	r.old_replicas = store_number(s, q, i++);
	r.new_replicas = store_number(s, q, i++);
	r.lead = store_number(s, q, i++);
	r.closed = store_number(s, q, i) != 0;
	return r;
}

struct decisions {
	struct stored_decision *list; /* owned, with their texts */
	size_t n, size;
};

static void
decisions_clear(struct decisions *d)
{
	for (size_t i = 0; i < d->n; i++) {
		free((char *)d->list[i].action);
		free((char *)d->list[i].reason);
	}
	free(d->list);
	*d = (struct decisions){0};
}

static int
decisions_add(struct decisions *d, struct store *s)
{
	struct stored_decision *next;

	if (d->n == d->size) {
		const size_t size = d->size > 0 ? 2 * d->size : 16;

		next = reallocarray(d->list, size, sizeof *next);
		if (next == NULL)
			return -1;
		d->list = next;
		d->size = size;
	}
	next = &d->list[d->n++];
	next->seq = store_number(s, EACH_DECISION, 0);
	next->time_us = store_number(s, EACH_DECISION, 1);
	next->action = strdup(text_at(s, EACH_DECISION, 2));
	next->reason = strdup(text_at(s, EACH_DECISION, 3));
	return next->action != NULL && next->reason != NULL ? 0 : -1;
}

static int
read_decisions(struct store *s, uint64_t id, struct decisions *d)
{
	bool failed;
	int rc = 0;

	store_bind_number(s, EACH_DECISION, 1, id);
	while (rc == 0 && store_next(s, EACH_DECISION, &failed))
		rc = decisions_add(d, s);
	store_enough(s, EACH_DECISION);
	return rc < 0 || failed ? -1 : 0;
}

static int
each_row(struct store *s, enum query q, rollout_store_row *each, void *arg)
{
	bool failed = false;
	int rc = 0;

	while (rc == 0 && store_next(s, q, &failed)) {
		const struct stored_rollout r = read_row(s, q);
		struct decisions d = {0};

		rc = read_decisions(s, r.id, &d);
		if (rc == 0)
			each(arg, &r, d.list, d.n);
		decisions_clear(&d);
	}
	store_enough(s, q);
	return rc < 0 || failed ? -1 : 0;
}

int
rollout_store_each_last(struct store *s, rollout_store_row *each, void *arg)
{
	if (!store_is_file(s))
		return 0;
	return each_row(s, EACH_LAST_ROLLOUT, each, arg);
}

int
rollout_store_each(struct store *s, const char *service, size_t limit,
    rollout_store_row *each, void *arg)
{
	if (!store_is_file(s))
		return 0;
	store_bind_text(s, EACH_ROLLOUT, 1, service);
	store_bind_number(s, EACH_ROLLOUT, 2, limit);
	return each_row(s, EACH_ROLLOUT, each, arg);
}

int
rollout_store_each_stable(struct store *s,
    void (*each)(void *arg, const struct stored_stable *v), void *arg)
{
	bool failed = false;

	while (store_is_file(s) && store_next(s, EACH_STABLE, &failed))
		each(arg, &(struct stored_stable){
			      .service = text_at(s, EACH_STABLE, 0),
			      .version = text_at(s, EACH_STABLE, 1),
			      .filed = text_at(s, EACH_STABLE, 2),
			  });
	return failed ? -1 : 0;
}
