/* From checks to states. */
#include "router/health.h"

#include <limits.h>

#include "base/check.h"

/* A check in start_period breaks a row of good ones and is no bad one. */
static void
count(const struct health_rules *rules, struct health *h, enum pod_state now,
    bool good, uint64_t now_us)
{
	uint64_t grace_us = (uint64_t)rules->start_period_ms * 1000;

	if (good) {
		h->bad = 0;
		if (h->good < UINT_MAX)
			h->good++;
		return;
	}
	h->good = 0;
	if (now == POD_STARTING && now_us < h->joined_us + grace_us)
		return;
	if (h->bad < UINT_MAX)
		h->bad++;
}

enum pod_state
health_observe(const struct health_rules *rules, struct health *h,
    enum pod_state now, bool good, uint64_t now_us)
{
	count(rules, h, now, good, now_us);
	switch (now) {
	case POD_STARTING:
		if (h->good >= rules->rise && good)
			return POD_UP;
		return h->bad >= rules->fall && !good ? POD_DOWN : now;
	case POD_UP:
		return h->bad >= rules->fall && !good ? POD_DOWN : now;
	case POD_DOWN:
		return h->good >= rules->rise && good ? POD_UP : now;
	case POD_EJECTED:
	case POD_DRAINING:
	case POD_MAINT:
	case POD_STATE_COUNT:
		break;
	}
	WRONG("no state of checks");
}
