/* Judging a candidate by its gates. */
#include "strategies/gates.h"

#include <math.h>
#include <stdio.h>

static const char *const names[] = {
    [VERDICT_NONE] = "",
    [VERDICT_NO_DATA] = "no_data",
    [VERDICT_PASS] = "pass",
    [VERDICT_FAIL] = "fail",
};

const char *
verdict_name(enum verdict v)
{
	return names[v];
}

bool
gates_any(const struct gates *g)
{
	return g->max_error_rate >= 0 || g->max_error_increase >= 0 ||
	       g->max_p99_us > 0 || g->max_p99_increase >= 0;
}

struct judgement {
	const struct gates *g;
	const struct sample *candidate, *stable;
	char *why;
	size_t why_size;
};

static bool
rate_exceeded(const struct judgement *j, struct tries t, double alpha)
{
	const double limit = j->g->max_error_rate;

	if (limit < 0 || evidence_at_least(t, alpha) <= limit)
		return false;
	snprintf(j->why, j->why_size, "%.3g %% errors of %llu, limit %.3g %%",
	    tries_ratio(t) * 100, (unsigned long long)t.n, limit * 100);
	return true;
}

/* Both rates are only known so well: half of alpha for each. */
static bool
increase_exceeded(const struct judgement *j, struct tries t,
    struct tries stable, double alpha)
{
	const double limit = j->g->max_error_increase;

	if (limit < 0 || evidence_at_least(t, alpha / 2) -
				 evidence_at_most(stable, alpha / 2) <=
			     limit)
		return false;
	snprintf(j->why, j->why_size,
	    "%.3g %% errors of %llu, stable %.3g %% of %llu, limit +%.3g %%",
	    tries_ratio(t) * 100, (unsigned long long)t.n,
	    tries_ratio(stable) * 100, (unsigned long long)stable.n,
	    limit * 100);
	return true;
}

/* The chances to err add up: of two limits, of step and epoch, and of all
 * epochs, for which 1/k^2 adds up to pi^2/6. */
static bool
errors_exceeded(const struct judgement *j, unsigned epoch)
{
	const struct gates *g = j->g;
	const bool two = g->max_error_rate >= 0 && g->max_error_increase >= 0;
	const double alpha = (1 - g->confidence) / (two ? 4 : 2);
	const double k = (double)epoch + 1;
	const double late = alpha * 6 / (M_PI * M_PI * k * k);
	const struct sample *c = j->candidate, *s = j->stable;

	return rate_exceeded(j, c->step, alpha) ||
	       rate_exceeded(j, c->epoch, late) ||
	       increase_exceeded(j, c->step, s->step, alpha) ||
	       increase_exceeded(j, c->epoch, s->epoch, late);
}

static bool
p99_exceeded(const struct judgement *j)
{
	const uint64_t p99 = j->candidate->p99_us, stable = j->stable->p99_us;
	const struct gates *g = j->g;
	double most = (double)stable * (1 + g->max_p99_increase);

	if (j->candidate->window.n < g->min_requests)
		return false;
	if (g->max_p99_us > 0 && p99 > g->max_p99_us) {
		snprintf(j->why, j->why_size,
		    "p99 %.1f ms of %llu, limit %.1f ms", (double)p99 / 1000,
		    (unsigned long long)j->candidate->window.n,
		    (double)g->max_p99_us / 1000);
		return true;
	}
	if (g->max_p99_increase < 0 || j->stable->window.n < g->min_requests ||
	    (double)p99 <= most)
		return false;
	snprintf(j->why, j->why_size,
	    "p99 %.1f ms of %llu, stable %.1f ms, limit +%.0f %%",
	    (double)p99 / 1000, (unsigned long long)j->candidate->window.n,
	    (double)stable / 1000, g->max_p99_increase * 100);
	return true;
}

/* Not worse than its limits as far as it looks, evidence or not. */
static bool
looks_good(const struct judgement *j)
{
	const double rate = tries_ratio(j->candidate->window);
	const double stable = tries_ratio(j->stable->window);

	if (j->g->max_error_rate >= 0 && rate > j->g->max_error_rate)
		return false;
	return j->g->max_error_increase < 0 ||
	       rate - stable <= j->g->max_error_increase;
}

enum verdict
gates_judge(const struct gates *g, const struct sample *candidate,
    const struct sample *stable, unsigned epoch, char *why, size_t why_size)
{
	const struct tries seen = candidate->window;
	const struct judgement j = {g, candidate, stable, why, why_size};

	why[0] = '\0';
	if (!gates_any(g))
		return VERDICT_NONE;
	if (errors_exceeded(&j, epoch) || p99_exceeded(&j))
		return VERDICT_FAIL;
	if (seen.n < g->min_requests || seen.n == 0) {
		snprintf(why, why_size, "%llu of %llu requests seen",
		    (unsigned long long)seen.n,
		    (unsigned long long)g->min_requests);
		return VERDICT_NO_DATA;
	}
	snprintf(why, why_size,
	    "%.3g %% errors of %llu, stable %.3g %% of %llu",
	    tries_ratio(seen) * 100, (unsigned long long)seen.n,
	    tries_ratio(stable->window) * 100,
	    (unsigned long long)stable->window.n);
	if (looks_good(&j))
		return VERDICT_PASS;
	snprintf(why, why_size,
	    "%.3g %% errors of %llu, stable %.3g %% of %llu: beyond the limit, "
	    "but maybe by chance",
	    tries_ratio(seen) * 100, (unsigned long long)seen.n,
	    tries_ratio(stable->window) * 100,
	    (unsigned long long)stable->window.n);
	return VERDICT_NO_DATA;
}
