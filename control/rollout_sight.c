/* Looking at a rollout's pods, counters and terms. */
#include "control/rollout_sight.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "conf/conf.h"
#include "control/launch.h"
#include "control/publish.h"
#include "control/rollout_sample.h"
#include "control/rollouts_state.h"
#include "router/release.h"

static bool
steps_same(const struct rollout_run *run, const struct strategy_terms *t)
{
	if (run->nsteps != t->nsteps)
		return false;
	for (size_t i = 0; i < t->nsteps; i++) {
		const struct canary_step *a = &run->steps[i];
		const struct canary_step *b = &t->steps[i];

		if (a->share != b->share || a->hold_us != b->hold_us ||
		    a->pause != b->pause || a->ramp != b->ramp)
			return false;
	}
	return true;
}

static bool
terms_same(const struct strategy_terms *a, const struct strategy_terms *b)
{
	const struct gates *g = &a->gates, *h = &b->gates;

	return g->window_us == h->window_us &&
	       g->min_requests == h->min_requests &&
	       g->max_error_rate == h->max_error_rate &&
	       g->max_error_increase == h->max_error_increase &&
	       g->max_p99_us == h->max_p99_us &&
	       g->max_p99_increase == h->max_p99_increase &&
	       g->confidence == h->confidence && a->on_fail == b->on_fail &&
	       a->on_no_data == b->on_no_data &&
	       a->progress_deadline_us == b->progress_deadline_us &&
	       portion_same(a->max_surge, b->max_surge) &&
	       portion_same(a->max_unavailable, b->max_unavailable) &&
	       a->parallelism == b->parallelism &&
	       a->min_ready_us == b->min_ready_us && a->order == b->order &&
	       portion_same(a->max_failed, b->max_failed) &&
	       a->auto_promote == b->auto_promote &&
	       a->keep_old_us == b->keep_old_us &&
	       a->duration_us == b->duration_us;
}

static void
keep_terms(struct rollout_run *run, const struct strategy_terms *t)
{
	struct canary_step *steps = NULL;

	if (t->nsteps > 0)
		steps = malloc(t->nsteps * sizeof *steps);
	if (steps != NULL)
		memcpy(steps, t->steps, t->nsteps * sizeof *steps);
	free(run->steps);
	run->steps = steps;
	run->nsteps = steps != NULL ? t->nsteps : 0;
	run->terms = *t;
	run->seen = true;
}

/* A reload may have brought other terms: it goes on with them. */
static void
watch_terms(struct rollouts *set, struct rollout *r, struct sight *k)
{
	struct rollout_run *run = r->run;
	const bool first = !run->seen;
	bool fitted = false;
	char reason[160];

	if (r->phase != ROLLOUT_ROLLING_BACK)
		fitted = strategy_fit(&r->state, &k->terms);
	if (!first && !fitted && terms_same(&run->terms, &k->terms) &&
	    steps_same(run, &k->terms))
		return;
	if (first || run->terms.gates.window_us != k->terms.gates.window_us)
		rollout_sample_begin(run->sample, k->terms.gates.window_us);
	keep_terms(run, &k->terms);
	if (first && !fitted)
		return;
	snprintf(reason, sizeof reason, "the config has other terms for %s%s",
	    r->ops->name,
	    fitted ? ", with fewer steps: it goes on with the last one" : "");
	rollout_decide(r, set->parts.events, "terms", reason);
}

/*
 * From now on the strategy counts in so many replicas. At the begin the stable
 * version has all of them.
 */
static int
count_in(struct rollout_run *run, unsigned replicas, uint64_t now_us)
{
	const unsigned was = run->replicas;
	const uint64_t old = run->old.given, new = run->new.given;

	run->replicas = replicas;
	if (was == 0)
		return run->given ? 0
				  : rollout_side_give(&run->old, replicas, 0);
	if (was == replicas)
		return 0;
	if (rollout_side_give(&run->old,
		(unsigned)((old * replicas + was - 1) / was), now_us) < 0)
		return -1;
	return rollout_side_give(
	    &run->new, (unsigned)((new *replicas + was - 1) / was), now_us);
}

static int
look_at_pods(struct rollouts *set, struct rollout *r, struct sight *k)
{
	const struct rollouts_parts *parts = &set->parts;
	const uint64_t drain_ms =
	    publish_conf(parts->publish)->settings.timeouts.drain;
	const bool back = r->phase == ROLLOUT_ROLLING_BACK;
	struct launch_counts counts;
	const struct launch_counts *launched;
	struct rollout_measure m = {
	    .min_ready_us = k->terms.min_ready_us,
	    .drain_us = drain_ms * 1000,
	    .taken = publish_taken_by_all(parts->publish),
	    .now_us = k->now_us,
	};

	launched = launch_counts(parts->launch, r->service, r->from, &counts)
		       ? &counts
		       : NULL;
	if (rollout_side_look(&r->run->old, k->old, launched, m.min_ready_us,
		k->now_us, &k->old_pods) < 0)
		return -1;
	launched = launch_counts(parts->launch, r->service, r->to, &counts)
		       ? &counts
		       : NULL;
	if (rollout_side_look(&r->run->new, k->new, launched, m.min_ready_us,
		k->now_us, &k->new_pods) < 0)
		return -1;
	if (r->run->replicas == 0 && !r->run->given && launched != NULL)
		r->run->before = launched->wanted;
	m.replicas = back ? k->old_pods.own : k->new_pods.own;
	if (m.replicas == 0)
		m.replicas = 1;
	if (count_in(r->run, m.replicas, k->now_us) < 0)
		return -1;
	k->facts.replicas = m.replicas;
	k->facts.old = rollout_side_facts(&r->run->old, &k->old_pods, &m);
	k->facts.new = rollout_side_facts(&r->run->new, &k->new_pods, &m);
	return 0;
}

static void
judge(struct rollout *r, struct sight *k)
{
	struct sample candidate, stable;
	unsigned epoch;
	char words[160];

	rollout_sample_look(
	    r->run->sample, k->new->tally, k->old->tally, k->now_us);
	rollout_sample_read(r->run->sample, &candidate, &stable, &epoch);
	k->facts.verdict = gates_judge(
	    &k->terms.gates, &candidate, &stable, epoch, words, sizeof words);
	if (k->facts.verdict != VERDICT_NONE)
		snprintf(k->why, sizeof k->why, "%s: %s", r->to, words);
	k->facts.why = k->why;
	/* what led back is the last word */
	if (r->phase != ROLLOUT_ROLLING_BACK)
		r->verdict = k->facts.verdict;
}

bool
rollout_observe(struct rollouts *set, struct rollout *r, struct sight *k)
{
	const struct plan *plan = publish_current(set->parts.publish);

	*k = (struct sight){.now_us = clock_now_us()};
	k->facts.now_us = clock_wall_us();
	k->service = plan_service(plan, r->service);
	if (k->service != NULL) {
		k->old = service_version(k->service, r->from);
		k->new = service_version(k->service, r->to);
	}
	if (k->old == NULL || k->new == NULL)
		return false;
	k->release = k->service->terms->release;
	k->terms = *release_terms(k->release, r->ops);
	watch_terms(set, r, k);
	/* what a process before this one has waited does not count */
	if (k->terms.progress_deadline_us > 0 &&
	    r->run->resumed_us > r->state.since_us)
		k->terms.progress_deadline_us +=
		    r->run->resumed_us - r->state.since_us;
	if (look_at_pods(set, r, k) < 0) {
		log_error("rollout of %s to %s: no memory for its pods",
		    r->service, r->to);
		return false;
	}
	judge(r, k);
	k->facts.verb = r->verb;
	return true;
}
