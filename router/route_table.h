/*
 * All routes of a plan, compiled: which service a host and path lead to.
 * The cost of a look-up does not grow with the number of routes, except for
 * regex paths, which are tried in file order. Immutable once made.
 */
#ifndef ROUTER_ROUTE_TABLE_H
#define ROUTER_ROUTE_TABLE_H

#include <stdbool.h>
#include <stddef.h>

#include "router/match.h"
#include "router/spec.h"

struct route_table;

/*
 * The regex objects move out of the spec, also on failure. NULL with the
 * reason in why when two services want the same route, or without memory.
 * One reference. Main thread.
 */
struct route_table *route_table_new(
    struct spec *spec, char *why, size_t why_size);
/* main thread only */
struct route_table *route_table_hold(struct route_table *t);
void route_table_drop(struct route_table *t);

/* False: no route; else the index of the service in the spec. Any thread. */
bool route_table_find(
    const struct route_table *t, const struct request *r, size_t *service);

#endif
