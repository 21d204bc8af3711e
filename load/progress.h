/* One line in a terminal that tells how a run goes. Its main thread. */
#ifndef LOAD_PROGRESS_H
#define LOAD_PROGRESS_H

#include <stddef.h>
#include <stdint.h>

struct event_base;
struct progress;
struct runner;

/*
 * Written to stderr, every quarter of a second; NULL where that is no
 * terminal. start_us is of the monotonic clock.
 */
struct progress *progress_new(struct event_base *base,
    struct runner *const *runners, size_t n, uint64_t start_us);
/* The line goes; may be NULL. */
void progress_end(struct progress *p);
void progress_free(struct progress *p);

#endif
