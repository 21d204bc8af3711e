/* Choosing pods for attempts. */
#include "proxy/pick.h"

#include <string.h>

#include "base/check.h"
#include "proxy/mailbox.h"
#include "proxy/upstream_pool.h"
#include "proxy/vacancy.h"
#include "proxy/worker_state.h"
#include "router/balance.h"
#include "router/claim.h"
#include "router/plan.h"
#include "router/pod.h"
#include "router/tally.h"

#define AVOID_US 1000000u
/* Pods that refused are passed over one by one, up to so many. */
#define AVOIDED_MAX 16u
/* After these, so many of the pods in a row are looked at for room. */
#define WALK_MAX 256u
/* A failed attempt looks like one that was answered so slowly; else a pod
 * that fails fast would be the best of all. */
#define FAILURE_US 1000000u

static bool
is_gone(const struct pod *pod)
{
	return atomic_load_explicit(&pod->gone, memory_order_relaxed);
}

void
pick_avoid(struct worker *w, struct pod *pod)
{
	pod->slots[w->index].avoid_until_us = loop_now(&w->loop) + AVOID_US;
}

/*
 * It refused lately, is suspected, or main has taken it away since the plan was
 * made: only when there is no other. In panic suspicion does not count.
 */
static bool
is_avoided(struct worker *w, const struct pod *pod, bool panic)
{
	return pod->slots[w->index].avoid_until_us > loop_now(&w->loop) ||
	       (outlier_suspect(&pod->row) && !panic) || is_gone(pod);
}

void
pick_enter(struct worker *w, const struct version *v, struct pod *pod)
{
	pod_inflight_add(pod, w->index, 1);
	v->tally->slots[w->index].inflight++;
}

/* Usually nothing was claimed, and nobody waits. */
void
pick_leave(struct worker *w, const struct version *v, struct pod *pod)
{
	struct tally_slot *slot = &v->tally->slots[w->index];
	const struct pod_slot *own = &pod->slots[w->index];

	pod_inflight_add(pod, w->index, -1);
	slot->inflight--;
	if (own->claimed != 0 || slot->claimed != 0 || slot->queue != NULL)
		vacancy_at_pod(w, v->tally, pod);
	if (is_gone(pod) &&
	    atomic_load_explicit(&own->inflight, memory_order_relaxed) == 0)
		mailbox_send(w->to_main, &(struct message){
					     .kind = MSG_POD_IDLE,
					     .worker = w->index,
					     .pod = pod,
					 });
}

static void
note(struct worker *w, const struct service *s, struct pod *pod, uint64_t took)
{
	if (s->terms->balance->note != NULL)
		s->terms->balance->note(
		    pod, w->index, loop_now(&w->loop), took);
}

void
pick_note_answer(struct worker *w, const struct service *s, struct pod *pod,
    uint64_t tried_us)
{
	note(w, s, pod, loop_now(&w->loop) - tried_us);
}

void
pick_note_failure(struct worker *w, const struct service *s, struct pod *pod)
{
	note(w, s, pod, FAILURE_US);
}

/* Whether the request has its place at the pod now. */
static bool
has_taken(struct worker *w, struct pick_errand *r, struct pod *pod)
{
	const struct load_limits *most = &r->service->terms->limits;

	if (most->pending_connects > 0 &&
	    pod->slots[w->index].connecting >= most->pending_connects &&
	    !upstream_at_hand(w, r->version, pod, r->fresh)) {
		if (claim_pod_free(pod, most->pod_requests))
			r->lack = LACK_CONNECT;
		return false;
	}
	return claim_pod(pod, w->index, most->pod_requests);
}

static bool
was_tried(const struct pick_errand *r, const struct pod *pod)
{
	for (unsigned i = 0; i < r->ntried; i++)
		if (r->tried[i] == pod)
			return true;
	return false;
}

/* The ready pods in a row, from where there was room before. */
static struct pod *
walk(struct worker *w, struct pick_errand *r, bool tried, bool shunned)
{
	const struct version *v = r->version;
	const size_t most = v->nready < WALK_MAX ? v->nready : WALK_MAX;
	size_t at =
	    atomic_load_explicit(&v->tally->gate.freed, memory_order_relaxed);

	for (size_t i = 0; i < most; i++, at++) {
		struct pod *pod = v->ready[at % v->nready];

		if (was_tried(r, pod) == tried &&
		    is_avoided(w, pod, r->version->panic) == shunned &&
		    has_taken(w, r, pod))
			return pod;
	}
	return NULL;
}

/* Whether a pod may be had by waiting: one that does not refuse. */
static bool
is_worth_waiting(struct worker *w, const struct pick_errand *r, bool untried)
{
	const struct version *v = r->version;
	const size_t most = v->nready < WALK_MAX ? v->nready : WALK_MAX;

	for (size_t i = 0; i < most; i++)
		if (!is_avoided(w, v->ready[i], r->version->panic) &&
		    !(untried && was_tried(r, v->ready[i])))
			return true;
	return false;
}

/* What the policy did not find. */
static struct pod *
pick_any(struct worker *w, struct pick_errand *r)
{
	struct pod *pod = walk(w, r, false, false);

	if (r->leaves != NULL) {
		if (pod == NULL && !is_worth_waiting(w, r, true))
			r->lack = LACK_POD;
		return pod;
	}
	if (pod == NULL && r->ntried > 0 &&
	    (r->impatient || !is_worth_waiting(w, r, true)))
		pod = walk(w, r, true, false);
	if (pod != NULL || is_worth_waiting(w, r, false))
		return pod;
	pod = walk(w, r, false, true);
	return pod != NULL ? pod : walk(w, r, true, true);
}

/* By the policy, around pods that are full. */
static struct pod *
pick_with_room(struct worker *w, struct pick_errand *r, struct pick *pick)
{
	struct pod *not_these[PICK_TRIED_MAX + AVOIDED_MAX], *pod;
	unsigned n = r->ntried;

	memcpy(not_these, r->tried, n * sizeof(struct pod *));
	pick->tried = not_these;
	while (n < r->ntried + AVOIDED_MAX) {
		pod = balance_pick(r->service->terms->balance, pick);
		if (pod == NULL)
			break;
		if (!is_avoided(w, pod, r->version->panic) &&
		    has_taken(w, r, pod))
			return pod;
		not_these[n++] = pod;
		pick->ntried = n;
	}
	return pick_any(w, r);
}

/* It has a place at the version already. */
static bool
has_place(const struct pick_errand *r)
{
	return r->leaves != NULL && r->leaves->tally == r->version->tally;
}

/* Whether it has its place at the version, too; else it has none at the pod. */
static bool
has_entered(struct worker *w, struct pick_errand *r, struct pod *pod)
{
	struct tally *tally = r->version->tally;

	if (has_place(r) || claim_version(tally, w->index,
				r->service->terms->limits.version_requests))
		return true;
	claim_settle(tally, pod, w->index);
	r->lack = LACK_ROOM;
	return false;
}

/* The same, with a place among the requests of the version, too. */
static struct pod *
pick_limited(struct worker *w, struct pick_errand *r, struct pick *pick)
{
	const uint32_t most = r->service->terms->limits.version_requests;
	struct tally *tally = r->version->tally;
	struct pod *pod;

	r->lack = r->version->nready > 0 ? LACK_ROOM : LACK_POD;
	if (pick->n == 0 || !(has_place(r) || claim_version_free(tally, most)))
		return NULL;
	pod = pick_with_room(w, r, pick);
	return pod != NULL && has_entered(w, r, pod) ? pod : NULL;
}

struct pod *
pick_pod(struct worker *w, struct pick_errand *r)
{
	const struct version *v = r->version;
	struct tally_slot *slot = &v->tally->slots[w->index];
	struct pick pick = {
	    .ready = v->ready,
	    .n = (unsigned)v->nready,
	    .draw = v->draw,
	    .ring = v->ring,
	    .tried = r->tried,
	    .ntried = r->ntried,
	    .worker = w->index,
	    .cursor = &slot->cursor,
	    .inflight = slot->inflight,
	    .roll = loop_random(&w->loop),
	    .key = r->key,
	    .now_us = loop_now(&w->loop),
	};
	struct pod *not_these[PICK_TRIED_MAX + AVOIDED_MAX], *pod, *first;
	unsigned n = r->ntried;

	CHECK(n <= PICK_TRIED_MAX);
	if (load_limited(&r->service->terms->limits))
		return pick_limited(w, r, &pick);
	r->lack = LACK_POD;
	first = balance_pick(r->service->terms->balance, &pick);
	if (first == NULL || !is_avoided(w, first, v->panic))
		return first;
	memcpy(not_these, r->tried, n * sizeof(struct pod *));
	pick.tried = not_these;
	pod = first;
	while (n < r->ntried + AVOIDED_MAX) {
		not_these[n++] = pod;
		pick.ntried = n;
		pod = balance_pick(r->service->terms->balance, &pick);
		if (pod == NULL) /* better one that may refuse than none */
			return r->leaves != NULL ? NULL : first;
		if (!is_avoided(w, pod, v->panic))
			return pod;
	}
	return r->leaves != NULL ? NULL : first;
}

struct pod *
pick_stuck(struct worker *w, struct pick_errand *r, struct pod *pod)
{
	if (pod == NULL || was_tried(r, pod) || is_avoided(w, pod, false))
		return NULL;
	if (!load_limited(&r->service->terms->limits))
		return pod;
	if (has_taken(w, r, pod) && has_entered(w, r, pod))
		return pod;
	return NULL;
}

/* The heaviest other version that has a ready pod. */
static const struct version *
any_other(const struct service *s, const struct version *failed)
{
	const struct version *best = NULL;

	for (size_t i = 0; i < s->nversions; i++) {
		const struct version *v = &s->versions[i];

		if (v != failed && v->nready > 0 &&
		    (best == NULL || v->weight > best->weight))
			best = v;
	}
	return best;
}

const struct version *
pick_retry_version(const struct service *s, const struct version *failed)
{
	const struct version *v = failed;

	switch (s->terms->retry.version) {
	case RETRY_SAME:
		break;
	case RETRY_STABLE:
		v = &s->versions[s->stable];
		break;
	case RETRY_ANY:
		v = any_other(s, failed);
		break;
	}
	return v != NULL && v->nready > 0 ? v : failed;
}
