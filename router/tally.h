/*
 * What one version's answers add up to: a slot of counters per worker, so
 * that counting needs no lock and no shared cache line. A tally outlives
 * plans: reloads and weight changes keep it, so no counter is ever lost.
 */
#ifndef ROUTER_TALLY_H
#define ROUTER_TALLY_H

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/errs.h"
#include "base/hist.h"
#include "router/pod_state.h"

#define TALLY_MAGIC    0x7a11e001u
#define TALLY_CODE_MIN 100
#define TALLY_CODE_MAX 599
#define TALLY_WAITS    26u /* the last one has all that is longer */

typedef _Atomic uint64_t tally_count;

struct queue; /* the proxy folder's: requests that wait for the version */

/* written by one worker, read by main */
struct tally_slot {
	alignas(64) tally_count codes[TALLY_CODE_MAX - TALLY_CODE_MIN + 1];
	tally_count errors[REASON_COUNT];
	tally_count retries; /* in a service's own: of all its versions */
	tally_count refused; /* retries that the budget did not have; likewise
			      */
	tally_count duration_us; /* sum over all answers */
	tally_count buckets[HIST_BUCKETS];
	tally_count wait_us;		/* sum over all that waited */
	tally_count waits[TALLY_WAITS]; /* the n-th: less than 2^n us */
	_Atomic uint32_t queued;	/* requests that wait here; for main */
	_Atomic uint64_t oldest_us;	/* since when; for other workers, too;
					 * 0 = nobody whom they could help */
	struct queue *queue;		/* worker's own; NULL = nobody waits */
	uint32_t claimed;  /* worker's own: of inflight, in gate.claimed */
	uint32_t cursor;   /* worker's own: where round_robin stands */
	uint32_t inflight; /* worker's own: requests its pods have */
	uint32_t paid;	   /* worker's own: what is not in gate.owed yet */
};

/*
 * Written by every worker: where the service has limits or is closed; what is
 * owed, in a service's own, only while that is not 0.
 */
struct tally_gate {
	alignas(64) _Atomic uint32_t claimed; /* see router/claim.h */
	_Atomic uint32_t queued;	      /* requests that wait */
	_Atomic uint32_t freed; /* place of a pod that has room; a hint */
	_Atomic uint32_t owed;	/* for retries; see router/budget.h */
};

struct tally_retries {
	uint64_t made, refused;
};

/* What main has seen of a retry budget; in a service's own. */
struct tally_budget {
	bool spent;
	struct tally_retries last, before; /* before it was spent */
	uint64_t spent_us, refused_us; /* since when; when the last one was */
};

struct tally {
	unsigned magic;
	int refs; /* main only */
	/* main only: how often its pods came into each state, and were
	 * ejected */
	uint64_t moves[POD_STATE_COUNT];
	uint64_t ejections;
	struct tally_budget budget; /* main only */
	unsigned nslots;
	struct tally_gate gate;
	struct tally_slot slots[];
};

/* The sum over all workers at one moment; plain numbers. */
struct tally_sum {
	uint64_t codes[TALLY_CODE_MAX - TALLY_CODE_MIN + 1];
	uint64_t errors[REASON_COUNT];
	uint64_t retries, refused;
	uint64_t duration_us;
	uint64_t buckets[HIST_BUCKETS];
	uint64_t wait_us;
	uint64_t waits[TALLY_WAITS];
	uint64_t queued; /* now */
};

/* One slot per worker, all zero; one reference. NULL without memory. */
struct tally *tally_new(unsigned nworkers);
/* main thread only */
struct tally *tally_hold(struct tally *t);
void tally_drop(struct tally *t);

/* Adds to a counter of the caller's own slot. */
static inline void
tally_add(tally_count *c, uint64_t n)
{
	atomic_store_explicit(c,
	    atomic_load_explicit(c, memory_order_relaxed) + n,
	    memory_order_relaxed);
}

/*
 * An answer from a pod of this version: its status (100..599, others count
 * as the nearest) and how long it took from the request's first byte.
 */
void tally_answer(
    struct tally *t, unsigned worker, int status, uint64_t duration_us);
/* A failure, whether or not an answer came; REASON_NONE counts nothing. */
void tally_error(struct tally *t, unsigned worker, enum reason reason);
void tally_retry(struct tally *t, unsigned worker);
/* The budget had no retry left. */
void tally_refused(struct tally *t, unsigned worker);
/* A request has waited so long for a pod of this version. */
void tally_wait(struct tally *t, unsigned worker, uint64_t us);

/* Any thread. */
void tally_read(const struct tally *t, struct tally_sum *sum);

/* Answers of any status. */
uint64_t tally_answers(const struct tally_sum *sum);
/*
 * Errors for the error rate: every reason but client_abort, which is not the
 * version's doing, and no_pod, queue_full and queue_timeout, which no pod of
 * it was asked for. What an error rate is divided by: answers, and failures
 * that gave no answer.
 */
uint64_t tally_errors(const struct tally_sum *sum);
uint64_t tally_attempts(const struct tally_sum *sum);

#endif
