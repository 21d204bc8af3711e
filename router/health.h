/*
 * The rules by which checks move a pod between its states. Pure: the
 * observation is an argument, nothing here opens a socket or reads a clock.
 */
#ifndef ROUTER_HEALTH_H
#define ROUTER_HEALTH_H

#include <stdbool.h>
#include <stdint.h>

enum pod_state {
	POD_STARTING, /* joined, has not yet passed `rise` checks */
	POD_UP,
	POD_DOWN,
	POD_DRAINING,
	POD_MAINT,
	POD_STATE_COUNT,
};

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

/* "starting", "up", ... as in status and API. */
const char *pod_state_name(enum pod_state s);

/*
 * Counts one check and says the state that follows. Draining and maint are
 * left by people, not by checks. Within start_period bad checks of a
 * starting pod do not count.
 */
enum pod_state health_observe(const struct health_rules *rules,
    struct health *h, enum pod_state now, bool good, uint64_t now_us);

#endif
