/* Choosing pods for attempts. */
#include "proxy/pick.h"

#include <string.h>

#include "base/check.h"
#include "proxy/worker_state.h"
#include "router/balance.h"
#include "router/plan.h"
#include "router/pod.h"
#include "router/tally.h"

#define AVOID_US 1000000u
/* Pods that refused are passed over one by one, up to so many. */
#define AVOIDED_MAX 16u

static uint64_t *
avoid_until(const struct worker *w, struct pod *pod)
{
	return &pod->slots[w->index].avoid_until_us;
}

void
pick_avoid(struct worker *w, struct pod *pod)
{
	*avoid_until(w, pod) = loop_now(&w->loop) + AVOID_US;
}

struct pod *
pick_pod(struct worker *w, const struct service *s, const struct version *v,
    struct pod *const *tried, unsigned ntried)
{
	struct pick pick = {
	    .ready = v->ready,
	    .n = (unsigned)v->nready,
	    .worker = w->index,
	    .cursor = &v->tally->slots[w->index].cursor,
	    .roll = loop_random(&w->loop),
	};
	struct pod *not_these[PICK_TRIED_MAX + AVOIDED_MAX], *pod, *first;
	unsigned n = ntried;

	CHECK(ntried <= PICK_TRIED_MAX);
	first = balance_pick(s->balance, &pick, tried, ntried);
	if (first == NULL || *avoid_until(w, first) <= loop_now(&w->loop))
		return first;
	memcpy(not_these, tried, n * sizeof *tried);
	pod = first;
	while (n < ntried + AVOIDED_MAX) {
		not_these[n++] = pod;
		pod = balance_pick(s->balance, &pick, not_these, n);
		if (pod == NULL) /* better one that may refuse than none */
			return first;
		if (*avoid_until(w, pod) <= loop_now(&w->loop))
			return pod;
	}
	return first;
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

	switch (s->retry.version) {
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
