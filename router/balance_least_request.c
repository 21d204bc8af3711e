/*
 * least_request: of two pods drawn by chance the one with fewer requests of
 * this worker in flight. Two choices come close to the best of all, without
 * the herd that runs to a single least loaded pod.
 */
#include "router/balance.h"

#include "router/pod.h"

static uint32_t
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
	a = (unsigned)(((p->roll >> 32) * p->n) >> 32);
	b = (unsigned)(((p->roll & UINT32_MAX) * (p->n - 1)) >> 32);
	if (b >= a)
		b++; /* two different pods */
	return load_of(p, b) < load_of(p, a) ? b : a;
}

const struct balance_ops balance_least_request = {
    .name = "least_request",
    .pick = pick_less_loaded,
};
