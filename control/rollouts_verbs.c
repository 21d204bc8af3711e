/* What people ask for: to start a rollout, and to steer it. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "conf/conf.h"
#include "conf/launch_files.h"
#include "control/launch.h"
#include "control/publish.h"
#include "control/rollout_hooks.h"
#include "control/rollout_sample.h"
#include "control/rollouts.h"
#include "control/rollouts_reply.h"
#include "control/rollouts_state.h"
#include "control/weights.h"
#include "router/release.h"
#include "router/spec.h"

/* How many ended rollouts are searched for the last one that was done. */
#define UNDO_DEPTH 1000u

static const char *const verb_names[] = {
    [ROLLOUT_PAUSE] = "pause",
    [ROLLOUT_RESUME] = "resume",
    [ROLLOUT_PROMOTE] = "promote",
    [ROLLOUT_PROMOTE_FULL] = "promote",
    [ROLLOUT_ABORT] = "abort",
    [ROLLOUT_UNDO] = "undo",
};

const char *
rollout_verb_name(enum rollout_verb verb)
{
	return verb_names[verb];
}

/* Somebody's wish, and what is wrong with it. */
struct demand {
	struct rollouts *set;
	const char *service;
	control_done *done;
	void *arg;
	char why[400];
};

/* Always -1. */
static int __attribute__((format(printf, 2, 3)))
refuse(struct demand *q, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(q->why, sizeof q->why, fmt, ap);
	va_end(ap);
	return -1;
}

static void
answer(const struct demand *q, const char *error)
{
	if (q->done != NULL)
		q->done(q->arg, error);
}

/* Carries on with a rollout that was just changed, and answers then. */
static void
carry_on(struct demand *q, struct rollout *r)
{
	struct rollouts *set = q->set;

	set->reply = rollouts_reply_new(q->done, q->arg);
	if (set->reply == NULL) {
		rollouts_soon(set);
		answer(q, NULL);
		return;
	}
	rollouts_advance(set, r);
	rollouts_reply_seal(set->reply);
	set->reply = NULL;
	rollouts_soon(set);
}

static const struct service *
find_service(struct demand *q)
{
	const struct service *s =
	    plan_service(publish_current(q->set->parts.publish), q->service);

	if (s == NULL)
		refuse(q, "unknown service \"%s\"", q->service);
	return s;
}

/* Starting. */

static void
list_versions(const struct service *s, char *buf, size_t size)
{
	size_t n = 0;

	buf[0] = '\0';
	for (size_t i = 0; i < s->nversions && n < size; i++)
		n += (size_t)snprintf(buf + n, size - n, "%s%s",
		    i > 0 ? ", " : "", s->versions[i].name);
}

/* Before an old pod is stopped for it. */
static int
check_program(struct demand *q, const char *to)
{
	const struct conf *conf = publish_conf(q->set->parts.publish);
	const struct service_spec *s = weights_service(conf->spec, q->service);
	char why[LAUNCH_FAULT_MAX];

	for (size_t i = 0; s != NULL && i < s->nversions; i++) {
		const struct version_spec *v = &s->versions[i];

		if (strcmp(v->name, to) == 0 && v->launch != NULL &&
		    launch_fault(v->launch, why, sizeof why))
			return refuse(q, "%s cannot be launched: %s", to, why);
	}
	return 0;
}

static int
check_candidate(struct demand *q, const struct service *s, const char *to)
{
	const struct version *v = service_version(s, to);
	struct launch_counts counts;
	char names[200];
	bool launched;

	if (v == NULL) {
		list_versions(s, names, sizeof names);
		return refuse(
		    q, "unknown version \"%s\" (known: %s)", to, names);
	}
	if (v->index == s->stable)
		return refuse(q, "%s is the stable version already", to);
	launched = launch_counts(q->set->parts.launch, s->name, to, &counts);
	if (launched && counts.replicas == 0)
		return refuse(q, "%s has no replicas to launch", to);
	if (v->npods == 0 && !launched)
		return refuse(q, "%s has neither pods nor launch", to);
	return check_program(q, to);
}

static int
check_strategy(struct demand *q, const struct service *s, const char *to,
    const char *name, const struct strategy_ops **ops)
{
	const struct release *release = s->terms->release;
	char names[128];

	*ops = name != NULL ? strategy_find(name) : release->strategy;
	if (*ops == NULL) {
		strategy_names(names, sizeof names);
		return refuse(
		    q, "unknown strategy \"%s\" (known: %s)", name, names);
	}
	if (*ops == &strategy_ab && release->ab_match == NULL)
		return refuse(q,
		    "strategy ab needs a match that leads to %s: release.ab "
		    "has none",
		    to);
	return 0;
}

/* One that is under way gives its place to the next. */
static int
check_place(struct demand *q, const struct service *s, const char *to)
{
	const struct released *of = rollouts_find(q->set, q->service);
	const struct rollout *r = of != NULL ? rollouts_newest(of) : NULL;
	const struct version *candidate;

	if (!rollout_runs(r))
		return 0;
	candidate = service_version(s, r->to);
	if (strcmp(r->to, to) == 0 && r->phase != ROLLOUT_ROLLING_BACK)
		return refuse(q, "a rollout to %s is %s already", to,
		    rollout_phase_name(r->phase));
	if (r->now.share > 0 && s->versions[s->stable].nup == 0 &&
	    candidate != NULL && candidate->nup > 0)
		return refuse(q,
		    "%s has no pod that could take over from %s: abort that "
		    "rollout, or let it end",
		    r->from, r->to);
	return 0;
}

/* Its candidate gets nothing more, in one plan. -1: it stays as it is. */
static int
supersede(struct demand *q, struct rollout *r, const char *to)
{
	struct rollouts *set = q->set;
	struct rollout_change c = {
	    .force = {.closed = r->now.closed}, .void_new = true, .over = true};
	char reason[200];
	struct plan *plan;
	bool same;

	snprintf(reason, sizeof reason, "superseded by a rollout to %s", to);
	plan = rollout_plan(set, r, &c, &same, q->why, sizeof q->why);
	if (plan == NULL && !same)
		return -1;
	rollout_turn_back(set, r, "supersede", reason);
	rollout_go(set, r, ROLLOUT_ROLLED_BACK, "rolled back", reason);
	r->now = c.force;
	rollout_commit(set, r, plan);
	launch_want(set->parts.launch, r->service, r->to, LAUNCH_BY_WEIGHT);
	rollout_run_end(r);
	return 0;
}

static struct rollout *
make(struct demand *q, const struct service *s, const char *to,
    const struct strategy_ops *ops)
{
	struct rollouts *set = q->set;
	struct released *of = rollouts_make(set, q->service);
	struct rollout *r;

	refuse(q, "out of memory");
	if (of == NULL)
		return NULL;
	r = rollout_new(set->next_id, q->service, s->versions[s->stable].name,
	    to, ops, clock_wall_us());
	if (r == NULL)
		return NULL;
	if (rollout_run_begin(set, r) < 0 ||
	    (rollout_runs(rollouts_newest(of)) &&
		supersede(q, rollouts_newest(of), to) < 0)) {
		rollout_run_end(r);
		rollout_free(r);
		return NULL;
	}
	set->next_id++;
	rollouts_add(set, of, r);
	return r;
}

static int
start(struct demand *q, const char *to, const char *strategy, bool undo)
{
	struct rollouts *set = q->set;
	const struct service *s = find_service(q);
	const struct strategy_ops *ops;
	struct rollout *r;
	char words[200];

	if (s == NULL || check_candidate(q, s, to) < 0 ||
	    check_place(q, s, to) < 0)
		return -1;
	ops = s->terms->release->strategy;
	if (!undo && check_strategy(q, s, to, strategy, &ops) < 0)
		return -1;
	r = make(q, s, to, ops);
	if (r == NULL)
		return -1;
	r->undo = undo;
	if (undo)
		r->verb = VERB_PROMOTE_FULL;
	snprintf(
	    words, sizeof words, "%s -> %s by %s", r->from, r->to, r->strategy);
	snprintf(r->reason, sizeof r->reason, "%s", words);
	rollout_decide(r, set->parts.events, undo ? "undo" : "start", words);
	rollout_tell(set->teller, s->terms->release, r);
	rollout_save(set, r);
	carry_on(q, r);
	return 0;
}

void
rollouts_start(struct rollouts *set, const char *service, const char *to,
    const char *strategy, control_done *done, void *arg)
{
	struct demand q = {
	    .set = set, .service = service, .done = done, .arg = arg};

	CHECK_OBJ(set, ROLLOUTS_MAGIC);
	if (set->stopped)
		answer(&q, "shutting down");
	else if (start(&q, to, strategy, false) < 0)
		answer(&q, q.why);
}

/* Steering. */

struct last_done {
	char *from, *to;
};

static void
see_done(void *arg, const struct rollout_view *view)
{
	struct last_done *d = arg;

	if (d->from != NULL || view->phase != ROLLOUT_DONE)
		return;
	d->from = strdup(view->from);
	d->to = strdup(view->to);
}

static int
undo(struct demand *q)
{
	const struct service *s = find_service(q);
	struct last_done d = {0};
	int rc = -1;

	if (s == NULL)
		return -1;
	if (rollouts_running(q->set, q->service))
		return refuse(
		    q, "a rollout of %s is under way: abort it", q->service);
	if (rollouts_each(q->set, q->service, UNDO_DEPTH, see_done, &d) < 0)
		refuse(q, "the history cannot be read");
	else if (d.from == NULL || d.to == NULL)
		refuse(q,
		    "%s has no rollout that is done: there is nothing to undo",
		    q->service);
	else if (strcmp(d.to, s->versions[s->stable].name) != 0)
		refuse(q,
		    "%s is not stable by a rollout: there is nothing to undo",
		    s->versions[s->stable].name);
	else
		rc = start(q, d.from, NULL, true);
	free(d.from);
	free(d.to);
	return rc;
}

static int
unfit(struct demand *q, const struct rollout *r, const char *what)
{
	return refuse(q, "the rollout to %s is %s%s", r->to,
	    rollout_phase_name(r->phase), what);
}

static int
pause_it(struct demand *q, struct rollout *r)
{
	struct rollouts *set = q->set;

	if (r->phase == ROLLOUT_ROLLING_BACK)
		return unfit(q, r, ": that is not paused");
	if (r->now.closed)
		return unfit(q, r,
		    " and closed: no version takes requests, "
		    "and a pause would make that longer");
	if (rollout_frozen(r))
		return 0;
	if (r->phase == ROLLOUT_PAUSED)
		rollout_decide(r, set->parts.events, "pause", "asked for");
	else
		rollout_go(set, r, ROLLOUT_PAUSED, "pause", "asked for");
	rollout_set_pause(r, PAUSE_PERSON, clock_wall_us());
	return 0;
}

static int
resume_it(struct demand *q, struct rollout *r)
{
	struct events *events = q->set->parts.events;

	if (r->phase != ROLLOUT_PAUSED)
		return unfit(q, r, ", not paused");
	if (r->paused_by == PAUSE_GATE) {
		rollout_sample_begin(
		    r->run->sample, r->run->terms.gates.window_us);
		rollout_decide(
		    r, events, "resume", "asked for; the evidence begins anew");
	} else {
		rollout_decide(r, events, "resume", "asked for");
	}
	if (r->paused_by == PAUSE_STEP && r->verb == VERB_NONE)
		r->verb = VERB_PROMOTE;
	rollout_end_pause(r, clock_wall_us());
	return 0;
}

static int
promote_it(struct demand *q, struct rollout *r, bool full)
{
	if (r->phase == ROLLOUT_ROLLING_BACK)
		return unfit(q, r, ": start another one");
	/* all that is left of blue_green then is to keep the old pods */
	if (r->ops == &strategy_blue_green && r->now.share == SHARE_ALL)
		full = true;
	rollout_decide(r, q->set->parts.events,
	    full ? "promote full" : "promote", "asked for");
	if (full)
		r->verb = VERB_PROMOTE_FULL;
	else if (r->verb == VERB_NONE && r->phase != ROLLOUT_PROMOTING)
		r->verb = VERB_PROMOTE;
	if (rollout_frozen(r))
		rollout_sample_begin(
		    r->run->sample, r->run->terms.gates.window_us);
	rollout_end_pause(r, clock_wall_us());
	return 0;
}

static int
steer(struct demand *q, struct rollout *r, enum rollout_verb verb)
{
	switch (verb) {
	case ROLLOUT_PAUSE:
		return pause_it(q, r);
	case ROLLOUT_RESUME:
		return resume_it(q, r);
	case ROLLOUT_PROMOTE:
		return promote_it(q, r, false);
	case ROLLOUT_PROMOTE_FULL:
		return promote_it(q, r, true);
	case ROLLOUT_ABORT:
		rollout_turn_back(q->set, r, "abort", "aborted by a person");
		return 0;
	case ROLLOUT_UNDO:
		break;
	}
	WRONG("verb");
}

void
rollouts_verb(struct rollouts *set, const char *service, enum rollout_verb verb,
    control_done *done, void *arg)
{
	struct demand q = {
	    .set = set, .service = service, .done = done, .arg = arg};
	const struct released *of;
	struct rollout *r;

	CHECK_OBJ(set, ROLLOUTS_MAGIC);
	of = rollouts_find(set, service);
	r = of != NULL ? rollouts_newest(of) : NULL;
	if (set->stopped) {
		answer(&q, "shutting down");
	} else if (verb == ROLLOUT_UNDO) {
		if (undo(&q) < 0)
			answer(&q, q.why);
	} else if (find_service(&q) == NULL) {
		answer(&q, q.why);
	} else if (!rollout_runs(r)) {
		refuse(&q, "no rollout of %s is under way", service);
		answer(&q, verb == ROLLOUT_ABORT ? NULL : q.why);
	} else if (steer(&q, r, verb) < 0) {
		answer(&q, q.why);
	} else {
		carry_on(&q, r);
	}
}
