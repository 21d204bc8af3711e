/*
 * One thread of a run: its loop, its connections, its users, what it counts.
 * Threads share nothing but the trial, which nobody changes; others read the
 * board and the few numbers below while it runs, and all when it is over.
 */
#ifndef LOAD_RUNNER_H
#define LOAD_RUNNER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "load/board.h"
#include "load/downtime.h"
#include "load/histogram.h"
#include "load/timeline.h"

struct trial;
struct runner;

/* What is known of a thread; times are in nanoseconds. */
struct runner_view {
	const struct board *board;
	struct timeline *timeline;	 /* once it is over */
	const struct downtime *downtime; /* once it is over */
	const struct histogram *lag;	 /* taken up after the intended time */
	uint64_t flips, opened, bytes, in_flight, issued, waited, resent;
	const char (*reasons)[REASON_MAX]; /* of failures, once it is over */
	uint64_t http2;			   /* connections */
	uint64_t end_ns; /* of its last turn, once it is over */
};

/*
 * The thread number `thread` of the trial. start_ns is of the monotonic clock.
 * done_fd, an eventfd, is written when it is over. NULL with the reason in why
 * (one line).
 */
struct runner *runner_new(const struct trial *trial, unsigned thread,
    uint64_t start_ns, int done_fd, char *why, size_t why_size);
/* After it is over. */
void runner_free(struct runner *r);

/* 0, or an errno. */
int runner_start(struct runner *r);
/* Any thread: no request is sent any more; twice: nothing is waited for. */
void runner_stop(struct runner *r);
/* Waits for its end. */
void runner_join(struct runner *r);

void runner_look(const struct runner *r, struct runner_view *view);

#endif
