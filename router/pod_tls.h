/*
 * How the connections to a version's pods are secured. What it holds is the
 * business of those who make and use it; plans only carry it. Immutable,
 * shared by count, any thread.
 */
#ifndef ROUTER_POD_TLS_H
#define ROUTER_POD_TLS_H

#include <stdatomic.h>
#include <stddef.h>

struct pod_tls {
	_Atomic unsigned holders;
	/* of them, those who only keep what they have made of it: when there
	 * are no others, nobody will ask for that again */
	_Atomic unsigned keepers;
	void (*free)(struct pod_tls *t);
};

/* NULL is passed through. */
static inline struct pod_tls *
pod_tls_hold(struct pod_tls *t)
{
	if (t != NULL)
		atomic_fetch_add_explicit(&t->holders, 1, memory_order_relaxed);
	return t;
}

static inline void
pod_tls_drop(struct pod_tls *t)
{
	if (t != NULL && atomic_fetch_sub_explicit(
			     &t->holders, 1, memory_order_acq_rel) == 1)
		t->free(t);
}

#endif
