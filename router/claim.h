/*
 * Claims: the places among the requests that a pod, and a version, may have at
 * a time over all workers. The count that workers share is exact; beside it
 * each worker knows how many of its own requests in flight are in it, so that
 * a limit may come and go while they run. Called by the worker of that index,
 * where not said otherwise.
 */
#ifndef ROUTER_CLAIM_H
#define ROUTER_CLAIM_H

#include <stdbool.h>
#include <stdint.h>

#include "router/pod.h"
#include "router/tally.h"

/*
 * Takes a place for a request that is counted as in flight next; false when
 * there is none. Without a limit (0) nothing is counted.
 */
bool claim_pod(struct pod *p, unsigned worker, uint32_t limit);
bool claim_version(struct tally *t, unsigned worker, uint32_t limit);

/* Whether there was a place just now; any thread. */
bool claim_pod_free(const struct pod *p, uint32_t limit);
bool claim_version_free(const struct tally *t, uint32_t limit);

/* Requests in flight that were never counted are from now on. */
void claim_adopt_pod(struct pod *p, unsigned worker);
void claim_adopt_version(struct tally *t, unsigned worker);

/* One of the worker's own goes back. */
void claim_return_pod(struct pod *p, unsigned worker);
void claim_return_version(struct tally *t, unsigned worker);

/*
 * A request is over, and no longer counted as in flight: its places go back.
 * False when it had none.
 */
static inline bool
claim_settle(struct tally *t, struct pod *p, unsigned worker)
{
	const struct pod_slot *own = &p->slots[worker];
	const struct tally_slot *of_version = &t->slots[worker];
	const bool pod = own->claimed > atomic_load_explicit(&own->inflight,
					    memory_order_relaxed);
	const bool version = of_version->claimed > of_version->inflight;

	if (pod)
		claim_return_pod(p, worker);
	if (version)
		claim_return_version(t, worker);
	return pod || version;
}

#endif
