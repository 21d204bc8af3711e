/*
 * The requests of one worker that wait for a pod of one version, first come,
 * first served. Its length is limited over all workers; between these the one
 * whose first request waits longest goes first, give or take QUEUE_SLACK_US.
 * Knows no pods: who adds a request takes it out when its time has come.
 * Worker thread only.
 */
#ifndef PROXY_QUEUE_H
#define PROXY_QUEUE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/queue.h"
#include "proxy/loop.h"

struct tally;

#define QUEUE_MAGIC 0x90e0e001u

/*
 * A worker leaves a free place to another one, which has to be woken for it,
 * only when that one's first request waits so much longer than its own.
 */
#define QUEUE_SLACK_US 5000u

/* Embedded in what waits. Times by loop_now(). */
struct waiter {
	TAILQ_ENTRY(waiter) link;
	struct queue *queue; /* NULL while it does not wait */
	uint64_t since_us;
	uint64_t rank_us; /* since when, as far as its turn goes */
	uint64_t due_us;  /* when it has waited too long */
};

struct queue {
	unsigned magic;
	unsigned worker;
	struct tally *tally; /* of the version; NULL once nobody waits */
	TAILQ_HEAD(, waiter) waiters;
	unsigned n;
	bool shown;		 /* other workers see how long it waits */
	bool woken;		 /* there may be room for the first */
	uint64_t due_us;	 /* none is due before */
	TAILQ_ENTRY(queue) link; /* for its owner */
	struct dead dead;	 /* for its owner */
};

/*
 * Waits for the version at the end of the worker's queue, or at the front if
 * it was served before. The first one makes the queue. NULL when `limit`
 * requests wait already, at all workers, or without memory.
 */
struct queue *queue_join(struct tally *t, unsigned worker, struct waiter *e,
    bool front, uint32_t limit, uint64_t now_us, uint64_t due_us);
/*
 * Takes it out, counts how long it has waited, and returns that. With the last
 * one the queue lets go of the tally, and the caller frees it: queue_free().
 */
uint64_t queue_leave(struct waiter *e, uint64_t now_us);
void queue_free(struct queue *q);

/* Who is next; NULL when nobody waits. */
struct waiter *queue_first(const struct queue *q);
/* One that is due; NULL when none is. */
struct waiter *queue_due(struct queue *q, uint64_t now_us);

/*
 * Whether other workers see, and leave a place to, the first request here:
 * hidden is one that waits for what they cannot give, and at first every one.
 * Who shows must look for a place once more, see router/claim.h.
 */
void queue_show(struct queue *q, bool shown);

/*
 * Of the workers that show a request the one whose request waits longest,
 * `worker` itself where the slack allows; -1 when there is none.
 */
int queue_next(const struct tally *t, unsigned worker);
/* Whether a request that waits since then at this worker is not next. */
bool queue_yields(const struct tally *t, unsigned worker, uint64_t since_us);

#endif
