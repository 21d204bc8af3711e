/*
 * What becomes of a request before a version is chosen: it is refused,
 * redirected, or led to a service and written anew for its pods. Pure: what
 * explains a request decides by the same functions as what takes it.
 */
#ifndef PROXY_ADMIT_H
#define PROXY_ADMIT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/errs.h"
#include "base/span.h"
#include "router/match.h"

struct arena;
struct h1_head;
struct plan;
struct route;
struct route_action;
struct service;
struct settings;

/* How a request came, as far as anything depends on it. */
struct arrival {
	const struct settings *settings;
	const uint8_t *address; /* of the peer: 4 or 16 bytes */
	int family;
	struct span ip;	      /* the same as text */
	struct span subject;  /* of its certificate; empty: none */
	struct span listener; /* the address of ours that it came to */
	bool tls;
	bool logged;		/* `asked` below is wanted */
	uint16_t redirect_port; /* of https, where it has to go; 0: nowhere */
};

struct admission {
	const struct service *service;	   /* known of some refused ones, too */
	const struct route *route;	   /* likewise */
	const struct route_action *action; /* of its route; NULL: none */
	struct span head;  /* for the pod; empty where it cannot be read */
	struct span asked; /* the same without the route's changes, for logs */
	struct span location; /* of a redirect, else empty */
};

/*
 * Head and location are in the arena. The request is valid as long as the
 * parsed head. ERR_NONE, or what it is answered with.
 */
enum err admit_request(const struct arrival *from, const struct plan *plan,
    const struct h1_head *h, struct arena *arena, struct request *r,
    struct admission *a);

#endif
