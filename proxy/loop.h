/*
 * What everything on one worker's thread shares: the event base, the time of
 * this turn, deadlines, scratch memory, and the list of what is to be freed
 * when the turn is over. One thread; nothing here is ever locked.
 */
#ifndef PROXY_LOOP_H
#define PROXY_LOOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "base/queue.h"
#include "base/span.h"
#include "proxy/pipe.h"
#include "proxy/tls.h"
#include "proxy/wheel.h"

struct conn;
struct event;
struct event_base;

/*
 * An object that was closed during this turn: callbacks may still hold a
 * pointer to it, so loop_turn() frees it when the turn is over.
 */
struct dead {
	STAILQ_ENTRY(dead) link;
	void (*free)(struct dead *d);
};

/* Something to be run before the next wait, once. */
struct kick {
	TAILQ_ENTRY(kick) link;
	void (*run)(struct kick *k);
};

TAILQ_HEAD(kick_list, kick);

#define GATHER_IOVS  32
#define GATHER_SMALL 512

/* Orders to write that conn_flush() turns into one writev. */
struct gather {
	struct conn *conn; /* whose they are; NULL = none */
	int n;
	struct iovec iov[GATHER_IOVS];
	char small[GATHER_SMALL]; /* chunk sizes and the like */
	size_t nsmall;
};

struct loop {
	struct event_base *base;
	struct event *ticker;
	bool ticking;
	uint64_t now_us; /* 0 = not read in this turn */
	struct wheel wheel;
	struct gather gather;
	/* reads land here; what must outlive the callback is copied out */
	char *scratch;
	size_t scratch_size;
	/* heads of responses are composed here, then flushed; HTTP/2 frames
	 * are, likewise */
	char *head;
	size_t head_size;
	void (*expired)(struct wheel_entry *);
	struct pipe_pool pipes;
	struct tls_wire tls;
	uint64_t random;
	struct kick_list kicks;
	STAILQ_HEAD(, dead) dead;
	uint64_t date_second;
	char date[32]; /* IMF-fixdate (RFC 9110 5.6.7) of date_second */
};

/* The buffers are at least this large. -1 without memory. */
int loop_init(struct loop *l, struct event_base *base, size_t head_bytes);
void loop_fini(struct loop *l);

/* Makes the buffers large enough for heads of that size; -1: no memory. */
int loop_fit_heads(struct loop *l, size_t head_bytes);

/* Waits for events, runs them, frees the dead; -1 when the base failed. */
int loop_turn(struct loop *l);

/* Monotonic microseconds, read once per turn. */
uint64_t loop_now(struct loop *l);

/* For the Date field: "Sun, 06 Nov 1994 08:49:37 GMT". */
struct span loop_date(struct loop *l);

/* 64 random bits; fast, not for secrets. */
uint64_t loop_random(struct loop *l);

void loop_bury(struct loop *l, struct dead *d, void (*free)(struct dead *d));

/* Deadlines of connections; see wheel.h. */
void loop_set_deadline(struct loop *l, struct wheel_entry *e, uint64_t us);
void loop_clear_deadline(struct loop *l, struct wheel_entry *e);

/* Set before the first turn: what expired deadlines call. */
void loop_set_expired(struct loop *l, void (*expired)(struct wheel_entry *));

/*
 * Kicks run after the turn's events, each once; what is kicked meanwhile runs
 * in the next turn, so that nobody starves the others.
 */
void loop_kick(struct loop *l, struct kick *k, void (*run)(struct kick *));
void loop_unkick(struct loop *l, struct kick *k);

#endif
