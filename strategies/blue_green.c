/*
 * blue_green: a whole second set of pods beside the old one, to be looked at
 * by `preview`, then all traffic in one step, and back as long as the old
 * ones are kept.
 */
#include "strategies/stages.h"

enum {
	START,
	PREVIEW, /* gates, and a person's word unless auto_promote */
	KEEP,	 /* switched; the old ones are kept */
	STOP,
	STOPPED,
};

static void
start(struct strategy_state *s, const struct strategy_terms *t,
    const struct facts *f, struct wish *w)
{
	if (stage_ready(s, t, f, &f->new, f->replicas, w))
		stage_enter(s, f, PREVIEW);
}

static void
preview(struct strategy_state *s, const struct strategy_terms *t,
    const struct facts *f, struct wish *w)
{
	if (!stage_gates(t, f, true, w))
		return;
	if (!t->auto_promote && f->verb == VERB_NONE) {
		wish_ask(w, "waiting to be promoted");
		return;
	}
	if (stage_ready(s, t, f, &f->new, f->replicas, w))
		stage_enter(s, f, KEEP);
}

static void
keep(struct strategy_state *s, const struct strategy_terms *t,
    const struct facts *f, struct wish *w)
{
	const uint64_t age = stage_age(s, f);

	if (!stage_gates(t, f, false, w))
		return;
	if (age >= t->keep_old_us || f->verb == VERB_PROMOTE_FULL)
		stage_enter(s, f, STOP);
	else
		wish_say(w, PROGRESS_GOING,
		    "switched; the old pods are kept for %llu s more",
		    (unsigned long long)((t->keep_old_us - age) / 1000000));
}

static void
advance(struct strategy_state *s, const struct strategy_terms *t,
    const struct facts *f, struct wish *w)
{
	w->old_replicas = w->new_replicas = f->replicas;
	if (s->stage == START)
		start(s, t, f, w);
	if (s->stage == PREVIEW)
		preview(s, t, f, w);
	if (s->stage == KEEP)
		keep(s, t, f, w);
	w->rules = s->stage == PREVIEW;
	w->share = s->stage >= KEEP ? SHARE_ALL : 0;
	if (s->stage >= STOP)
		stage_promote(s, t, f, STOP, w);
}

const struct strategy_ops strategy_blue_green = {
    .name = "blue_green",
    .last = STOPPED,
    .advance = advance,
    .retreat = stage_return,
};
