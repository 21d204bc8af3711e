/*
 * Mirrored requests: the copy of a request is a transaction of its own, whose
 * client takes everything and wants nothing. The real one never waits for it
 * and cannot fail by it. Worker thread only.
 */
#ifndef PROXY_TXN_MIRROR_H
#define PROXY_TXN_MIRROR_H

#include <stdbool.h>

#include "base/errs.h"
#include "base/span.h"

struct h1_head;
struct txn;
struct worker;

/*
 * At the begin of a request whose version is chosen: makes a copy when it is
 * its turn. It starts behind the events of this turn, or when the body has
 * been seen.
 */
void txn_mirror_begin(struct txn *t, const struct h1_head *h);

/* The body must not be spliced past us: the copy needs it. */
bool txn_mirror_gathers(const struct txn *t);
/* A piece of the request's body, and its end. */
void txn_mirror_data(struct txn *t, struct span piece);
void txn_mirror_complete(struct txn *t, const struct h1_head *trailers);

/* Of both, the real one and the copy: a piece of the pod's answer; all of it
 * is here. */
void txn_mirror_saw(struct txn *t, struct span piece);
void txn_mirror_answered(struct txn *t);

/* The copy ends without an answer of a pod. */
void txn_mirror_failed(const struct txn *copy, enum err e);

/* Of both: it is over. Its plan is still held. */
void txn_mirror_leave(struct txn *t);

/*
 * Out of file descriptors a real request comes first: the oldest copy that has
 * one is over. False when there is none. In no callback of a copy's.
 */
bool txn_mirror_yield(struct worker *w);

/* The worker drains: copies are not waited for. */
void txn_mirror_drop_all(struct worker *w);

#endif
