/*
 * least_request: of two pods drawn by weight the one with fewer requests of
 * this worker in flight for its weight. Two choices come close to the best of
 * all, without the herd that runs to a single least loaded pod.
 */
#include "router/balance.h"

#include "router/pod.h"

static uint64_t
load_of(const struct pick *p, unsigned i)
{
	return atomic_load_explicit(
	    &p->ready[i]->slots[p->worker].inflight, memory_order_relaxed);
}

static unsigned
pick_less_loaded(const struct pick *p)
{
	unsigned a, b;

	if (p->n == 1)
		return 0;
	pick_two(p, &a, &b);
	return load_of(p, b) * pick_weight(p, a) <
		       load_of(p, a) * pick_weight(p, b)
		   ? b
		   : a;
}

const struct balance_ops balance_least_request = {
    .name = "least_request",
    .pick = pick_less_loaded,
};
