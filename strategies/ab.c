/*
 * ab: matches lead some clients to the candidate for as long as a comparison
 * takes; then a person promotes the one or the other.
 */
#include "strategies/stages.h"

enum {
	START,
	COMPARE,
	PROMOTE,
	PROMOTED,
};

static void
compare(struct strategy_state *s, const struct strategy_terms *t,
    const struct facts *f, struct wish *w)
{
	const uint64_t age = stage_age(s, f);

	if (f->verb != VERB_NONE) {
		stage_enter(s, f, PROMOTE);
		return;
	}
	if (!stage_gates(t, f, false, w))
		return;
	if (age < t->duration_us)
		stage_wait(f, t->duration_us - age, w);
	else
		wish_ask(
		    w, "the time is over: promote the candidate, or abort");
}

static void
advance(struct strategy_state *s, const struct strategy_terms *t,
    const struct facts *f, struct wish *w)
{
	w->old_replicas = w->new_replicas = f->replicas;
	if (s->stage == START && stage_ready(s, t, f, &f->new, f->replicas, w))
		stage_enter(s, f, COMPARE);
	if (s->stage == COMPARE)
		compare(s, t, f, w);
	w->rules = s->stage == COMPARE;
	if (s->stage >= PROMOTE)
		stage_promote(s, t, f, PROMOTE, w);
}

const struct strategy_ops strategy_ab = {
    .name = "ab",
    .last = PROMOTED,
    .advance = advance,
    .retreat = stage_return,
};
