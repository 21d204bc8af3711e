/*
 * What the launcher decides, without doing it: who is started, who is taken
 * away, and how long to wait before the next try. Pure.
 */
#ifndef CONTROL_LAUNCH_POLICY_H
#define CONTROL_LAUNCH_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One pod of a version that is not told to go yet. */
struct launch_view {
	bool fresh;    /* runs what the file says now */
	bool ready;    /* takes requests, or would but for people's orders */
	uint64_t born; /* who is newer has more */
};

enum launch_step {
	LAUNCH_REST, /* all is as it should be, or has to wait for a pod */
	LAUNCH_START,
	LAUNCH_TAKE, /* away: the one at *which */
};

/*
 * The next step towards so many fresh ones. Too few: one is started. Too many:
 * one goes, first of all who is not ready, then the newest. Those that are not
 * fresh are replaced one by one: while there are as many as wanted one more
 * is started, and one of them goes once that is ready.
 */
enum launch_step launch_step(
    const struct launch_view *pods, size_t n, unsigned wanted, size_t *which);

/* Zeroed, then used. */
struct launch_backoff {
	uint32_t wait_ms; /* the last one */
};

/*
 * How long to wait before a process is started again that took connections
 * for `ran_us` (0 = never): min, twice as long each time, at most max; min
 * again after one that ran for max.
 */
uint32_t launch_backoff(struct launch_backoff *b, uint32_t min_ms,
    uint32_t max_ms, uint64_t ran_us);

#endif
