/* HTTP/2 to a pod: few connections, many requests at a time on each. */
#ifndef PROXY_UPSTREAM_H2_H
#define PROXY_UPSTREAM_H2_H

#include <stdbool.h>

struct pod;
struct upstream;
struct version;
struct worker;

/*
 * A stream on a connection that has room for one, or on a new one. The txn that
 * it is then given is told when it is ready, unless it is already. NULL with
 * errno set.
 */
struct upstream *upstream_h2_acquire(
    struct worker *w, const struct version *v, struct pod *pod);

/* Whether there is a connection that has room for one. */
bool upstream_h2_at_hand(
    const struct worker *w, const struct version *v, const struct pod *pod);

/*
 * Closes what is idle; those in use take no new request and end with their
 * last one. With gone_only just connections to pods that are gone, which are
 * told so with GOAWAY.
 */
void upstream_h2_prune(struct worker *w, bool gone_only);

#endif
