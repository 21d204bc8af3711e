/*
 * One running instance of a version: its address, its state and, per worker,
 * what that worker has going on with it. A pod outlives plans and is shared
 * by them; the last holder frees it.
 */
#ifndef ROUTER_POD_H
#define ROUTER_POD_H

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/address.h"
#include "base/queue.h"
#include "router/health.h"
#include "router/outlier.h"
#include "router/pod_state.h"

#define POD_MAGIC 0x90d00001u

/* owned by the proxy folder: connections that wait for the next request */
struct trunk;
struct txn;
struct upstream;

struct pod_drain; /* owned by the control folder */

/* written by one worker */
struct pod_slot {
	alignas(64) _Atomic uint32_t inflight; /* read by main */
	uint32_t claimed;	 /* worker's own: of these, in pod.claimed */
	uint32_t nidle;		 /* worker's own */
	uint32_t connecting;	 /* worker's own: connections it is making */
	struct upstream *idle;	 /* worker's own, newest first */
	uint64_t avoid_until_us; /* worker's own: it refused a connection */
	/* worker's own: what its last TLS session left for the next, and how
	 * that is freed when the pod is */
	void *tls_session;
	void (*tls_session_free)(void *);
	struct trunk *trunks; /* worker's own: HTTP/2 connections to it */
	/* worker's own: what it has in flight there */
	LIST_HEAD(, txn) txns;
	/* worker's own: how long it took to answer lately, and as of when */
	uint64_t took_at_us;
	float took_us;
	_Atomic uint32_t attempts; /* that came to something; read by main */
};

/* How much of its weight a pod takes while it is new: see slow_start.h */
#define POD_COLD 2u
#define POD_WARM 20u

struct pod {
	unsigned magic;
	_Atomic unsigned refs;
	struct address address;

	/* written by main, read by workers: take no new request to it, keep
	 * no idle connection, and say when nothing is in flight any more */
	_Atomic bool gone;

	/* written by main, read by workers, a hint: where it is in `ready` */
	_Atomic uint32_t place;

	/* written by every worker, only where there is a limit: the requests
	 * in flight that count against it; see router/claim.h */
	alignas(64) _Atomic uint32_t claimed;

	/* main only */
	enum pod_state state; /* follows from these: see pod_settle() */
	enum pod_order order;
	bool kept; /* in the plan to come: see plan_retire() */
	bool ejected;
	bool ended; /* of one that we run: its process takes no connections */
	enum pod_state checked; /* starting, up or down */
	struct health health;
	struct outlier_record record;
	bool seasoned;		 /* the next time that it is up it is warm */
	uint8_t warmth;		 /* POD_COLD..POD_WARM, while it is up */
	uint64_t warms_us;	 /* POD_COLD then; 0 = nobody has looked */
	char reason[96];	 /* why it is in that state; "" when up */
	struct pod_drain *drain; /* control's, while it is under way */

	unsigned nslots;
	alignas(64) struct outlier_row row; /* written by workers */
	struct pod_slot slots[];
};

/* In state starting, one reference; NULL without memory. */
struct pod *pod_new(const struct address *address, unsigned nworkers);
/* Any thread. */
struct pod *pod_hold(struct pod *p);
void pod_drop(struct pod *p);

/* Requests in flight over all workers; any thread. */
unsigned pod_inflight(const struct pod *p);

/* An attempt came to an answer or a failure; by the slot's worker. */
static inline void
pod_attempt(struct pod *p, unsigned worker)
{
	_Atomic uint32_t *n = &p->slots[worker].attempts;

	atomic_store_explicit(n,
	    atomic_load_explicit(n, memory_order_relaxed) + 1,
	    memory_order_relaxed);
}

/* Called by the worker that owns the slot. */
static inline void
pod_inflight_add(struct pod *p, unsigned worker, int n)
{
	_Atomic uint32_t *c = &p->slots[worker].inflight;

	atomic_store_explicit(c,
	    atomic_load_explicit(c, memory_order_relaxed) + (uint32_t)n,
	    memory_order_relaxed);
}

#endif
