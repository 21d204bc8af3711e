/*
 * What the files of a transaction share: its fields, its states, and the ways
 * it ends. txn.c has the way of the request, txn_attempt.c what becomes of it
 * at the pods, txn_life.c the beginning and the end, txn_mirror.c its copy to
 * a mirror. Worker thread only.
 */
#ifndef PROXY_TXN_STATE_H
#define PROXY_TXN_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/errs.h"
#include "base/queue.h"
#include "base/span.h"
#include "proxy/loop.h"
#include "proxy/pick.h"
#include "proxy/queue.h"
#include "proxy/relay.h"
#include "proxy/retry.h"
#include "proxy/soft_error.h"
#include "proxy/txn.h"
#include "proxy/upstream.h"

struct plan_use;
struct request;
struct route_action;
struct shadow;

#define TXN_MAGIC 0x74780001u

/* Most heads fit: then a transaction is one allocation, and that a spare. */
#define TXN_FIRST_BLOCK 3072u
/* The pod of each attempt: the first, the retries, a stale connection. */
#define TXN_ATTEMPTS_MAX PICK_TRIED_MAX

enum txn_state {
	TXN_ROUTE,
	TXN_CHOOSE,
	TXN_QUEUE, /* waits for a pod that has room, or is parked */
	TXN_CONNECT,
	TXN_SEND,
	TXN_RECEIVE,
	TXN_TUNNEL,
	TXN_REPLY,
	TXN_END,
	TXN_STATES,
};

struct txn {
	unsigned magic;
	enum txn_state state;
	struct worker *worker;
	struct plan_use *plan;
	struct plan_use *later; /* what it decides by since it waited */
	const struct service *service;
	const struct version *version;	   /* NULL before CHOOSE, and parked */
	const struct route_action *action; /* of its route; NULL: none */
	struct relay relay; /* the client and the pod's connection */
	struct retry retry;

	struct pod *tried[TXN_ATTEMPTS_MAX]; /* the last one is the current */
	unsigned ntried;
	struct waiter waiter;	  /* in state QUEUE */
	LIST_ENTRY(txn) pod_link; /* while it counts in the pod's */

	struct upstream_request request; /* its head is in the arena */
	enum err reason;		 /* why it failed, for the access log */
	int status;	    /* of the response under way, or our own */
	int8_t chosen;	    /* enum choice_by, -1 before CHOOSE */
	int8_t grpc_status; /* of the response, where the service counts it */
	uint8_t protocol;   /* enum access_protocol of the request */
	int rule;
	uint8_t cookie;		     /* enum choice_cookie, of ... */
	const struct version *stuck; /* ... the version that was chosen */
	struct pod *stuck_pod;	     /* of it; the cookie's, NULL = any */
	struct span asked;    /* the head as the log shows it; in the arena */
	uint64_t key;	      /* of the request, where the policy hashes */
	struct request *kept; /* to choose by, of one parked; owned; or NULL */
	struct span newcomer; /* Set-Cookie for a user new to the cohort */
	struct span location; /* our answer is a redirect; in the arena */
	unsigned retries;
	bool request_done : 1;	/* the client has sent all of it */
	bool pod_ended : 1;	/* its direction of a tunnel */
	bool pod_counted : 1;	/* in the pod's requests in flight */
	bool fresh : 1;		/* no more idle connections for this one */
	bool version_lost : 1;	/* the worker's plan has it no more */
	bool grpc : 1;		/* its trailers may have a grpc-status */
	bool mirrored : 1;	/* a copy; its version counts for the mirror */
	struct soft_error soft; /* whether the answer only looks good */
	struct shadow *shadow; /* what it shares with its copy, or its original;
				* NULL: there is none */

	/* moments by loop_now(); 0 = not reached */
	uint64_t started_us, tried_us, ready_us, head_us;
	uint64_t waited_us; /* in queues for room, in all */
	uint64_t parked_us; /* likewise, while its service was closed */
	struct txn *next_spare;
	struct dead dead;
	struct arena arena;
	_Alignas(max_align_t) char first[TXN_FIRST_BLOCK];
};

/*
 * A transaction of the same plan, service and head, marked as a copy, that
 * goes to this version and is never retried; in ROUTE still, and without a
 * body. NULL without memory.
 */
struct txn *txn_copy(
    const struct txn *t, const struct version *to, struct client *c);

/* The one mover: CHECKs that the state may be reached from this one. */
void txn_go(struct txn *t, enum txn_state to);

/* What a queue has of it. */
struct txn *txn_waiting(struct waiter *e);

/* Which version takes it, by t->service, which is not closed. */
void txn_choose(struct txn *t, struct request *r);

/* The version's own answer, as far as it has come. */
void txn_count_answer(struct txn *t);
/* An attempt at a pod begins, which is the current one now. */
void txn_enter_pod(struct txn *t, struct pod *pod);
/* The same at another one, of this version: its place there goes along. */
void txn_change_pod(struct txn *t, const struct version *to, struct pod *pod);
/* The current attempt is over, however it went. */
void txn_leave_pod(struct txn *t);
/* The one way out: everything borrowed goes back, memory with the turn. */
void txn_end(struct txn *t);
/* We answer ourselves; the txn is over. */
void txn_reply(struct txn *t, enum err e);

/*
 * Picks a pod of t->version and sends the request, as soon as there is a
 * connection; from here on the pod's events drive the transaction.
 */
void txn_connect(struct txn *t);
/* The same, unless something is lacking: then nothing is changed. */
enum pick_lack txn_try(struct txn *t);

#endif
