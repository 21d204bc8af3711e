/* From checks to states, and when the next one is due. */
#include "router/health.h"

#include <limits.h>
#include <stdlib.h>

#include "base/check.h"
#include "router/match.h"

/* Pods that join together are first checked so far apart. */
#define FIRST_GAP_US 10000u
/* The golden ratio's part behind the point, in 2^-64. */
#define GOLDEN 0x9e3779b97f4a7c15u

const char *const health_methods[] = {
    [HEALTH_GET] = "GET",
    [HEALTH_HEAD] = "HEAD",
    [HEALTH_OPTIONS] = "OPTIONS",
    [HEALTH_POST] = "POST",
    NULL,
};

void
health_rules_clear(struct health_rules *rules)
{
	free(rules->path);
	free(rules->host);
	free(rules->grpc_service);
	edits_clear(&rules->headers);
	pattern_free(rules->body);
	*rules = (struct health_rules){0};
}

void
health_add_statuses(struct health_rules *rules, int first, int last)
{
	CHECK(first >= HEALTH_STATUS_MIN && last <= HEALTH_STATUS_MAX);
	for (int s = first; s <= last; s++) {
		const unsigned bit = (unsigned)(s - HEALTH_STATUS_MIN);

		rules->statuses[bit / 64] |= (uint64_t)1 << bit % 64;
	}
}

bool
health_good_status(const struct health_rules *rules, int status)
{
	const unsigned bit = (unsigned)(status - HEALTH_STATUS_MIN);

	return status >= HEALTH_STATUS_MIN && status <= HEALTH_STATUS_MAX &&
	       (rules->statuses[bit / 64] >> bit % 64 & 1) != 0;
}

enum pod_state
health_join(const struct health_rules *rules, struct health *h, uint64_t now_us)
{
	*h = (struct health){.joined_us = now_us};
	return !rules->enabled || rules->initial_up ? POD_UP : POD_STARTING;
}

/* A check in start_period breaks a row of good ones and is no bad one. */
static void
count(const struct health_rules *rules, struct health *h, enum pod_state now,
    bool good, uint64_t now_us)
{
	uint64_t grace_us = (uint64_t)rules->start_period_ms * 1000;

	if (good) {
		h->answered = true;
		h->bad = 0;
		if (h->good < UINT_MAX)
			h->good++;
		return;
	}
	h->good = 0;
	if (now == POD_STARTING && !h->answered &&
	    now_us < h->joined_us + grace_us)
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

uint32_t
health_interval(const struct health_rules *rules, const struct health *h,
    enum pod_state now)
{
	const bool changing = now == POD_STARTING ||
			      (now == POD_UP && h->bad > 0) ||
			      (now == POD_DOWN && h->good > 0);

	return changing && rules->fast_interval_ms > 0 ? rules->fast_interval_ms
						       : rules->interval_ms;
}

/*
 * Multiples of the golden ratio, without their whole parts, keep away from
 * each other as far as they can, however many there are.
 */
uint64_t
health_first_us(const struct health_rules *rules, uint64_t place, size_t n)
{
	const uint64_t interval_us = (uint64_t)rules->interval_ms * 1000;
	const uint64_t part = place * GOLDEN >> 32;
	uint64_t window_us = interval_us;

	if (n < interval_us / FIRST_GAP_US)
		window_us = n * FIRST_GAP_US;
	return window_us * part >> 32;
}
