/* Taking and giving back connections to pods. */
#include "proxy/upstream_pool.h"

#include <errno.h>

#include "base/check.h"
#include "proxy/upstream.h"
#include "proxy/upstream_h1.h"
#include "proxy/upstream_h2.h"
#include "proxy/worker_state.h"
#include "router/plan.h"
#include "router/pod.h"

/* Idle connections to one pod that a worker keeps. */
#define IDLE_PER_POD 256u

/* Out of file descriptors, an idle connection is worth less than a new one. */
static bool
evict_idle(struct worker *w)
{
	struct upstream *u = TAILQ_FIRST(&w->idle);

	if (u == NULL)
		return false;
	u->ops->close(u);
	return true;
}

/* The newest idle connection that speaks as the version wants; or NULL. */
static struct upstream *
take_idle(struct worker *w, const struct version *v, struct pod *pod)
{
	struct upstream *u;

	while ((u = pod->slots[w->index].idle) != NULL) {
		CHECK_OBJ(u, UPSTREAM_MAGIC);
		if (upstream_suits(u, v)) {
			upstream_unset_idle(u);
			return u;
		}
		u->ops->close(u);
	}
	return NULL;
}

static struct upstream *
get(struct worker *w, const struct version *v, struct pod *pod, bool fresh)
{
	struct upstream *u;

	if (v->protocol != POD_HTTP1)
		return upstream_h2_acquire(w, v, pod);
	u = fresh ? NULL : take_idle(w, v, pod);
	return u != NULL ? u : upstream_h1_connect(w, v, pod);
}

bool
upstream_at_hand(const struct worker *w, const struct version *v,
    const struct pod *pod, bool fresh)
{
	const struct upstream *u = pod->slots[w->index].idle;

	if (v->protocol != POD_HTTP1)
		return upstream_h2_at_hand(w, v, pod);
	return !fresh && u != NULL && upstream_suits(u, v);
}

struct upstream *
upstream_acquire(struct worker *w, const struct version *v, struct pod *pod,
    struct txn *t, const struct upstream_events *events, bool fresh)
{
	struct upstream *u = get(w, v, pod, fresh);

	CHECK_OBJ(pod, POD_MAGIC);
	if (u == NULL && (errno == EMFILE || errno == ENFILE) && evict_idle(w))
		u = get(w, v, pod, fresh);
	if (u == NULL)
		return NULL;
	CHECK_OBJ(u, UPSTREAM_MAGIC);
	CHECK(u->txn == NULL);
	u->txn = t;
	u->events = events;
	return u;
}

void
upstream_release(struct upstream *u)
{
	CHECK_OBJ(u, UPSTREAM_MAGIC);
	if (upstream_idle_count(u->worker, u->pod) >= IDLE_PER_POD)
		u->ops->close(u);
	else
		u->ops->release(u);
}

void
upstream_pool_prune(struct worker *w)
{
	struct upstream *u, *next;

	TAILQ_FOREACH_SAFE (u, &w->idle, link, next)
		if (atomic_load_explicit(&u->pod->gone, memory_order_relaxed))
			u->ops->close(u);
	upstream_h2_prune(w, true);
}

void
upstream_pool_close(struct worker *w)
{
	struct upstream *u, *next;

	TAILQ_FOREACH_SAFE (u, &w->idle, link, next)
		u->ops->close(u);
	upstream_h2_prune(w, false);
}
