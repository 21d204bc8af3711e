/* Bounds of a failure rate that hold at every moment. */
#include "strategies/evidence.h"

#include <math.h>
#include <stdbool.h>

/* Halvings of [0, 1]: well below one error in any number of requests. */
#define HALVINGS 60

double
tries_ratio(struct tries t)
{
	return t.n > 0 ? (double)t.errors / (double)t.n : 0;
}

/*
 * Logarithm of the mean likelihood under all rates alike, which is the beta
 * function B(errors + 1, n - errors + 1). lgamma_r, as lgamma writes a global.
 */
static double
log_mean(struct tries t)
{
	const double good = (double)(t.n - t.errors), bad = (double)t.errors;
	int sign;

	return lgamma_r(bad + 1, &sign) + lgamma_r(good + 1, &sign) -
	       lgamma_r((double)t.n + 2, &sign);
}

/* Whether what was seen speaks against this rate with more than 1/alpha. */
static bool
refuted(struct tries t, double mean, double rate, double alpha)
{
	const double good = (double)(t.n - t.errors), bad = (double)t.errors;
	double at_rate = 0;

	if (bad > 0)
		at_rate += bad * log(rate);
	if (good > 0)
		at_rate += good * log1p(-rate);
	return mean - at_rate >= -log(alpha);
}

double
evidence_at_least(struct tries t, double alpha)
{
	double low = 0, high = tries_ratio(t), mean = log_mean(t);

	if (t.errors == 0)
		return 0;
	for (int i = 0; i < HALVINGS; i++) {
		double middle = (low + high) / 2;

		if (refuted(t, mean, middle, alpha))
			low = middle;
		else
			high = middle;
	}
	return low;
}

double
evidence_at_most(struct tries t, double alpha)
{
	const struct tries mirrored = {t.n, t.n - t.errors};

	return 1 - evidence_at_least(mirrored, alpha);
}

void
evidence_bounds(struct tries t, double alpha, double *low, double *high)
{
	*low = evidence_at_least(t, alpha / 2);
	*high = evidence_at_most(t, alpha / 2);
}
