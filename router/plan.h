/*
 * The plan: the immutable snapshot of everything a request decides on. Main
 * builds and frees plans; workers only read the one they were given. Any
 * change (weights, reload, health) is a new plan; what did not change is
 * shared between the old and the new one.
 */
#ifndef ROUTER_PLAN_H
#define ROUTER_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "router/match.h"
#include "router/ramp.h"
#include "router/spec.h"
#include "router/terms.h"

#define PLAN_MAGIC 0x91a40001u

struct draw;
struct hash_ring;
struct mirror;
struct pod;
struct split;
struct sticky_pods;
struct tally;
struct ruleset; /* a service's rules, shared between plans */
struct route;
struct route_table;

struct version {
	char *name;
	unsigned index;	 /* in service->versions */
	uint64_t weight; /* as set, in 1/WEIGHT_ONE */
	uint32_t epoch;	 /* cookies of other epochs are void */
	struct tally *tally;
	struct pod **pods; /* all of them */
	uint16_t *weights; /* of pods */
	size_t npods;
	struct pod **ready; /* those that take requests */
	uint16_t *ready_weights;
	size_t nready;
	size_t nup;    /* of all: up; fewer than nready only in panic */
	size_t nknown; /* of all: not ordered away, and no longer starting */
	bool panic;    /* so few of these are up that all of them are ready */
	struct ramp ramp;
	/* what balance policies look up, made for those that are ready */
	struct draw *draw;	    /* NULL = they weigh the same */
	struct hash_ring *ring;	    /* NULL, unless the policy hashes */
	struct sticky_pods *sticky; /* NULL, unless cookies name pods */
	enum pod_protocol protocol;
	struct pod_tls *tls; /* held; NULL = in clear text */
};

/* Which matches of the service's release lead to the candidate. */
enum release_lead {
	LEAD_NONE,
	LEAD_PREVIEW,
	LEAD_AB,
};

/* One service as of this plan; immutable once published. */
struct service {
	int refs; /* main only */
	char *name;
	struct version *versions;
	size_t nversions;
	size_t stable;
	uint32_t epoch;	     /* the highest that a version ever had */
	struct split *split; /* NULL, while it is closed, without weights */
	struct split *ramp;  /* instead, while a version ramps up; or NULL */
	struct ruleset *rules;
	struct terms *terms; /* held; unchanged */
	struct tally *own;   /* answers the proxy made itself; who is parked */
	struct mirror *mirror; /* NULL = it has none */
	bool closed; /* no version takes requests: they are parked, or 503 */
	enum release_lead leads;
	const struct match *lead; /* that one of the terms' release; or NULL */
	size_t candidate; /* to which it leads; nversions = nobody was named */
};

struct plan {
	unsigned magic;
	int refs; /* main only */
	uint64_t generation;
	struct service **services;
	size_t nservices;
	struct route_table *routes;
};

/*
 * Compiles a spec. With `old`, pods of the same service, version and address,
 * tallies of the same service and version, and splits of the same weights go
 * on in the new plan; pods that are no longer in it are marked gone.
 * The match and regex objects and the terms move out of the spec. One
 * reference; NULL with the reason in why (the old plan is untouched then).
 */
struct plan *plan_build(struct spec *spec, const struct plan *old,
    unsigned nworkers, uint64_t now_us, char *why, size_t why_size);

/*
 * Marks gone the pods of the old plan that the new one lacks, and those that
 * were ordered away; unmarks the others of the new one. Called when that is
 * about to be published.
 */
void plan_retire(const struct plan *old, const struct plan *new);

/* main thread only */
struct plan *plan_hold(struct plan *p);
void plan_drop(struct plan *p);

/*
 * Of a plan that is not published yet: the service has come to this epoch, and
 * so have all its versions. False when it has no such service, or that had come
 * so far already.
 */
bool plan_raise_epochs(struct plan *p, const char *service, uint32_t epoch);
/* And this version to this one; without either nothing happens. */
void plan_set_epoch(
    struct plan *p, const char *service, const char *version, uint32_t epoch);

struct weight_change {
	const char *version;
	uint64_t weight;  /* in 1/WEIGHT_ONE */
	bool void_sticky; /* nobody sticks to it any longer */
};

/*
 * The old plan with other weights for one service; versions not named keep
 * theirs. With void_sticky a version gets a new epoch, too, so that the cookies
 * given out for it so far are void. NULL with the reason in why (it names what
 * is known) for an unknown service or version, one named twice, or weights that
 * add up to nothing.
 */
struct plan *plan_with_weights(const struct plan *old, const char *service,
    const struct weight_change *changes, size_t n, char *why, size_t why_size);

/* What a rollout does to its service, all in one plan. */
struct release_change {
	const char *stable; /* from now on; NULL = as it is */
	const struct weight_change *weights;
	size_t nweights;
	bool closed; /* no version takes requests */
	enum release_lead lead;
	const char *candidate; /* NULL only without a lead: nobody is named */
};

/*
 * The old plan with that. Weights of 0 for all are fine while it is closed.
 * NULL with the reason in why, as plan_with_weights(), or when the service has
 * no match for LEAD_AB; without one for LEAD_PREVIEW nobody is led.
 *
 * Plans for weights, pods and health leave `closed`, lead and candidate as they
 * are; so does plan_build() with `old`, by the matches that the service has
 * then, but for a candidate that is no more and for what leads to it.
 */
struct plan *plan_with_release(const struct plan *old, const char *service,
    const struct release_change *change, char *why, size_t why_size);

/*
 * The old plan with exactly these pods for one version: those it has go on,
 * with this weight; others join. Tallies and splits go on. No two of the same
 * address. NULL with the reason in why for an unknown service or version.
 */
struct plan *plan_with_pods(const struct plan *old, const char *service,
    const char *version, const struct pod_spec *pods, size_t n, uint64_t now_us,
    char *why, size_t why_size);

/*
 * The old plan with the ready pods of one service as their states say now; a
 * service it does not have changes nothing. NULL only without memory.
 */
struct plan *plan_with_health(const struct plan *old, const char *service);

/* NULL when there is none. */
const struct service *plan_service(const struct plan *p, const char *name);
const struct version *service_version(
    const struct service *s, const char *name);

/*
 * Host, path and method to service by the Gateway API's precedence: exact
 * host before the longest wildcard before any; exact path before the longest
 * prefix before regex in file order; a route with a method before one
 * without; then file order. NULL: no route. Any thread. The route is the
 * plan's; `route` may be NULL.
 */
const struct service *plan_match(
    const struct plan *p, const struct request *r, const struct route **route);

#endif
