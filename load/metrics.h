/* Live counters of a run for Prometheus. The main thread of the run. */
#ifndef LOAD_METRICS_H
#define LOAD_METRICS_H

#include <stddef.h>

struct event_base;
struct metrics;
struct runner;
struct trial;

/*
 * Serves GET /metrics at IP:PORT; runners outlive it. NULL with the reason in
 * why (one line).
 */
struct metrics *metrics_serve(struct event_base *base, const char *address,
    const struct trial *trial, struct runner *const *runners, size_t n,
    char *why, size_t why_size);
void metrics_free(struct metrics *m);

#endif
