/*
 * The workers' counters summed into sliding windows: what happened to each
 * version over the last seconds. Main thread only.
 */
#ifndef CONTROL_WINDOW_H
#define CONTROL_WINDOW_H

#include <stddef.h>
#include <stdint.h>

#include "router/tally.h"

struct event_base;
struct plan;
struct service;

#define WINDOW_SECONDS 60u

/* Of one version, over the window. */
struct window_view {
	uint64_t requests;  /* answers, and failures without one */
	uint64_t errors;    /* client aborts are not among them */
	double error_ratio; /* 0 when there was no request */
	double share;	    /* of the service's requests, 0..1 */
	uint64_t p50_us, p99_us;
};

struct windows;

/* Takes a snapshot of every tally of the current plan each second. */
struct windows *windows_new(void);
void windows_free(struct windows *w);
/* Called each second; tallies that left the plan are forgotten. */
void windows_tick(struct windows *w, const struct plan *plan);
/* Up to this moment: now minus the snapshot WINDOW_SECONDS ago. */
void windows_read(const struct windows *w, const struct service *s,
    size_t version, struct window_view *view);

#endif
