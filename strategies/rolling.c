/*
 * rolling: a few new pods come, as many old ones go, and again, until all are
 * new. Traffic follows the pods that are ready.
 */
#include "strategies/stages.h"

enum {
	BEGIN,
	ROLL,
};

struct roll {
	const struct strategy_terms *t;
	unsigned replicas;
	/* of the terms, in whole pods */
	unsigned surge, unavailable, parallelism, may_fail;
	const struct version_facts *from, *to;
	uint32_t *from_wanted, *to_wanted;
};

static unsigned
least(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

/*
 * Shares of the replicas become pods. With few of these both may come to 0,
 * with which nothing would ever move.
 */
static void
count_pods(struct roll *r)
{
	const struct strategy_terms *t = r->t;

	r->surge = portion_up(t->max_surge, r->replicas);
	r->unavailable = portion_down(t->max_unavailable, r->replicas);
	if (r->surge == 0 && r->unavailable == 0)
		r->unavailable = 1;
	r->parallelism =
	    t->parallelism > 0 ? t->parallelism : r->surge + r->unavailable;
	r->may_fail = portion_down(t->max_failed, r->replicas);
}

/* Ready pods that will still be there when those told to go have gone. */
static unsigned
staying(const struct roll *r)
{
	return least(r->from->ready, *r->from_wanted);
}

/* How many may be started on top of those that are there, also going ones. */
static unsigned
may_start(const struct roll *r)
{
	const unsigned most = r->replicas + r->surge;
	const unsigned there =
	    *r->from_wanted + r->from->leaving +
	    (r->from->pods > *r->from_wanted ? r->from->pods - *r->from_wanted
					     : 0) +
	    *r->to_wanted + r->to->leaving;
	const unsigned room = most > there ? most - there : 0;
	const unsigned coming =
	    *r->to_wanted > r->to->settled ? *r->to_wanted - r->to->settled : 0;

	if (coming >= r->parallelism || *r->to_wanted >= r->replicas)
		return 0;
	return least(
	    least(room, r->replicas - *r->to_wanted), r->parallelism - coming);
}

/*
 * How many may be told to go: one for each new pod that has settled, and
 * `unavailable` ahead of that. So N - unavailable stay available, if
 * those that are down go first.
 */
static unsigned
may_stop(const struct roll *r)
{
	const unsigned gone =
	    r->replicas > *r->from_wanted ? r->replicas - *r->from_wanted : 0;
	const unsigned pace = r->to->settled + r->unavailable;
	const unsigned due = pace > gone ? pace - gone : 0;

	return least(least(due, r->parallelism), *r->from_wanted);
}

/* True when a pod was told to come or to go. */
static bool
move(const struct roll *r)
{
	unsigned start = 0, stop;

	if (r->t->order == ROLL_START_FIRST)
		start = may_start(r);
	*r->to_wanted += start;
	stop = may_stop(r);
	*r->from_wanted -= stop;
	if (r->t->order == ROLL_STOP_FIRST) {
		start = may_start(r);
		*r->to_wanted += start;
	}
	return start + stop > 0;
}

/* Slow leave-taking of old pods is no failure of the new ones. */
static bool
stuck(
    const struct strategy_state *s, const struct facts *f, const struct roll *r)
{
	return r->t->progress_deadline_us > 0 &&
	       r->to->settled < *r->to_wanted &&
	       stage_age(s, f) >= r->t->progress_deadline_us;
}

static void
judge(const struct strategy_state *s, const struct facts *f,
    const struct roll *r, struct wish *w)
{
	const char *way = r->to == &f->new ? "replaced" : "back";

	if (r->to->settled >= r->replicas && *r->from_wanted == 0 &&
	    r->from->pods + r->from->leaving == 0)
		wish_say(w, PROGRESS_FINISHED, "all %u pods are %s",
		    r->replicas, way);
	else if (r->to->failed > r->may_fail)
		wish_say(w, PROGRESS_FAILED,
		    "%u starts of pods have failed, max_failed allows %u",
		    r->to->failed, r->may_fail);
	else if (stuck(s, f, r))
		wish_say(w, PROGRESS_FAILED,
		    "no progress for %llu s: %u of %u pods are ready",
		    (unsigned long long)(stage_age(s, f) / 1000000),
		    r->to->ready, *r->to_wanted);
	else
		wish_say(w, PROGRESS_GOING, "%u of %u pods are %s",
		    r->to->settled, r->replicas, way);
}

/* The share that the version `to` has by its ready pods. */
static uint32_t
share(const struct roll *r)
{
	const unsigned ready = staying(r) + r->to->ready;

	if (ready == 0)
		return 0;
	return (uint32_t)((uint64_t)r->to->ready * SHARE_ALL / ready);
}

static void
roll(struct strategy_state *s, const struct facts *f, const struct roll *r,
    struct wish *w)
{
	if (move(r))
		s->since_us = f->now_us;
	judge(s, f, r, w);
}

static void
advance(struct strategy_state *s, const struct strategy_terms *t,
    const struct facts *f, struct wish *w)
{
	struct roll r = {
	    .t = t,
	    .replicas = f->replicas,
	    .from = &f->old,
	    .to = &f->new,
	    .from_wanted = &s->old_wanted,
	    .to_wanted = &s->new_wanted,
	};

	count_pods(&r);
	if (s->stage == BEGIN) {
		s->old_wanted = f->old.pods;
		s->new_wanted = 0;
		stage_enter(s, f, ROLL);
	}
	if (stage_gates(t, f, false, w))
		roll(s, f, &r, w);
	w->share = share(&r);
	w->old_replicas = s->old_wanted;
	w->new_replicas = s->new_wanted;
	w->step = f->new.settled;
	w->steps = f->replicas;
}

static void
retreat(struct strategy_state *s, const struct strategy_terms *t,
    const struct facts *f, struct wish *w)
{
	struct roll r = {
	    .t = t,
	    .replicas = f->replicas,
	    .from = &f->new,
	    .to = &f->old,
	    .from_wanted = &s->new_wanted,
	    .to_wanted = &s->old_wanted,
	};

	count_pods(&r);
	if (s->stage == BEGIN) {
		s->old_wanted = f->old.pods;
		s->new_wanted = f->new.pods;
		stage_enter(s, f, ROLL);
	}
	roll(s, f, &r, w);
	w->share = SHARE_ALL - share(&r);
	w->old_replicas = s->old_wanted;
	w->new_replicas = s->new_wanted;
}

const struct strategy_ops strategy_rolling = {
    .name = "rolling",
    .last = ROLL,
    .last_back = ROLL,
    .advance = advance,
    .retreat = retreat,
};
