/*
 * Places that become free: which of a worker's queues is given its turn for
 * them, and which other worker is told. What a queue does in its turn is not
 * known here. Worker thread only.
 */
#ifndef PROXY_VACANCY_H
#define PROXY_VACANCY_H

#include <stdbool.h>

#include "base/queue.h"
#include "proxy/loop.h"

struct bells;
struct event;
struct pod;
struct queue;
struct tally;
struct worker;

/* The queue may be empty, and its memory due, when it returns. */
typedef void vacancy_turn(struct worker *w, struct queue *q);

/* A worker's part of it. */
struct vacancy {
	TAILQ_HEAD(, queue) queues; /* that are not empty */
	vacancy_turn *turn;
	struct kick kick;
	bool kicked;
	struct bells *bells; /* of all workers */
	struct event *rung;
};

/* The list is made; the bells outlive the worker. -1 without memory. */
int vacancy_init(struct worker *w, struct bells *bells, vacancy_turn *turn);
void vacancy_fini(struct worker *w);

/* The queue, or each, has its turn when the events of this loop turn are
 * done. */
void vacancy_wake(struct worker *w, struct queue *q);
void vacancy_wake_all(struct worker *w);
/* Tells another worker, if the next to have a turn is there. */
void vacancy_pass_on(struct worker *w, const struct tally *t);

/* A request of the version has left the pod: its places go back. */
void vacancy_at_pod(struct worker *w, struct tally *t, struct pod *p);
/* A connection is made, or has failed. */
void vacancy_to_connect(struct worker *w);

#endif
