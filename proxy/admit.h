/*
 * What becomes of a request before a version is chosen: it is refused,
 * redirected, or led to a service and written anew for its pods. Worker
 * thread only.
 */
#ifndef PROXY_ADMIT_H
#define PROXY_ADMIT_H

#include "base/errs.h"
#include "base/span.h"
#include "router/match.h"

struct arena;
struct h1_head;
struct plan;
struct route_action;
struct service;
struct session;

struct admission {
	const struct service *service;	   /* known of some refused ones, too */
	const struct route_action *action; /* of its route; NULL: none */
	struct span head;  /* for the pod; empty where it cannot be read */
	struct span asked; /* the same without the route's changes, for logs */
	struct span location; /* of a redirect, else empty */
};

/*
 * Head and location are in the arena. The request is valid as long as the
 * parsed head. ERR_NONE, or what it is answered with.
 */
enum err admit_request(const struct session *from, const struct plan *plan,
    const struct h1_head *h, struct arena *arena, struct request *r,
    struct admission *a);

#endif
