/*
 * What shunt tells while a run lasts, by its stream of events: shifted
 * weights, phases of rollouts, pods that come and go. Every kind is a mark
 * with its words. The main thread of the run.
 */
#ifndef LOAD_MARKS_H
#define LOAD_MARKS_H

#include <stddef.h>
#include <stdint.h>

struct event_base;

#define MARKS_MAX 1000u

struct mark {
	uint64_t at_ns; /* since the start of the run */
	char *kind, *text;
};

struct marks {
	struct mark list[MARKS_MAX];
	size_t n;
	size_t lost;   /* that found no room */
	char why[256]; /* why events ended before the run did, or "" */
};

struct marks_follower;

/*
 * Follows the events of the admin API at a Unix socket's path, or at IP:PORT,
 * from now on; start_ns is of the monotonic clock. When the stream breaks it
 * is tried again. NULL with the reason in why (one line) when the address is
 * none.
 */
struct marks_follower *marks_follow(struct event_base *base,
    const char *address, uint64_t start_ns, char *why, size_t why_size);
void marks_unfollow(struct marks_follower *f);

const struct marks *marks_of(const struct marks_follower *f);

#endif
