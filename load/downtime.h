/*
 * Windows of downtime. In an open loop every request has a number and an
 * intended time, and a window is a maximal run of numbers all of which
 * failed: it reaches from the intended time of the first failed request to
 * that of the first after it that succeeded. In a closed loop it reaches from
 * when the first failed request was sent to when the next answer that was good
 * came; windows of several threads that overlap are one. Pure.
 */
#ifndef LOAD_DOWNTIME_H
#define LOAD_DOWNTIME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct downtime_window {
	uint64_t start_ns, end_ns; /* since the start of the run */
	uint64_t failed;
};

/* Failed requests with numbers first, first + step, ... */
struct downtime_run {
	uint64_t first, count;
};

/* What one thread has noticed; zeroed at its start but for step and closed. */
struct downtime {
	bool closed;   /* windows; else runs */
	uint64_t step; /* between this thread's numbers */
	struct downtime_run *runs;
	struct downtime_window *windows;
	size_t n, room;
	bool down;     /* the last window is open */
	uint64_t lost; /* failures that did not find room */
};

/* The request with that number failed; it was sent at sent_ns. */
void downtime_failed(struct downtime *d, uint64_t k, uint64_t sent_ns);
/* One succeeded just now; only a closed loop must know. */
void downtime_succeeded(struct downtime *d, uint64_t now_ns);
void downtime_free(struct downtime *d);

struct downtime_list {
	struct downtime_window *windows; /* in order of time */
	size_t n;
	uint64_t lost;
};

/* When the request with that number was to be sent. */
typedef uint64_t downtime_clock(const void *arg, uint64_t k);

/*
 * The windows of all threads. Of an open loop `at` tells the time of a number
 * up to `total`, the first that was not sent any more; of a closed one it is
 * NULL and an open window ends at end_ns. False without memory.
 */
bool downtime_gather(struct downtime_list *list, const struct downtime *parts,
    size_t nparts, downtime_clock *at, const void *arg, uint64_t total,
    uint64_t end_ns);
void downtime_list_free(struct downtime_list *list);

/* The sum of all lengths. */
uint64_t downtime_length(const struct downtime_list *list);

#endif
