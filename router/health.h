/*
 * The rules by which checks move a pod between its states. Pure: the
 * observation is an argument, nothing here opens a socket or reads a clock.
 */
#ifndef ROUTER_HEALTH_H
#define ROUTER_HEALTH_H

#include <stdbool.h>
#include <stdint.h>

#include "router/pod_state.h"

struct health_rules {
	bool enabled; /* without checks a pod is up at once */
	char *path;
	uint32_t interval_ms, timeout_ms;
	unsigned rise, fall;	    /* good or bad checks in a row, >= 1 */
	uint32_t start_period_ms;   /* bad checks do not count this long */
	bool initial_up;	    /* initial: up instead of starting */
	int status_min, status_max; /* what counts as good, inclusive */
};

/* Checks in a row with the same result; main only. */
struct health {
	unsigned good, bad;
	uint64_t joined_us; /* for start_period */
};

/*
 * Counts one check and says which of starting, up and down follows. Within
 * start_period bad checks of a starting pod do not count.
 */
enum pod_state health_observe(const struct health_rules *rules,
    struct health *h, enum pod_state now, bool good, uint64_t now_us);

#endif
