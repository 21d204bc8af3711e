/*
 * Where an attempt goes: the pod, by the balance policy and by what this
 * worker has just seen, and the version of a retry. Worker thread only.
 */
#ifndef PROXY_PICK_H
#define PROXY_PICK_H

#include <stdbool.h>
#include <stdint.h>

struct pod;
struct service;
struct version;
struct worker;

#define PICK_TRIED_MAX 12u

/* Why there is no pod. */
enum pick_lack {
	LACK_NOTHING,
	LACK_POD,     /* none is ready, or each was tried */
	LACK_ROOM,    /* they have as many requests as they may */
	LACK_CONNECT, /* this worker makes as many connections as it may */
};

/* What an attempt is for, and what it has been through. */
struct pick_errand {
	const struct service *service;
	const struct version *version;
	/* what hash_key_of() made of the request, where the policy hashes */
	uint64_t key;
	struct pod *const *tried;
	unsigned ntried;
	bool fresh; /* it needs a new connection */
	bool
	    impatient; /* it takes pods that were tried while others are full */
	/* it is in flight at this one, the last of tried, and would leave it
	 * for another pod only; NULL: it is nowhere */
	const struct version *leaves;
	enum pick_lack lack; /* by pick_pod() when that gives NULL */
};

/*
 * NULL with what is lacking. Where the service has limits, the request has its
 * place at the pod (see router/claim.h), to be followed by pick_enter(); a pod
 * that refused a connection is taken only when there are no others. Of very
 * many pods, nearly all of them full, the one with room may be overlooked.
 *
 * For a request that `leaves`, pods that were tried, or that refused, are none.
 * Its place at a version goes along: pick_enter() comes before pick_leave().
 */
struct pod *pick_pod(struct worker *w, struct pick_errand *r);

/*
 * The pod that the client sticks to (NULL: none); NULL when it was tried or
 * has just refused a connection.
 */
struct pod *pick_stuck(
    struct worker *w, struct pick_errand *r, struct pod *pod);

/*
 * An attempt begins or ends: counted in the pod's requests in flight. Main is
 * told when the last one leaves a pod that is gone; the plan that has the
 * pod is dropped after that.
 */
void pick_enter(struct worker *w, const struct version *v, struct pod *pod);
void pick_leave(struct worker *w, const struct version *v, struct pod *pod);

/* The attempt that began then is answered now, or has failed: policies that
 * go by latency learn from it. */
void pick_note_answer(struct worker *w, const struct service *s,
    struct pod *pod, uint64_t tried_us);
void pick_note_failure(
    struct worker *w, const struct service *s, struct pod *pod);

/* It refused a connection: passed over for a second, if there is another. */
void pick_avoid(struct worker *w, struct pod *pod);

/* The version that retry.version says, `failed` itself where it has none. */
const struct version *pick_retry_version(
    const struct service *s, const struct version *failed);

#endif
