/* The lists of idle connections to pods. */
#include "proxy/upstream.h"

#include "base/check.h"
#include "proxy/worker_state.h"
#include "router/pod.h"

void
upstream_init(struct upstream *u, const struct upstream_ops *ops,
    struct worker *w, struct pod *pod)
{
	u->magic = UPSTREAM_MAGIC;
	u->ops = ops;
	u->worker = w;
	u->pod = pod_hold(pod);
}

void
upstream_fini(struct upstream *u)
{
	CHECK_OBJ(u, UPSTREAM_MAGIC);
	CHECK(u->txn == NULL);
	u->magic = 0;
	pod_drop(u->pod);
	u->pod = NULL;
}

void
upstream_set_idle(struct upstream *u)
{
	struct pod_slot *slot = &u->pod->slots[u->worker->index];

	CHECK_OBJ(u, UPSTREAM_MAGIC);
	CHECK(u->txn == NULL);
	u->older = slot->idle;
	u->newer = NULL;
	if (slot->idle != NULL)
		slot->idle->newer = u;
	slot->idle = u;
	slot->nidle++;
	TAILQ_INSERT_TAIL(&u->worker->idle, u, link);
}

void
upstream_unset_idle(struct upstream *u)
{
	struct pod_slot *slot = &u->pod->slots[u->worker->index];

	CHECK_OBJ(u, UPSTREAM_MAGIC);
	CHECK(slot->nidle > 0);
	if (u->newer != NULL)
		u->newer->older = u->older;
	else
		slot->idle = u->older;
	if (u->older != NULL)
		u->older->newer = u->newer;
	u->newer = u->older = NULL;
	slot->nidle--;
	TAILQ_REMOVE(&u->worker->idle, u, link);
}

unsigned
upstream_idle_count(const struct worker *w, const struct pod *pod)
{
	return pod->slots[w->index].nidle;
}
