/* HTTP/1.1 to a pod: one connection, one request at a time. */
#ifndef PROXY_UPSTREAM_H1_H
#define PROXY_UPSTREAM_H1_H

struct pod;
struct version;
struct upstream;
struct worker;

/*
 * Begins to connect; the txn that it is then given is told when it is ready.
 * NULL with errno set.
 */
struct upstream *upstream_h1_connect(
    struct worker *w, const struct version *v, struct pod *pod);

#endif
