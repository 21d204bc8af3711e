/* Pods at addresses of their own, and chance that is the same in each run. */
#ifndef TESTS_UNIT_ROUTER_MAKE_PODS_H
#define TESTS_UNIT_ROUTER_MAKE_PODS_H

#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "router/pod.h"

static uint64_t make_seed = 88172645463325252ull;

static inline uint64_t
make_chance(void)
{
	make_seed ^= make_seed << 13;
	make_seed ^= make_seed >> 7;
	make_seed ^= make_seed << 17;
	return make_seed * 2685821657736338717ull;
}

static inline struct pod *
make_pod(unsigned i, unsigned nworkers)
{
	struct address a;
	struct pod *p;
	char text[40];
	int n = snprintf(text, sizeof text, "10.%u.%u.%u:8000", i >> 16 & 255,
	    i >> 8 & 255, i & 255);

	CHECK(address_parse((struct span){text, (size_t)n}, &a));
	p = pod_new(&a, nworkers);
	CHECK(p != NULL);
	return p;
}

static inline struct pod **
make_pods(unsigned n, unsigned nworkers)
{
	struct pod **pods = calloc(n, sizeof *pods);

	CHECK(pods != NULL);
	for (unsigned i = 0; i < n; i++)
		pods[i] = make_pod(i, nworkers);
	return pods;
}

static inline void
free_pods(struct pod **pods, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		pod_drop(pods[i]);
	free(pods);
}

#endif
