/* Choosing pods for attempts. */
#include "proxy/pick.h"

#include <string.h>

#include "base/check.h"
#include "proxy/mailbox.h"
#include "proxy/worker_state.h"
#include "router/balance.h"
#include "router/plan.h"
#include "router/pod.h"
#include "router/tally.h"

#define AVOID_US 1000000u
/* Pods that refused are passed over one by one, up to so many. */
#define AVOIDED_MAX 16u
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

void
pick_leave(struct worker *w, const struct version *v, struct pod *pod)
{
	pod_inflight_add(pod, w->index, -1);
	v->tally->slots[w->index].inflight--;
	if (is_gone(pod) && atomic_load_explicit(&pod->slots[w->index].inflight,
				memory_order_relaxed) == 0)
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

struct pod *
pick_pod(struct worker *w, const struct service *s, const struct version *v,
    uint64_t key, struct pod *const *tried, unsigned ntried)
{
	struct tally_slot *slot = &v->tally->slots[w->index];
	struct pick pick = {
	    .ready = v->ready,
	    .n = (unsigned)v->nready,
	    .draw = v->draw,
	    .ring = v->ring,
	    .tried = tried,
	    .ntried = ntried,
	    .worker = w->index,
	    .cursor = &slot->cursor,
	    .inflight = slot->inflight,
	    .roll = loop_random(&w->loop),
	    .key = key,
	    .now_us = loop_now(&w->loop),
	};
	struct pod *not_these[PICK_TRIED_MAX + AVOIDED_MAX], *pod, *first;
	unsigned n = ntried;

	CHECK(ntried <= PICK_TRIED_MAX);
	first = balance_pick(s->terms->balance, &pick);
	if (first == NULL || !is_avoided(w, first, v->panic))
		return first;
	memcpy(not_these, tried, n * sizeof *tried);
	pick.tried = not_these;
	pod = first;
	while (n < ntried + AVOIDED_MAX) {
		not_these[n++] = pod;
		pick.ntried = n;
		pod = balance_pick(s->terms->balance, &pick);
		if (pod == NULL) /* better one that may refuse than none */
			return first;
		if (!is_avoided(w, pod, v->panic))
			return pod;
	}
	return first;
}

struct pod *
pick_stuck(struct worker *w, struct pod *pod, struct pod *const *tried,
    unsigned ntried)
{
	for (unsigned i = 0; i < ntried; i++)
		if (tried[i] == pod)
			return NULL;
	if (pod == NULL || is_avoided(w, pod, false))
		return NULL;
	return pod;
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
