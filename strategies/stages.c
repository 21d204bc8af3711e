/* The parts that strategies are made of. */
#include "strategies/stages.h"

#include <stdarg.h>
#include <stdio.h>

void
stage_enter(struct strategy_state *s, const struct facts *f, uint32_t stage)
{
	s->stage = stage;
	s->since_us = f->now_us;
}

uint64_t
stage_age(const struct strategy_state *s, const struct facts *f)
{
	return f->now_us > s->since_us ? f->now_us - s->since_us : 0;
}

void
wish_say(struct wish *w, enum strategy_progress progress, const char *fmt, ...)
{
	va_list ap;

	w->progress = progress;
	va_start(ap, fmt);
	vsnprintf(w->reason, sizeof w->reason, fmt, ap);
	va_end(ap);
}

void
wish_ask(struct wish *w, const char *what)
{
	wish_say(w, PROGRESS_WAITING, "%s", what);
	w->person = true;
}

/* So many starts of each pod may fail before the candidate has. */
#define STARTS_EACH 2u

bool
stage_ready(const struct strategy_state *s, const struct strategy_terms *t,
    const struct facts *f, const struct version_facts *v, unsigned wanted,
    struct wish *w)
{
	if (v->ready >= wanted)
		return true;
	if (v == &f->new && v->failed > STARTS_EACH * wanted)
		wish_say(w, PROGRESS_FAILED,
		    "%u starts of pods have failed, %u of %u are ready",
		    v->failed, v->ready, wanted);
	else if (t->progress_deadline_us > 0 &&
		 stage_age(s, f) >= t->progress_deadline_us)
		wish_say(w, PROGRESS_FAILED,
		    "%u of %u pods are ready after %llu s", v->ready, wanted,
		    (unsigned long long)(stage_age(s, f) / 1000000));
	else
		wish_say(w, PROGRESS_GOING, "%u of %u pods are ready", v->ready,
		    wanted);
	return false;
}

static bool
without_data(
    const struct strategy_terms *t, const struct facts *f, struct wish *w)
{
	switch (t->on_no_data) {
	case ON_NO_DATA_ADVANCE:
		return true;
	case ON_NO_DATA_ROLLBACK:
		wish_say(w, PROGRESS_FAILED, "%s", f->why);
		return false;
	case ON_NO_DATA_HOLD:
		break;
	}
	wish_say(w, PROGRESS_WAITING, "%s", f->why);
	return false;
}

bool
stage_gates(const struct strategy_terms *t, const struct facts *f,
    bool wait_for_pass, struct wish *w)
{
	if (f->verb != VERB_NONE || !gates_any(&t->gates))
		return true;
	switch (f->verdict) {
	case VERDICT_FAIL:
		if (t->on_fail == ON_FAIL_PAUSE)
			wish_ask(w, f->why);
		else
			wish_say(w, PROGRESS_FAILED, "%s", f->why);
		return false;
	case VERDICT_NO_DATA:
		return !wait_for_pass || without_data(t, f, w);
	case VERDICT_NONE:
	case VERDICT_PASS:
		break;
	}
	return true;
}

void
stage_wait(const struct facts *f, uint64_t left_us, struct wish *w)
{
	wish_say(w, PROGRESS_GOING, "%s%s%llu s to go", f->why,
	    f->why[0] != '\0' ? "; " : "",
	    (unsigned long long)((left_us + 999999) / 1000000));
}

void
stage_promote(struct strategy_state *s, const struct strategy_terms *t,
    const struct facts *f, uint32_t first, struct wish *w)
{
	w->new_replicas = f->replicas;
	w->rules = false;
	w->promoting = true;
	if (s->stage == first) {
		if (!stage_ready(s, t, f, &f->new, f->replicas, w))
			return;
		stage_enter(s, f, first + 1);
	}
	w->share = SHARE_ALL;
	w->old_replicas = 0;
	if (f->old.pods + f->old.leaving > 0)
		wish_say(w, PROGRESS_GOING, "%u old pods are going",
		    f->old.pods + f->old.leaving);
	else
		wish_say(w, PROGRESS_FINISHED, "promoted");
}

void
stage_return(struct strategy_state *s, const struct strategy_terms *t,
    const struct facts *f, struct wish *w)
{
	const unsigned wanted = f->replicas;

	if (s->since_us == 0)
		stage_enter(s, f, s->stage);
	w->old_replicas = wanted;
	w->new_replicas = f->new.pods;
	w->share = 0;
	w->rules = false;
	/* Old pods that were kept may be fewer than wanted when some are down:
	 * still better than a candidate that is to go. */
	if (f->old.ready == 0) {
		stage_ready(s, t, f, &f->old, wanted, w);
		return;
	}
	w->new_replicas = 0;
	if (f->new.pods + f->new.leaving > 0)
		wish_say(w, PROGRESS_GOING,
		    "%u pods of the candidate are going",
		    f->new.pods + f->new.leaving);
	else
		wish_say(w, PROGRESS_FINISHED, "rolled back");
}
