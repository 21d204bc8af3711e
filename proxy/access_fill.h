/* Reading an access entry's texts out of a request. Worker thread only. */
#ifndef PROXY_ACCESS_FILL_H
#define PROXY_ACCESS_FILL_H

#include "base/errs.h"
#include "base/span.h"
#include "proxy/access_entry.h"

struct h1_head;
struct session;
struct worker;

/*
 * An entry of which only the client is known: every number not reached, every
 * other text empty. `ip` has INET6_ADDRSTRLEN bytes and lasts as long.
 */
void access_begin(struct access_entry *e, struct worker *w,
    const struct session *s, char *ip);

/* Method, target, host and the rest, from a whole HTTP/1 head. */
void access_fill_head(
    struct access_entry *e, struct worker *w, struct span head);

/* By which one a request's head came. */
enum access_protocol access_protocol(const struct h1_head *h);

/* A request that got no txn: its whole entry, put into the log if there is one.
 */
void access_refused(const struct session *s, enum err reason);

#endif
