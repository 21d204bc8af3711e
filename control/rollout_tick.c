/*
 * One tick of a rollout: looks at the two versions, asks the strategy, holds
 * it back where hooks, windows or a plan say so, else obeys.
 */
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "control/launch.h"
#include "control/publish.h"
#include "control/rollout_hooks.h"
#include "control/rollout_sample.h"
#include "control/rollout_sight.h"
#include "control/rollouts_state.h"
#include "router/release.h"
#include "strategies/schedule.h"

/* A share that grows by itself is not published more often than that, unless
 * it has grown by this much. */
#define RAMP_US	   1000000u
#define RAMP_SHARE (SHARE_ALL / 100)

/* What the strategy wants, and what that means. */
struct answer {
	struct strategy_state next;
	struct wish wish;
	enum rollout_phase target;
};

void
rollout_go(struct rollouts *set, struct rollout *r, enum rollout_phase phase,
    const char *action, const char *reason)
{
	const struct service *s =
	    plan_service(publish_current(set->parts.publish), r->service);

	rollout_move(r, set->parts.events, phase, action, reason);
	if (rollout_phase_over(phase))
		rollouts_find(set, r->service)->ended[phase]++;
	if (s != NULL)
		rollout_tell(set->teller, s->terms->release, r);
}

void
rollout_turn_back(struct rollouts *set, struct rollout *r, const char *action,
    const char *reason)
{
	if (r->phase == ROLLOUT_ROLLING_BACK)
		return;
	r->verb = VERB_NONE;
	rollout_go(set, r, ROLLOUT_ROLLING_BACK, action, reason);
	r->state = (struct strategy_state){0};
	r->run->waits = WAIT_NONE;
}

/* It does not go on; said once for each kind of reason. */
static void
wait_for(struct rollouts *set, struct rollout *r, enum rollout_wait kind,
    const char *reason)
{
	snprintf(r->reason, sizeof r->reason, "%s", reason);
	if (r->run->waits == kind)
		return;
	r->run->waits = kind;
	rollout_decide(r, set->parts.events, "hold", reason);
}

/* Ends. */

static void
release_launch(struct rollouts *set, const struct rollout *r)
{
	launch_want(set->parts.launch, r->service, r->from, LAUNCH_BY_WEIGHT);
	launch_want(set->parts.launch, r->service, r->to, LAUNCH_BY_WEIGHT);
}

/* A version, or all of the service, is no longer there. */
static void
lose(struct rollouts *set, struct rollout *r, const struct sight *k)
{
	const char *what = k->service == NULL ? "the service"
			   : k->old == NULL   ? r->from
					      : r->to;
	char reason[200];

	snprintf(reason, sizeof reason, "%s is no longer in the config", what);
	rollout_go(set, r, ROLLOUT_FAILED, "fail", reason);
	rollout_save(set, r);
	release_launch(set, r);
	rollout_run_end(r);
}

/* What led back, which is what people ask for when it is over. */
static const char *
why_back(const struct rollout *r)
{
	static const char *const actions[] = {"rollback", "abort", "supersede"};

	for (size_t i = r->ndecisions; i-- > 0;)
		for (size_t k = 0; k < sizeof actions / sizeof actions[0]; k++)
			if (strcmp(r->decisions[i].action, actions[k]) == 0)
				return r->decisions[i].reason;
	return r->reason;
}

/*
 * The last plan: the candidate is stable, or has no weight any more. False
 * when that cannot be published now.
 */
static bool
finish(struct rollouts *set, struct rollout *r, const struct sight *k,
    enum rollout_phase phase, const char *action, const char *reason)
{
	const bool done = phase == ROLLOUT_DONE;
	const char *stable = k->service->versions[k->service->stable].name;
	struct rollout_change c = {
	    .force = {.share = done ? SHARE_ALL : 0},
	    .stable = done ? r->to : NULL,
	    .void_old = done && !r->run->void_old,
	    .void_new = !done && !r->run->void_new,
	    .over = true,
	};
	struct plan *plan;
	char why[256];
	bool same;

	if (!done && strcmp(stable, r->to) == 0)
		c.stable = r->from;
	plan = rollout_plan(set, r, &c, &same, why, sizeof why);
	if (plan == NULL && !same) {
		wait_for(set, r, WAIT_PLAN, why);
		return false;
	}
	if (r->now.closed)
		rollout_decide(r, set->parts.events, "open again", reason);
	rollout_go(set, r, phase, action, reason);
	if (phase == ROLLOUT_ROLLED_BACK)
		snprintf(r->reason, sizeof r->reason, "%s", why_back(r));
	r->now = c.force;
	if (c.stable != NULL)
		rollouts_set_stable(
		    set, r->service, c.stable, rollouts_filed(set, r->service));
	rollout_commit(set, r, plan);
	release_launch(set, r);
	rollout_run_end(r);
	return true;
}

/* Holding back. */

/* It would go further than it has been. */
static bool
is_forward(const struct rollout *r, const struct answer *a)
{
	const struct strategy_state *s = &r->state, *n = &a->next;

	return s->stage != n->stage || s->step != n->step ||
	       s->old_wanted != n->old_wanted ||
	       s->new_wanted != n->new_wanted || a->wish.share > r->run->peak ||
	       (a->wish.closed && !r->now.closed);
}

/* Those who are asked agree; else it waits, or turns back. */
static bool
asked(struct rollouts *set, struct rollout *r, const struct sight *k,
    enum rollout_phase phase)
{
	const char *words;

	switch (rollout_ask_about(r->run->ask, k->release, r, phase,
	    k->terms.progress_deadline_us, k->now_us, &words)) {
	case ANSWER_GO:
		return true;
	case ANSWER_STOP:
		rollout_turn_back(set, r, "rollback", words);
		return false;
	case ANSWER_WAIT:
		break;
	}
	wait_for(set, r, WAIT_HOOK, words);
	return false;
}

/* A window of the week in which steps are taken is open; else it waits. */
static bool
in_window(struct rollouts *set, struct rollout *r, const struct sight *k,
    const struct answer *a)
{
	char when[64], reason[192];

	if (k->release->only == NULL || r->undo || !is_forward(r, a) ||
	    schedule_open(k->release->only, k->facts.now_us))
		return true;
	schedule_say(schedule_next(k->release->only, k->facts.now_us), when,
	    sizeof when);
	snprintf(reason, sizeof reason,
	    "no step is taken outside of the windows of only, the next "
	    "begins at %s",
	    when);
	wait_for(set, r, WAIT_SCHEDULE, reason);
	return false;
}

/* What is waited for so is no time of the step's. */
static bool
may_go(struct rollouts *set, struct rollout *r, const struct sight *k,
    const struct answer *a)
{
	const uint64_t last = r->run->ticked_us, now = k->facts.now_us;

	r->run->ticked_us = now;
	if ((a->target == r->phase || asked(set, r, k, a->target)) &&
	    in_window(set, r, k, a))
		return true;
	if (last > 0 && now > last && r->state.since_us > 0)
		r->state.since_us += now - last;
	return false;
}

/* Obeying. */

static enum release_lead
lead_of(const struct rollout *r, const struct wish *w)
{
	if (!w->rules)
		return LEAD_NONE;
	return r->ops == &strategy_ab ? LEAD_AB : LEAD_PREVIEW;
}

static struct rollout_force
force_of(const struct rollout *r, const struct answer *a, uint64_t now_us)
{
	const struct wish *w = &a->wish;
	struct rollout_force f = {.share = w->share,
	    .old_replicas = w->old_replicas,
	    .new_replicas = w->new_replicas,
	    .lead = lead_of(r, w),
	    .closed = w->closed};

	if (a->next.stage == r->state.stage && a->next.step == r->state.step &&
	    w->share > r->now.share && w->share - r->now.share < RAMP_SHARE &&
	    now_us - r->run->published_us < RAMP_US)
		f.share = r->now.share;
	return f;
}

/* Of the version that the way leads to. */
static void
say_pods(const struct rollout *r, const struct sight *k, char *buf, size_t size)
{
	const bool back = r->phase == ROLLOUT_ROLLING_BACK;

	snprintf(buf, size, "%u of %u pods of %s are ready",
	    back ? k->facts.old.ready : k->facts.new.ready, k->facts.replicas,
	    back ? r->from : r->to);
}

/* What lets it leave its step, if that is not just that pods are ready. */
static const char *
cause_of(const struct rollout *r, const struct sight *k)
{
	if (r->verb != VERB_NONE)
		return r->undo ? "undone by a person" : "promoted by a person";
	if (gates_any(&k->terms.gates) && k->facts.verdict == VERDICT_PASS)
		return k->why;
	return "";
}

static void
say_share(struct rollouts *set, struct rollout *r, const struct sight *k,
    const struct answer *a, const struct rollout_force *f)
{
	const double percent = (double)f->share * 100 / SHARE_ALL;
	char action[96], pods[160];
	const char *reason = pods;

	if (a->wish.steps > 0 && !a->wish.promoting &&
	    r->phase != ROLLOUT_ROLLING_BACK)
		snprintf(action, sizeof action, "step %u of %u: weight %.4g %%",
		    a->wish.step, a->wish.steps, percent);
	else
		snprintf(action, sizeof action, "weight %.4g %%", percent);
	say_pods(r, k, pods, sizeof pods);
	if (*r->run->because != '\0')
		reason = r->run->because;
	rollout_decide(r, set->parts.events, action, reason);
	r->run->because[0] = '\0';
}

/* A share that grows by itself, within a step. */
static bool
is_ramp(const struct rollout *r, const struct answer *a,
    const struct rollout_force *f)
{
	return r->ops == &strategy_canary && f->share > r->now.share &&
	       r->now.share > 0 && a->next.step == r->state.step &&
	       a->next.stage == r->state.stage && f->closed == r->now.closed &&
	       f->lead == r->now.lead;
}

/* What clients notice is a decision each; a ramp is one, as it begins. */
static void
say_force(struct rollouts *set, struct rollout *r, const struct sight *k,
    const struct answer *a, const struct rollout_force *f)
{
	struct events *events = set->parts.events;

	if (f->closed != r->now.closed)
		rollout_decide(r, events,
		    f->closed ? "closed: no version takes requests"
			      : "open again",
		    a->wish.reason);
	if (f->lead != r->now.lead && f->lead != LEAD_NONE)
		rollout_decide(r, events,
		    f->lead == LEAD_AB ? "the clients of match are led to it"
				       : "the clients of preview are led to it",
		    a->wish.reason);
	if (f->share != r->now.share && !is_ramp(r, a, f))
		say_share(set, r, k, a, f);
}

static const char *
action_of(const struct rollout *r, enum rollout_phase target)
{
	switch (target) {
	case ROLLOUT_PAUSED:
		return "pause";
	case ROLLOUT_PROMOTING:
		return "promote";
	default:
		return r->phase == ROLLOUT_PAUSED ? "resume" : "progress";
	}
}

static bool
force_same(const struct rollout_force *a, const struct rollout_force *b)
{
	return a->share == b->share && a->old_replicas == b->old_replicas &&
	       a->new_replicas == b->new_replicas && a->lead == b->lead &&
	       a->closed == b->closed;
}

/* Why it moves to that phase. */
static const char *
reason_of(const struct rollout *r, const struct sight *k,
    const struct answer *a, char *buf, size_t size)
{
	if (a->target == ROLLOUT_PAUSED ||
	    a->wish.progress == PROGRESS_FINISHED)
		return a->wish.reason;
	if (a->target == ROLLOUT_PROMOTING && *cause_of(r, k) != '\0')
		return cause_of(r, k);
	say_pods(r, k, buf, size);
	return buf;
}

/* Processes as wanted now. */
static void
order_processes(struct rollouts *set, struct rollout *r, const struct sight *k)
{
	struct rollout_run *run = r->run;
	const unsigned n = run->replicas;
	const unsigned old =
	    rollout_side_processes(r->now.old_replicas, &k->old_pods, n);
	unsigned new =
	    rollout_side_processes(r->now.new_replicas, &k->new_pods, n);

	if (new < run->before && r->phase != ROLLOUT_ROLLING_BACK &&
	    r->ops != &strategy_recreate && r->ops != &strategy_rolling)
		new = run->before;
	if (!run->launched || old != run->old_processes)
		launch_want(set->parts.launch, r->service, r->from, old);
	if (!run->launched || new != run->new_processes)
		launch_want(set->parts.launch, r->service, r->to, new);
	run->launched = true;
	run->old_processes = old;
	run->new_processes = new;
}

/* The plan is made: from here on it is so. True when anything has changed. */
static bool
carry_out(struct rollouts *set, struct rollout *r, const struct sight *k,
    const struct answer *a, const struct rollout_change *c, struct plan *plan)
{
	struct rollout_run *run = r->run;
	const bool step =
	    a->next.stage != r->state.stage || a->next.step != r->state.step;
	const bool moved = memcmp(&a->next, &r->state, sizeof r->state) != 0;
	const bool changed = moved || !force_same(&r->now, &c->force);
	const bool ramp = is_ramp(r, a, &c->force) && !moved && r->stored;

	if (step && *cause_of(r, k) != '\0')
		snprintf(
		    run->because, sizeof run->because, "%s", cause_of(r, k));
	say_force(set, r, k, a, &c->force);
	if (step)
		rollout_sample_begin(run->sample, k->terms.gates.window_us);
	if (moved && r->verb == VERB_PROMOTE)
		r->verb = VERB_NONE;
	r->state = a->next;
	if (r->now.share != c->force.share)
		run->published_us = k->now_us;
	r->now = c->force;
	/* on the way back it stays the one that was given up */
	if (r->phase != ROLLOUT_ROLLING_BACK) {
		r->step = a->wish.step;
		r->steps = a->wish.steps;
	}
	run->void_old |= c->void_old;
	run->void_new |= c->void_new;
	if (k->facts.old.ready > 0 && run->peak < c->force.share)
		run->peak = c->force.share;
	if (rollout_side_give(&run->old, r->now.old_replicas, k->now_us) < 0 ||
	    rollout_side_give(&run->new, r->now.new_replicas, k->now_us) < 0)
		log_error("rollout of %s to %s: no memory for its pods",
		    r->service, r->to);
	/* its share follows from when the step began: that is stored */
	if (changed && !ramp)
		r->stored = false;
	if (plan != NULL && ramp)
		rollout_publish(set, plan);
	else if (plan != NULL)
		rollout_commit(set, r, plan);
	else
		rollout_save(set, r);
	order_processes(set, r, k);
	return changed || plan != NULL;
}

/* Forward. */

static enum rollout_phase
target_of(const struct rollout *r, const struct wish *w, const struct facts *f)
{
	if (w->progress == PROGRESS_FINISHED)
		return r->phase == ROLLOUT_PROMOTING ? ROLLOUT_DONE
						     : ROLLOUT_PROMOTING;
	if (w->promoting)
		return ROLLOUT_PROMOTING;
	if (w->progress == PROGRESS_WAITING && w->person)
		return ROLLOUT_PAUSED;
	if (r->phase == ROLLOUT_PROMOTING || r->phase == ROLLOUT_PROGRESSING)
		return r->phase;
	return f->new.ready > 0 ? ROLLOUT_PROGRESSING : ROLLOUT_STARTING;
}

static bool
obey(struct rollouts *set, struct rollout *r, const struct sight *k,
    const struct answer *a)
{
	const struct wish *w = &a->wish;
	struct rollout_change c = {.force = force_of(r, a, k->now_us)};
	const bool moves = a->target != r->phase;
	struct plan *plan;
	char why[256];
	bool same;

	/* where the other one just has no pod, cookies hold */
	c.void_old = !r->run->void_old && c.force.share == SHARE_ALL &&
		     (w->promoting || w->progress == PROGRESS_FINISHED ||
			 k->facts.old.ready > 0);
	plan = rollout_plan(set, r, &c, &same, why, sizeof why);
	if (plan == NULL && !same) {
		wait_for(set, r, WAIT_PLAN, why);
		return false;
	}
	r->run->promoting = w->promoting;
	if (moves)
		rollout_go(set, r, a->target, action_of(r, a->target),
		    reason_of(r, k, a, why, sizeof why));
	if (moves && a->target == ROLLOUT_PAUSED)
		rollout_set_pause(r, PAUSE_STEP, k->facts.now_us);
	if (w->progress == PROGRESS_WAITING && !w->person)
		wait_for(set, r, WAIT_TRAFFIC, w->reason);
	else if (moves || a->next.stage != r->state.stage ||
		 a->next.step != r->state.step)
		r->run->waits = WAIT_NONE;
	snprintf(r->reason, sizeof r->reason, "%s", w->reason);
	return carry_out(set, r, k, a, &c, plan) || moves;
}

/* Also who has no step to take comes by that phase, and asks for it. */
static bool
progress(struct rollouts *set, struct rollout *r, const struct sight *k)
{
	char reason[160];

	if (!asked(set, r, k, ROLLOUT_PROGRESSING))
		return r->phase == ROLLOUT_ROLLING_BACK;
	say_pods(r, k, reason, sizeof reason);
	rollout_go(set, r, ROLLOUT_PROGRESSING, "progress", reason);
	return true;
}

/* With what the launcher knows of it. */
static void
say_failure(const struct rollouts *set, const struct rollout *r,
    const struct wish *w, char *buf, size_t size)
{
	struct launch_counts counts;

	if (launch_counts(set->parts.launch, r->service, r->to, &counts) &&
	    counts.why != NULL)
		snprintf(buf, size, "%s; the last start of %s: %s", w->reason,
		    r->to, counts.why);
	else
		snprintf(buf, size, "%s", w->reason);
}

static bool
tick_forward(struct rollouts *set, struct rollout *r, const struct sight *k)
{
	struct answer a = {.next = r->state};
	char reason[256];

	if (r->phase == ROLLOUT_STARTING && !r->run->started) {
		if (!asked(set, r, k, ROLLOUT_STARTING))
			return r->phase == ROLLOUT_ROLLING_BACK;
		r->run->started = true;
	}
	strategy_advance(&a.next, &k->terms, &k->facts, &a.wish);
	if (a.wish.progress == PROGRESS_FAILED) {
		say_failure(set, r, &a.wish, reason, sizeof reason);
		rollout_turn_back(set, r, "rollback", reason);
		return true;
	}
	a.target = target_of(r, &a.wish, &k->facts);
	if (r->phase == ROLLOUT_STARTING && a.target == ROLLOUT_PROMOTING)
		return progress(set, r, k);
	if (!may_go(set, r, k, &a))
		return r->phase == ROLLOUT_ROLLING_BACK;
	if (a.target == ROLLOUT_DONE)
		return finish(set, r, k, ROLLOUT_DONE, "done", a.wish.reason);
	return obey(set, r, k, &a);
}

/*
 * The gates are watched at every moment, not only where a strategy asks for
 * them. True when they have changed the phase.
 */
static bool
gates_stop(struct rollouts *set, struct rollout *r, const struct sight *k)
{
	if (k->facts.verdict != VERDICT_FAIL || r->verb != VERB_NONE ||
	    r->run->promoting || !gates_any(&k->terms.gates) ||
	    r->paused_by == PAUSE_GATE)
		return false;
	if (k->terms.on_fail == ON_FAIL_ROLLBACK) {
		rollout_turn_back(set, r, "rollback", k->why);
		return true;
	}
	if (r->paused_by == PAUSE_PERSON)
		return false;
	if (r->phase == ROLLOUT_PAUSED)
		rollout_decide(r, set->parts.events, "pause", k->why);
	else
		rollout_go(set, r, ROLLOUT_PAUSED, "pause", k->why);
	rollout_set_pause(r, PAUSE_GATE, k->facts.now_us);
	return true;
}

/* A reload has taken away who is led to the candidate. */
static bool
is_undercut(const struct rollout *r, const struct sight *k)
{
	return r->ops == &strategy_ab && k->release->ab_match == NULL &&
	       r->now.lead == LEAD_AB;
}

/*
 * The file names another stable version than the one that was to be replaced:
 * its weights hold, and the rollout is over; done, where it is the candidate.
 * False: that is not so.
 */
static bool
give_way(struct rollouts *set, struct rollout *r, const struct sight *k)
{
	const char *stable = k->service->versions[k->service->stable].name;
	const struct release_change open = {.closed = false};
	const bool done =
	    strcmp(stable, r->to) == 0 && r->phase != ROLLOUT_ROLLING_BACK;
	struct plan *plan;
	char reason[160], why[256];

	if (strcmp(stable, r->from) == 0)
		return false;
	snprintf(
	    reason, sizeof reason, "the config names %s as stable now", stable);
	plan = plan_with_release(publish_current(set->parts.publish),
	    r->service, &open, why, sizeof why);
	if (plan == NULL) {
		wait_for(set, r, WAIT_PLAN, why);
		return true;
	}
	if (done && r->phase != ROLLOUT_PROMOTING)
		rollout_go(set, r, ROLLOUT_PROMOTING, "promote", reason);
	else if (!done)
		rollout_turn_back(set, r, "rollback", reason);
	rollout_go(set, r, done ? ROLLOUT_DONE : ROLLOUT_ROLLED_BACK,
	    done ? "done" : "rolled back", reason);
	r->now = (struct rollout_force){.share = done ? SHARE_ALL : 0};
	rollout_commit(set, r, plan);
	release_launch(set, r);
	rollout_run_end(r);
	return true;
}

/* Back. */

static bool
tick_back(struct rollouts *set, struct rollout *r, const struct sight *k)
{
	struct answer a = {.next = r->state, .target = r->phase};
	struct rollout_change c = {.over = false};
	const char *reason = r->reason;
	struct plan *plan;
	char why[256];
	bool same;

	strategy_retreat(&a.next, &k->terms, &k->facts, &a.wish);
	reason = a.wish.reason;
	if (a.wish.progress == PROGRESS_FINISHED)
		return finish(
		    set, r, k, ROLLOUT_ROLLED_BACK, "rolled back", reason);
	if (a.wish.progress == PROGRESS_FAILED && k->facts.new.ready == 0)
		return finish(set, r, k, ROLLOUT_FAILED, "fail", reason);
	c.force = force_of(r, &a, k->now_us);
	c.void_new = !r->run->void_new && c.force.share == 0;
	plan = rollout_plan(set, r, &c, &same, why, sizeof why);
	if (plan == NULL && !same) {
		wait_for(set, r, WAIT_PLAN, why);
		return false;
	}
	if (a.wish.progress == PROGRESS_FAILED)
		wait_for(set, r, WAIT_STABLE, reason);
	return carry_out(set, r, k, &a, &c, plan);
}

bool
rollout_tick(struct rollouts *set, struct rollout *r)
{
	struct sight k;
	bool changed;

	CHECK_OBJ(r, ROLLOUT_MAGIC);
	if (!rollout_observe(set, r, &k)) {
		if (k.old == NULL || k.new == NULL)
			lose(set, r, &k);
		return r->run == NULL;
	}
	if (give_way(set, r, &k)) {
		changed = true;
	} else if (r->phase == ROLLOUT_ROLLING_BACK) {
		changed = tick_back(set, r, &k);
	} else if (is_undercut(r, &k)) {
		rollout_turn_back(
		    set, r, "rollback", "release.ab has no match any more");
		changed = true;
	} else if (gates_stop(set, r, &k)) {
		changed = true;
	} else if (rollout_frozen(r)) {
		r->run->ticked_us = k.facts.now_us;
		changed = false;
	} else {
		changed = tick_forward(set, r, &k);
	}
	if (r->run != NULL)
		rollout_save(set, r);
	return changed;
}
