/*
 * How a version that had no pod that is up takes its share by and by, when it
 * has one again: the rest of it goes to the stable version meanwhile, if that
 * has pods that are up. Wanted weights stay as they are. Main thread only.
 */
#ifndef ROUTER_RAMP_H
#define ROUTER_RAMP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct service;

/* Where a version stands; main only. It goes on from plan to plan. */
struct ramp {
	bool seasoned;	   /* it may begin with all of its share, once */
	bool empty;	   /* it has had no pod that is up, and will ramp up */
	uint8_t warmth;	   /* POD_COLD..POD_WARM: see router/slow_start.h */
	uint64_t warms_us; /* it was POD_COLD then; 0 = nobody has looked */
	uint64_t weight;   /* that holds now; what the ramp is made of */
};

/*
 * Once the pods of the service are counted: begins and ends ramps, and makes
 * the split that holds meanwhile. Without memory the wanted weights hold.
 */
void ramp_settle(struct service *s);

/* The weight of the version at that place that holds now; any thread. */
uint64_t ramp_weight(const struct service *s, size_t version);

#endif
