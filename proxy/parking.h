/*
 * Requests to a service that is closed, as no version of it takes any: they
 * wait in the queue of the service's own tally, first come, first served, and
 * are chosen a version for by the plan that opens it. Worker thread only.
 */
#ifndef PROXY_PARKING_H
#define PROXY_PARKING_H

#include <stdbool.h>

struct queue;
struct request;
struct txn;
struct worker;

/* Whether the service is closed by the plan that the worker has now. */
bool parking_is_due(const struct txn *t);
/*
 * Such a request waits from now on, or it is answered because it cannot: its
 * service parks none, or has as many as it may, or this one has waited as long
 * as it may. NULL for one that was let in before: its head is read once more.
 * Leaving the state QUEUE, by any way, takes it out.
 */
void parking_enter(struct txn *t, const struct request *r);
/* Whether it waits here; no version has been chosen for it then. */
bool parking_has(const struct txn *t);
/* It has waited for too long. */
void parking_time_out(struct txn *t);
/*
 * Lets those of the queue go that are parked: on, if the worker's plan opens
 * the service, or with an answer, if nothing ever will. False when it is the
 * queue of a version.
 */
bool parking_let_go(struct worker *w, struct queue *q);

#endif
