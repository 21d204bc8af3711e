/*
 * What the config says of a service beyond its routes, versions and rules:
 * how pods are picked and checked, what is retried, what counts as an error.
 * Filled by conf, then shared, unchanged, by all plans until a reload. Main
 * thread makes and frees it; any thread reads it.
 */
#ifndef ROUTER_TERMS_H
#define ROUTER_TERMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "router/cohort.h"
#include "router/hash_key.h"
#include "router/health.h"
#include "router/outlier.h"
#include "router/sticky.h"

struct balance_ops;
struct match;
struct pattern;
struct release;

/* What may be retried; bits of retry_spec.on */
enum {
	RETRY_CONNECT = 1 << 0,
	RETRY_RESET = 1 << 1,
	RETRY_TIMEOUT = 1 << 2,
	RETRY_STATUS = 1 << 3,
};

/* Where a retry may go. */
enum retry_version {
	RETRY_SAME,   /* another pod of the same version */
	RETRY_STABLE, /* the stable version */
	RETRY_ANY,    /* another version, the heaviest with a ready pod */
};

struct retry_spec {
	unsigned attempts; /* additional ones; 0 = never */
	unsigned on;
	enum retry_version version;
	/* retries per request in hundredths of a percent; 10000 = no limit */
	unsigned budget;
	uint32_t body_bytes; /* a longer request body is not kept for one */
};

/*
 * How much a version and its pods get at a time; 0 = any. What is too much
 * waits, as far as there is room in the queue.
 */
struct load_limits {
	uint32_t pod_requests;	   /* in flight at a pod, over all workers */
	uint32_t version_requests; /* at all pods of a version, likewise */
	uint32_t pending_connects; /* begun to a pod by each worker */
	uint32_t queue; /* requests that wait for a version; 0 = none */
	uint32_t queue_timeout_ms; /* so long, in all */
};

static inline bool
load_limited(const struct load_limits *l)
{
	return (l->pod_requests | l->version_requests | l->pending_connects) !=
	       0;
}

/* Requests that a version gets once more; see router/mirror.h. */
struct mirror_spec {
	bool on;
	size_t version;	     /* index into versions, of the same load */
	uint32_t share;	     /* of the requests, in 1/MIRROR_ALL */
	uint32_t body_bytes; /* one with a longer body is not mirrored */
	uint32_t limit;	     /* mirrored ones in flight, per worker */
};

#define MIRROR_ALL 1000000u

struct terms {
	int refs; /* main only; 0 while they are part of a spec */
	const struct balance_ops *balance;
	struct hash_key hash; /* on nothing, unless the policy hashes */
	struct cohort cohort; /* who is given a version together by weight */
	struct health_rules health;
	struct outlier_rules outlier;
	/* of OUTLIER_WHOLE: with less of a version up, all are asked; 0 = off
	 */
	uint32_t panic;
	uint32_t slow_start_ms; /* of a pod that comes up; 0 = none */
	uint32_t ramp_ms; /* of a version whose first pod comes up; 0 = none */
	struct retry_spec retry;
	struct load_limits limits;
	struct sticky sticky;
	struct mirror_spec mirror;
	int error_min, error_max;   /* statuses that count as errors */
	uint32_t error_grpc;	    /* bit n: so does grpc-status n */
	struct pattern *error_body; /* so do bodies; NULL = none */
	struct match *error_header; /* and heads; NULL = none */
	bool empty_stable; /* a version without ready pods: stable, else 503 */
	struct release *release; /* never NULL in terms that conf has read */
};

/*
 * A copy that owns what the original pointed to, which is all zero then, also
 * on failure. One reference; NULL without memory.
 */
struct terms *terms_take(struct terms *from);
struct terms *terms_hold(struct terms *t);
/* NULL is fine. */
void terms_drop(struct terms *t);
/* Frees what they point to. */
void terms_clear(struct terms *t);

#endif
