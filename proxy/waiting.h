/*
 * Requests of a worker that wait because no pod that may take them has room:
 * how they get into a queue, and out of it, when proxy/vacancy.h gives that its
 * turn; besides, each queue is looked at every WAITING_TICK_US. Worker thread
 * only.
 */
#ifndef PROXY_WAITING_H
#define PROXY_WAITING_H

#include <stdbool.h>
#include <stdint.h>

struct bells;
struct event;
struct tally;
struct txn;
struct version;
struct worker;

/* What was overlooked, and who has waited too long, is found after it. */
#define WAITING_TICK_US 10000u

/* A worker's part of it. */
struct waiting {
	struct event *ticker;
	bool ticking;
};

/* As vacancy_init(), which it calls. */
int waiting_init(struct worker *w, struct bells *bells);
/* Nobody waits any more. */
void waiting_fini(struct worker *w);

/* Whether a request that wants to go to a pod of its version may try. */
bool waiting_is_free(const struct txn *t);
/*
 * It waits from now on, or it is answered because it cannot. Leaving the state
 * QUEUE, by any way, takes it out: waiting_leave().
 */
void waiting_enter(struct txn *t);
void waiting_leave(struct txn *t);
/*
 * One that was tried before goes on by the worker's plan: the pods of the plan
 * that it came by may be gone. Without its version, or a pod of it that is up,
 * it goes where `empty` says; false: nowhere, which is answered.
 */
bool waiting_keep_up(struct txn *t);
/*
 * It waits for that version from now on, while it is at a pod still, which it
 * leaves next; or false, and nothing is changed. Once it has left, and its
 * version is the one it waits for, it goes on by the worker's plan.
 */
bool waiting_enter_early(struct txn *t, const struct version *v);
void waiting_follow(struct txn *t);

/*
 * It waits in that queue, of so many over all workers, for so long; false when
 * that is full. Whose turn it is finds out who lets the queue's requests go.
 */
bool waiting_line_up(
    struct txn *t, struct tally *tally, uint32_t limit, uint64_t patience_us);

/*
 * The worker has another plan: those who wait go on by that one, and requests
 * in flight count where it has limits now.
 */
void waiting_take_plan(struct worker *w);
/* The worker drains: those who wait for another plan are let go. */
void waiting_drain(struct worker *w);

#endif
