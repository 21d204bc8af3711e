/*
 * The few lines of epoll that the benchmark's relay and origin share: one
 * thread, every socket registered once, edge-triggered, both directions.
 */
#ifndef BENCH_LOOP_H
#define BENCH_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/address.h"

/* The first member of whatever waits for a socket. */
struct watch {
	void (*on_event)(struct watch *w, uint32_t events);
};

/* The epoll descriptor, or -1 with errno. */
int loop_new(void);

/* False with errno; `w` must live until fd is closed and the turn is over. */
bool loop_watch(int loop, int fd, struct watch *w);

/*
 * Waits and calls; after each turn on_turn_over(), where memory is freed that
 * later events of the turn might have named. Comes back only with an error:
 * -1 with errno.
 */
int loop_run(int loop, void (*on_turn_over)(void));

/*
 * A listening socket that does not block, or -1 with errno. With port 0 the
 * kernel's choice is written back into `a`, its text included.
 */
int loop_listen(struct address *a);

/* The next client, not blocking and without Nagle's delay; -1 with errno. */
int loop_accept(int listener);

/* A socket on its way to `a`, as loop_accept() leaves them; -1 with errno. */
int loop_connect(const struct address *a);

#endif
