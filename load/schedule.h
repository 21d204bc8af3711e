/*
 * When each request of an open loop is to be sent: a rate that is constant,
 * or rises or falls along a straight line first. Each time is computed from
 * the request's number alone, so nothing drifts and any thread may ask. Pure.
 */
#ifndef LOAD_SCHEDULE_H
#define LOAD_SCHEDULE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/span.h"

/* Rates are in 1/OPT_DECIMALS requests per second. */
#define SCHEDULE_RATE_MAX 100000000000ull /* ten million per second */

struct schedule {
	uint64_t from, to; /* rates; to > 0 */
	uint64_t
	    ramp_ns;	/* how long it takes from one to the other; may be 0 */
	uint64_t total; /* requests, at least 1 */
};

/*
 * "200", "0.5", or "100..2000". False with the reason in why (one line). Only
 * from and to are set.
 */
bool schedule_read_rate(
    struct span text, struct schedule *s, char *why, size_t why_size);

/*
 * Sets ramp_ns, where the rates differ, and total: what is due before
 * duration_ns (UINT64_MAX: no end), and at most `requests` (the same).
 */
void schedule_settle(struct schedule *s, uint64_t ramp_ns, uint64_t duration_ns,
    uint64_t requests);

/* The k-th request (0 is the first), in nanoseconds since the start. */
uint64_t schedule_at(const struct schedule *s, uint64_t k);

#endif
