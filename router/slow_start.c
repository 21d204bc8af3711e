/* Pods that warm up. */
#include "router/slow_start.h"

#include "router/plan.h"
#include "router/pod.h"

/* A step, at least: each of them is a plan. */
#define STEP_MIN_US 100000u

static uint64_t
step_us(const struct service *s)
{
	const uint64_t us = (uint64_t)s->terms->slow_start_ms * 1000 / POD_WARM;

	return us > STEP_MIN_US ? us : STEP_MIN_US;
}

/* From POD_COLD at first to POD_WARM when the time is over. */
static uint8_t
warmth_after(uint64_t us, uint64_t whole_us)
{
	if (us >= whole_us)
		return POD_WARM;
	return (uint8_t)(POD_COLD + (POD_WARM - POD_COLD) * us / whole_us);
}

static bool
step(const struct service *s, struct pod *p, uint64_t now_us)
{
	const uint64_t whole_us = (uint64_t)s->terms->slow_start_ms * 1000;
	const uint8_t was = p->warmth;

	if (p->warms_us == 0)
		p->warms_us = now_us;
	p->warmth = warmth_after(now_us - p->warms_us, whole_us);
	return p->warmth != was;
}

bool
slow_start_step(const struct service *s, uint64_t now_us, uint64_t *next_us)
{
	bool changed = false, warming = false;

	for (size_t i = 0; i < s->nversions; i++) {
		const struct version *v = &s->versions[i];

		for (size_t k = 0; k < v->npods; k++) {
			struct pod *p = v->pods[k];

			if (p->state != POD_UP || p->warmth == POD_WARM)
				continue;
			changed |= step(s, p, now_us);
			warming |= p->warmth < POD_WARM;
		}
	}
	if (warming && step_us(s) < *next_us)
		*next_us = step_us(s);
	return changed;
}
