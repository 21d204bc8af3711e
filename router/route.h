/*
 * What a route does beyond leading to a service: another path or host for the
 * pod, other header fields, or an answer that sends the client elsewhere.
 * Filled by conf, owned by the spec and then by the plan's routes; what is in
 * a plan never changes, so any thread may read it.
 */
#ifndef ROUTER_ROUTE_H
#define ROUTER_ROUTE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/field.h"
#include "base/span.h"

/* Of one list of edits: what a head may grow by, and how many they are. */
#define EDITS_BYTES_MAX 1024u
#define EDITS_MAX	32u

enum edit_kind {
	EDIT_SET,    /* in place of all fields of that name */
	EDIT_ADD,    /* one more */
	EDIT_REMOVE, /* all fields of that name */
};

struct edit {
	enum edit_kind kind;
	enum field_id id;
	struct span name, value; /* in `text` */
	char *text;		 /* malloc'd */
};

struct edits {
	struct edit *list;
	size_t n;
	size_t bytes; /* of all names and values, as lines of HTTP/1.1 */
};

/* Copies both; the value of a removal is empty. -1 without memory. */
int edits_add(
    struct edits *e, enum edit_kind kind, struct span name, struct span value);
/* Whether one of them is about that name, in any case. */
bool edits_name(const struct edits *e, struct span name);
/* Whether a field of a head gives way: its name is set or removed. */
bool edits_drop(const struct edits *e, enum field_id id, struct span name);
/* Frees them. */
void edits_clear(struct edits *e);

enum path_change {
	PATH_KEEP,
	PATH_SWAP_PREFIX, /* `path` for what the route's prefix matched */
	PATH_SWAP,	  /* `path` for all of it */
};

struct route_action {
	int redirect; /* status of the answer; 0: the request goes to a pod */
	enum path_change change;
	char *path;    /* without a slash at its end with PATH_SWAP_PREFIX */
	size_t prefix; /* bytes of the route's own, without that slash */
	char *host;    /* NULL: the request's; for a pod perhaps with a port */
	char *scheme;  /* of a redirect; NULL: the request's */
	unsigned port; /* of a redirect; 0: see proxy/redirect.h */
	struct edits request;  /* for the pod */
	struct edits response; /* what the pod answers */
};

/* NULL without memory. */
struct route_action *route_action_new(void);
/* NULL is fine. */
void route_action_free(struct route_action *a);

/*
 * The path of a request that this route has matched, changed: it keeps its
 * slash in front. The asterisk-form (RFC 9112 3.2.4) stays. Writes no more
 * than route_path_size() bytes and returns how many.
 */
size_t route_path_size(const struct route_action *a, struct span path);
size_t route_path_write(
    char *buf, const struct route_action *a, struct span path);

#endif
