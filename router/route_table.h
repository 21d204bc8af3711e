/*
 * All routes of a plan, compiled: which one takes a host, path and method.
 * The cost of a look-up does not grow with the number of routes, except for
 * regex paths, which are tried in file order. Immutable once made.
 */
#ifndef ROUTER_ROUTE_TABLE_H
#define ROUTER_ROUTE_TABLE_H

#include <stddef.h>

#include "router/match.h"
#include "router/spec.h"

struct route_action;
struct route_table;

struct route {
	size_t service; /* that it leads to, by index in the spec */
	struct route_action *action; /* NULL: it does nothing else */
	/* as the config has it, for explanations */
	char *host; /* NULL = any */
	enum path_kind kind;
	char *path;
	char **methods; /* none = any */
	size_t nmethods;
};

/*
 * The regex objects and actions move out of the spec, also on failure. NULL
 * with the reason in why when two services want the same route, or without
 * memory. One reference. Main thread.
 */
struct route_table *route_table_new(
    struct spec *spec, char *why, size_t why_size);
/* main thread only */
struct route_table *route_table_hold(struct route_table *t);
void route_table_drop(struct route_table *t);

/* NULL: no route takes it. Any thread. */
const struct route *route_table_find(
    const struct route_table *t, const struct request *r);

#endif
