/*
 * Connections to pods, of one worker: an idle one if there is any, else a
 * new one. Worker thread only.
 */
#ifndef PROXY_UPSTREAM_POOL_H
#define PROXY_UPSTREAM_POOL_H

#include <stdbool.h>

struct pod;
struct txn;
struct upstream;
struct upstream_events;
struct version;
struct worker;

/*
 * Bound to the txn until it releases or closes it. When it is not yet ready,
 * events->ready or events->failed follows, never from within this call.
 * `fresh` asks for a new connection. NULL with errno set: EMFILE and the like
 * are ours, the rest is the pod's.
 */
struct upstream *upstream_acquire(struct worker *w, const struct version *v,
    struct pod *pod, struct txn *t, const struct upstream_events *events,
    bool fresh);

/* Whether it would come without a new connection; `fresh` as above. */
bool upstream_at_hand(const struct worker *w, const struct version *v,
    const struct pod *pod, bool fresh);

/* Gives it back: idle for the next request when it can serve one. */
void upstream_release(struct upstream *u);

/* Closes idle connections to pods that the plan no longer has, or all. */
void upstream_pool_prune(struct worker *w);
void upstream_pool_close(struct worker *w);

#endif
