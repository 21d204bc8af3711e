/*
 * What is asked of a pod to know how it is, and the rules by which the answers
 * move it between its states. Pure: the observation is an argument, nothing
 * here opens a socket or reads a clock.
 */
#ifndef ROUTER_HEALTH_H
#define ROUTER_HEALTH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "router/pod_state.h"
#include "router/route.h"

struct pattern;

enum health_type {
	HEALTH_HTTP,
	HEALTH_TCP,  /* a connection, over TLS with its handshake */
	HEALTH_GRPC, /* grpc.health.v1.Health/Check */
};

enum health_method {
	HEALTH_GET,
	HEALTH_HEAD,
	HEALTH_OPTIONS,
	HEALTH_POST, /* without a body */
};

/* How they are written, in the order of the enum; NULL behind the last. */
extern const char *const health_methods[];

/* Bytes of a body that `body` is looked for in. */
#define HEALTH_BODY_MAX (64u * 1024)

/* Bytes of `grpc_service`. */
#define HEALTH_GRPC_SERVICE_MAX 200u

#define HEALTH_STATUS_MIN 100
#define HEALTH_STATUS_MAX 599

struct health_rules {
	bool enabled; /* without checks a pod is up at once */
	enum health_type type;
	char *path;
	char *host; /* asked for; NULL: the pod's address */
	enum health_method method;
	struct edits headers; /* that the request has besides */
	uint32_t port;	      /* that is asked; 0: that of the pod */
	char *grpc_service;   /* "": the server as a whole */
	uint32_t interval_ms, timeout_ms;
	uint32_t fast_interval_ms; /* while a pod changes; 0: interval_ms */
	unsigned rise, fall;	   /* good or bad checks in a row, >= 1 */
	uint32_t start_period_ms;  /* bad checks do not count this long */
	bool initial_up;	   /* initial: up instead of starting */
	uint64_t statuses[8];	   /* that are good; see health_add_statuses */
	struct pattern *body;	   /* that occurs in it; NULL: any */
};

/* Frees what they point to. */
void health_rules_clear(struct health_rules *rules);

/* Both ends belong to it, within HEALTH_STATUS_MIN and _MAX. */
void health_add_statuses(struct health_rules *rules, int first, int last);
bool health_good_status(const struct health_rules *rules, int status);

/* Checks in a row with the same result; main only. */
struct health {
	unsigned good, bad;
	bool answered;	    /* a check was good: start_period is over */
	uint64_t joined_us; /* for start_period */
};

/* A pod joins, or comes back from maint: what it is until it is checked. */
enum pod_state health_join(
    const struct health_rules *rules, struct health *h, uint64_t now_us);

/*
 * Counts one check and says which of starting, up and down follows. Within
 * start_period bad checks of a starting pod do not count, until a good one.
 */
enum pod_state health_observe(const struct health_rules *rules,
    struct health *h, enum pod_state now, bool good, uint64_t now_us);

/*
 * From one check to the next, in milliseconds: less while the pod changes,
 * that is, while it starts and within a row of checks against its state.
 */
uint32_t health_interval(const struct health_rules *rules,
    const struct health *h, enum pod_state now);

/*
 * How long the first check of a pod waits, in microseconds, when n pods join
 * together: a few are checked nearly at once, many spread over the interval.
 * `place` counts all pods that ever joined; those of any run of places are
 * spread evenly.
 */
uint64_t health_first_us(
    const struct health_rules *rules, uint64_t place, size_t n);

#endif
