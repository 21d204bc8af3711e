/* canary: a growing share of the traffic, step by step, each behind gates. */
#include "strategies/stages.h"

enum {
	SCALE, /* the step's pods are coming */
	HOLD,  /* its share is given */
	PROMOTE,
	PROMOTED,
};

bool
strategy_canary_promotes(const struct strategy_state *s)
{
	return s->stage >= PROMOTE;
}

/* Pods that carry the share, at least one. */
static unsigned
pods_for(uint32_t share, unsigned replicas)
{
	const uint64_t n =
	    ((uint64_t)share * replicas + SHARE_ALL - 1) / SHARE_ALL;

	return n > 0 ? (unsigned)n : 1;
}

static uint32_t
share_before(const struct strategy_state *s, const struct strategy_terms *t)
{
	return s->step > 0 ? t->steps[s->step - 1].share : 0;
}

static uint32_t
share_now(const struct strategy_state *s, const struct strategy_terms *t,
    const struct facts *f)
{
	const struct canary_step *step = &t->steps[s->step];
	const uint64_t age = stage_age(s, f);
	const int64_t before = share_before(s, t);

	if (s->stage == SCALE)
		return (uint32_t)before;
	if (!step->ramp || age >= step->hold_us)
		return step->share;
	return (uint32_t)(before + ((int64_t)step->share - before) *
				       (int64_t)(age / 1000) /
				       (int64_t)(step->hold_us / 1000 + 1));
}

static void
next_step(struct strategy_state *s, const struct strategy_terms *t,
    const struct facts *f)
{
	s->step++;
	stage_enter(s, f,
	    s->step >= t->nsteps || f->verb == VERB_PROMOTE_FULL ? PROMOTE
								 : SCALE);
}

static void
hold(struct strategy_state *s, const struct strategy_terms *t,
    const struct facts *f, struct wish *w)
{
	const struct canary_step *step = &t->steps[s->step];
	const uint64_t age = stage_age(s, f);
	const bool over = age >= step->hold_us;

	/* a failure counts at once, a pass when the time is over */
	if (!stage_gates(t, f, over, w))
		return;
	if (f->verb == VERB_NONE && !over)
		stage_wait(f, step->hold_us - age, w);
	else if (f->verb == VERB_NONE && step->pause)
		wish_ask(w, "waiting to be promoted");
	else
		next_step(s, t, f);
}

static void
advance(struct strategy_state *s, const struct strategy_terms *t,
    const struct facts *f, struct wish *w)
{
	w->old_replicas = f->replicas;
	w->steps = (unsigned)t->nsteps;
	if (s->stage == SCALE && f->verb == VERB_PROMOTE_FULL)
		stage_enter(s, f, PROMOTE);
	if (s->stage == SCALE &&
	    stage_ready(s, t, f, &f->new,
		pods_for(t->steps[s->step].share, f->replicas), w))
		stage_enter(s, f, HOLD);
	if (s->stage == HOLD)
		hold(s, t, f, w);
	w->step = s->stage < PROMOTE ? s->step + 1 : w->steps;
	if (s->stage < PROMOTE) {
		w->new_replicas =
		    pods_for(t->steps[s->step].share, f->replicas);
		w->share = share_now(s, t, f);
		return;
	}
	w->share = share_before(s, t);
	stage_promote(s, t, f, PROMOTE, w);
}

const struct strategy_ops strategy_canary = {
    .name = "canary",
    .last = PROMOTED,
    .advance = advance,
    .retreat = stage_return,
};
