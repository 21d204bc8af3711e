/* Reading an access entry's texts out of a request. Worker thread only. */
#ifndef PROXY_ACCESS_FILL_H
#define PROXY_ACCESS_FILL_H

#include "base/errs.h"
#include "base/span.h"
#include "proxy/access_entry.h"

struct client;
struct worker;

/* An entry about nothing yet: every number not reached, every text empty. */
void access_begin(
    struct access_entry *e, struct worker *w, const struct client *c);

/* Method, target, host and the rest, from a whole HTTP/1 head. */
void access_fill_head(
    struct access_entry *e, struct worker *w, struct span head);

#endif
