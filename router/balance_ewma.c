/*
 * ewma: of two pods drawn by weight the one that is expected to answer first:
 * how long it took lately, times the requests of this worker that it would
 * have, for its weight. What took longer than expected is believed at once,
 * what took less only by and by (a peak-sensitive moving average); what was
 * seen is forgotten with time, so a pod that was slow is tried again.
 */
#include "router/balance.h"

#include "router/pod.h"

#define HALF_LIFE_US 5000000u

/*
 * What is left of 1 after that time: within a half-life by a cubic that meets
 * 2^-x at both ends and leaves as steeply, so that many short times together
 * do what one long time does.
 */
static float
left_of_one(uint64_t us)
{
	const uint64_t halves = us / HALF_LIFE_US;
	const float x = (float)(us % HALF_LIFE_US) / (float)HALF_LIFE_US;
	const float left =
	    1 - x * (0.693147f - x * (0.240227f - x * 0.047080f));

	return halves < 31 ? left / (float)(1u << halves) : 0;
}

static uint64_t
elapsed_us(const struct pod_slot *s, uint64_t now_us)
{
	return now_us > s->took_at_us ? now_us - s->took_at_us : 0;
}

static void
note_latency(struct pod *p, unsigned worker, uint64_t now_us, uint64_t took_us)
{
	struct pod_slot *s = &p->slots[worker];
	const float took = took_us > 0 ? (float)took_us : 1;
	const float left = left_of_one(elapsed_us(s, now_us));
	const float before = s->took_us * left;

	s->took_us = before < took ? took : before + took * (1 - left);
	s->took_at_us = now_us;
}

struct cost {
	bool unknown; /* not even a microsecond, and asked already */
	float us;     /* for its weight */
};

static struct cost
cost_of(const struct pick *p, unsigned i)
{
	const struct pod_slot *s = &p->ready[i]->slots[p->worker];
	const uint32_t inflight =
	    atomic_load_explicit(&s->inflight, memory_order_relaxed);
	const float each = s->took_us * left_of_one(elapsed_us(s, p->now_us));
	const float weight = (float)pick_weight(p, i);

	if (each >= 1)
		return (struct cost){
		    false, each * (float)(inflight + 1) / weight};
	return (struct cost){inflight > 0, (float)inflight / weight};
}

/* Of whom nothing is known one request is to find out, not all of them. */
static unsigned
pick_faster(const struct pick *p)
{
	struct cost ca, cb;
	unsigned a, b;

	if (p->n == 1)
		return 0;
	pick_two(p, &a, &b);
	ca = cost_of(p, a);
	cb = cost_of(p, b);
	if (ca.unknown != cb.unknown)
		return ca.unknown ? b : a;
	return cb.us < ca.us ? b : a;
}

const struct balance_ops balance_ewma = {
    .name = "ewma",
    .pick = pick_faster,
    .note = note_latency,
};
