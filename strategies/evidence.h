/*
 * How sure one may be that a version fails too often, looking after every
 * single request for as long as one likes.
 *
 * A test with a fixed number of requests is wrong far more often than it says
 * when it is looked at again and again. Here each count is weighed against a
 * limit by a mixture martingale: the likelihood of what was seen, averaged over
 * all failure rates, over its likelihood at the limit. While the true rate is
 * at the limit its expectation stays 1, so the chance that it ever exceeds
 * 1/alpha is at most alpha (Ville 1939; Robbins 1970, "Statistical methods
 * related to the law of the iterated logarithm"). Pure.
 */
#ifndef STRATEGIES_EVIDENCE_H
#define STRATEGIES_EVIDENCE_H

#include <stdint.h>

/* Of n requests so many were errors. */
struct tries {
	uint64_t n, errors;
};

/* errors / n; 0 when there was none. */
double tries_ratio(struct tries t);

/*
 * The rates that may be true: outside of [low, high] the true one is, ever,
 * with a chance of at most alpha. 0 and 1 without tries.
 */
void evidence_bounds(struct tries t, double alpha, double *low, double *high);

/* The lower bound alone, with all of alpha: at least so often it fails. */
double evidence_at_least(struct tries t, double alpha);
/* And the upper: it fails at most so often. */
double evidence_at_most(struct tries t, double alpha);

#endif
