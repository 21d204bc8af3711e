/* Pods of two kinds, counted so that strategies need not know which. */
#include "control/rollout_facts.h"

#include <stdlib.h>

#include "control/launch.h"
#include "router/plan.h"
#include "router/pod.h"

#define NOT_UP UINT64_MAX

void
rollout_side_clear(struct rollout_side *side)
{
	free(side->seen);
	free(side->given_us);
	*side = (struct rollout_side){0};
}

static struct rollout_seen *
find_seen(struct rollout_side *side, const struct pod *pod, size_t hint)
{
	if (hint < side->nseen && side->seen[hint].pod == pod)
		return &side->seen[hint];
	for (size_t i = 0; i < side->nseen; i++)
		if (side->seen[i].pod == pod)
			return &side->seen[i];
	return NULL;
}

static int
make_room(struct rollout_side *side, size_t n)
{
	struct rollout_seen *grown;

	if (n <= side->size)
		return 0;
	grown = reallocarray(side->seen, 2 * n, sizeof *grown);
	if (grown == NULL)
		return -1;
	side->seen = grown;
	side->size = 2 * n;
	return 0;
}

static void
drop_gone(struct rollout_side *side)
{
	size_t n = 0;

	for (size_t i = 0; i < side->nseen; i++)
		if (side->seen[i].here)
			side->seen[n++] = side->seen[i];
	side->nseen = n;
}

/* Since when each pod has been up, those that were up at first ever since. */
static int
see_pods(struct rollout_side *side, const struct version *v, uint64_t now_us)
{
	if (make_room(side, side->nseen + v->npods) < 0)
		return -1;
	for (size_t i = 0; i < side->nseen; i++)
		side->seen[i].here = false;
	for (size_t i = 0; i < v->npods; i++) {
		const bool up = v->pods[i]->state == POD_UP;
		struct rollout_seen *s = find_seen(side, v->pods[i], i);

		if (s == NULL) {
			s = &side->seen[side->nseen++];
			*s = (struct rollout_seen){v->pods[i], NOT_UP, true};
		}
		s->here = true;
		if (!up)
			s->up_us = NOT_UP;
		else if (s->up_us == NOT_UP)
			s->up_us = side->looked ? now_us : 0;
	}
	drop_gone(side);
	side->looked = true;
	return 0;
}

static bool
since(uint64_t then_us, uint64_t long_us, uint64_t now_us)
{
	return then_us != NOT_UP && now_us >= then_us &&
	       now_us - then_us >= long_us;
}

int
rollout_side_look(struct rollout_side *side, const struct version *v,
    const struct launch_counts *counts, uint64_t min_ready_us, uint64_t now_us,
    struct rollout_pods *pods)
{
	if (see_pods(side, v, now_us) < 0)
		return -1;
	*pods = (struct rollout_pods){.launched = counts != NULL};
	for (size_t i = 0; i < v->npods; i++) {
		const unsigned inflight = pod_inflight(v->pods[i]);

		pods->own += v->pods[i]->order == POD_ORDER_NONE;
		pods->busy += inflight > 0;
		pods->inflight += inflight;
	}
	for (size_t i = 0; i < side->nseen; i++) {
		const uint64_t up_us = side->seen[i].up_us;

		pods->up += up_us != NOT_UP;
		pods->steady += since(up_us, min_ready_us, now_us);
	}
	if (counts == NULL)
		return 0;
	pods->own = counts->replicas;
	pods->there = counts->pods;
	pods->leaving = counts->leaving;
	pods->failed = counts->failed;
	return 0;
}

int
rollout_side_give(struct rollout_side *side, unsigned given, uint64_t now_us)
{
	uint64_t *grown;

	if (given > side->given_size) {
		grown = reallocarray(side->given_us, given, sizeof *grown);
		if (grown == NULL)
			return -1;
		side->given_us = grown;
		side->given_size = given;
	}
	for (unsigned i = side->given; i < given; i++)
		side->given_us[i] = now_us;
	if (given > 0)
		side->idle_us = 0;
	else if (side->given > 0)
		side->idle_us = now_us;
	side->given = given;
	return 0;
}

static unsigned
least(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

/* From the version's count into the strategy's; some is never none. */
static unsigned
scaled(unsigned n, const struct rollout_pods *pods, unsigned replicas)
{
	uint64_t whole;

	if (n >= pods->own)
		return n == 0 ? 0 : replicas + (n - pods->own);
	whole = (uint64_t)n * replicas / pods->own;
	return whole == 0 && n > 0 ? 1 : (unsigned)whole;
}

unsigned
rollout_side_processes(
    unsigned wanted, const struct rollout_pods *pods, unsigned replicas)
{
	if (wanted >= replicas)
		return pods->own + (wanted - replicas);
	return (
	    unsigned)(((uint64_t)wanted * pods->own + replicas - 1) / replicas);
}

static struct version_facts
launched_facts(const struct rollout_side *side, const struct rollout_pods *pods,
    const struct rollout_measure *m)
{
	struct version_facts f = {
	    .pods = scaled(pods->there, pods, m->replicas),
	    .leaving = pods->leaving,
	    .failed = pods->failed,
	    .inflight = pods->inflight,
	};

	/* Rounding there and back would invent pods that nobody wants. */
	if (pods->there ==
	    rollout_side_processes(side->given, pods, m->replicas))
		f.pods = side->given;
	f.ready = least(scaled(pods->up, pods, m->replicas), f.pods);
	f.settled = least(scaled(pods->steady, pods, m->replicas), f.ready);
	return f;
}

static unsigned
given_for(const struct rollout_side *side, const struct rollout_measure *m)
{
	unsigned n = 0;

	for (unsigned i = 0; i < side->given; i++)
		n += since(side->given_us[i], m->min_ready_us, m->now_us);
	return n;
}

/* A pod that is given no traffic is gone when it has no request any more. */
static unsigned
taking_leave(const struct rollout_side *side, const struct rollout_pods *pods,
    const struct rollout_measure *m)
{
	if (side->given > 0 || side->idle_us == 0 ||
	    since(side->idle_us, m->drain_us, m->now_us))
		return 0;
	return m->taken ? pods->busy : pods->busy + (pods->busy == 0);
}

struct version_facts
rollout_side_facts(const struct rollout_side *side,
    const struct rollout_pods *pods, const struct rollout_measure *m)
{
	struct version_facts f;

	if (pods->launched)
		return launched_facts(side, pods, m);
	f = (struct version_facts){
	    .pods = side->given,
	    .inflight = pods->inflight,
	    .leaving = taking_leave(side, pods, m),
	};
	f.ready = least(scaled(pods->up, pods, m->replicas), f.pods);
	f.settled = least(scaled(pods->steady, pods, m->replicas), f.ready);
	f.settled = least(given_for(side, m), f.settled);
	return f;
}
