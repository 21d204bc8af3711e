/* Pods and versions that warm up. */
#include "router/slow_start.h"

#include "router/plan.h"
#include "router/pod.h"

/* A step, at least: each of them is a plan. */
#define STEP_MIN_US 100000u

/* From POD_COLD at first to POD_WARM when the time is over. */
static uint8_t
warmth_after(uint64_t us, uint64_t whole_us)
{
	if (us >= whole_us)
		return POD_WARM;
	return (uint8_t)(POD_COLD + (POD_WARM - POD_COLD) * us / whole_us);
}

/* True when it takes another share. */
static bool
warm(uint8_t *warmth, uint64_t *since_us, uint32_t whole_ms, uint64_t now_us,
    uint64_t *next_us)
{
	const uint64_t whole_us = (uint64_t)whole_ms * 1000;
	const uint8_t was = *warmth;
	uint64_t step_us = whole_us / POD_WARM;

	if (was == POD_WARM)
		return false;
	if (*since_us == 0)
		*since_us = now_us;
	*warmth = warmth_after(now_us - *since_us, whole_us);
	if (step_us < STEP_MIN_US)
		step_us = STEP_MIN_US;
	if (*warmth < POD_WARM && step_us < *next_us)
		*next_us = step_us;
	return *warmth != was;
}

bool
slow_start_step(const struct service *s, uint64_t now_us, uint64_t *next_us)
{
	const struct terms *terms = s->terms;
	bool changed = false;

	for (size_t i = 0; i < s->nversions; i++) {
		struct version *v = &s->versions[i];

		changed |= warm(&v->ramp.warmth, &v->ramp.warms_us,
		    terms->ramp_ms, now_us, next_us);
		for (size_t k = 0; k < v->npods; k++) {
			struct pod *p = v->pods[k];

			if (p->state == POD_UP)
				changed |= warm(&p->warmth, &p->warms_us,
				    terms->slow_start_ms, now_us, next_us);
		}
	}
	return changed;
}
