/* A release with all its defaults, and its end. */
#include "router/release.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "router/match.h"
#include "strategies/schedule.h"

#define SECOND 1000000ull
#define MINUTE (60 * SECOND)
#define DAY    (1440 * MINUTE)

static const struct canary_step first_steps[] = {
    {.share = SHARE_ALL / 20, .hold_us = 2 * MINUTE},
    {.share = SHARE_ALL / 5, .hold_us = 5 * MINUTE},
    {.share = SHARE_ALL / 2, .hold_us = 5 * MINUTE},
};

/* What holds for any of them; most have no use for most of it. */
static const struct strategy_terms common = {
    .gates =
	{
	    .window_us = MINUTE,
	    .min_requests = 100,
	    .max_error_rate = -1,
	    .max_error_increase = -1,
	    .max_p99_increase = -1,
	    .confidence = 0.95,
	},
    .progress_deadline_us = 10 * MINUTE,
    .max_surge = {.count = 1},
    .min_ready_us = 10 * SECOND,
    .auto_promote = true,
    .keep_old_us = 5 * MINUTE,
    .duration_us = 14 * DAY,
};

void
release_set_steps(struct release *r, struct canary_step *steps, size_t n)
{
	free(r->steps);
	r->steps = steps;
	r->terms[RELEASE_CANARY].steps = steps;
	r->terms[RELEASE_CANARY].nsteps = n;
}

struct release *
release_new(void)
{
	struct release *r = calloc(1, sizeof *r);
	struct canary_step *steps = malloc(sizeof first_steps);
	struct gates *gates;

	if (r == NULL || steps == NULL) {
		free(r);
		free(steps);
		return NULL;
	}
	for (size_t i = 0; i < RELEASE_STRATEGIES; i++) {
		r->terms[i] = common;
		r->terms[i].ops = strategy_at(i);
	}
	memcpy(steps, first_steps, sizeof first_steps);
	release_set_steps(r, steps, sizeof first_steps / sizeof *first_steps);
	gates = &r->terms[RELEASE_CANARY].gates;
	gates->max_error_rate = 0.01;
	gates->max_error_increase = 0.005;
	r->strategy = &strategy_canary;
	r->park_limit = 1000;
	return r;
}

void
release_free(struct release *r)
{
	if (r == NULL)
		return;
	for (size_t i = 0; i < r->nhooks; i++)
		free(r->hooks[i].url);
	free(r->hooks);
	free(r->steps);
	match_free(r->preview);
	match_free(r->ab_match);
	schedule_free(r->only);
	free(r);
}

const struct strategy_terms *
release_terms(const struct release *r, const struct strategy_ops *ops)
{
	for (size_t i = 0; i < RELEASE_STRATEGIES; i++)
		if (r->terms[i].ops == ops)
			return &r->terms[i];
	WRONG("strategy");
}
