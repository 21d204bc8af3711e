/* What connections to pods share: how they begin, and wait idle. */
#include "proxy/upstream.h"

#include <errno.h>

#include "base/check.h"
#include "base/log.h"
#include "proxy/tls.h"
#include "proxy/tls_client.h"
#include "proxy/vacancy.h"
#include "proxy/worker_state.h"
#include "router/plan.h"
#include "router/pod.h"
#include "router/pod_tls.h"

void
upstream_init(struct upstream *u, const struct upstream_ops *ops,
    struct worker *w, const struct version *v, struct pod *pod)
{
	u->magic = UPSTREAM_MAGIC;
	u->ops = ops;
	u->worker = w;
	u->pod = pod_hold(pod);
	u->protocol = v->protocol;
	u->tls = pod_tls_hold(v->tls);
}

bool
upstream_suits(const struct upstream *u, const struct version *v)
{
	return u->protocol == v->protocol && u->tls == v->tls;
}

void
upstream_fini(struct upstream *u)
{
	CHECK_OBJ(u, UPSTREAM_MAGIC);
	CHECK(u->txn == NULL);
	u->magic = 0;
	pod_tls_drop(u->tls);
	u->tls = NULL;
	pod_drop(u->pod);
	u->pod = NULL;
}

struct conn *
upstream_connect(struct worker *w, const struct version *v, struct pod *pod,
    conn_handler *handle, void *owner)
{
	struct conn *c = conn_connect(&w->loop, &pod->address, handle, owner);
	struct tls_client *client;
	struct tls *tls;

	if (c == NULL)
		return NULL;
	pod->slots[w->index].connecting++;
	if (v->tls == NULL)
		return c;
	client = tls_client_get(&w->tls_clients, v->tls, v->protocol == POD_H2);
	tls = client == NULL ? NULL
			     : tls_connect(&w->loop.tls, client, &pod->address,
				   &pod->slots[w->index]);
	if (tls == NULL) {
		conn_close(c);
		upstream_connect_over(w, pod);
		errno = ENOMEM;
		return NULL;
	}
	conn_secure(c, tls, SPAN_NONE);
	return c;
}

void
upstream_connect_over(struct worker *w, struct pod *pod)
{
	struct pod_slot *slot = &pod->slots[w->index];

	CHECK(slot->connecting > 0);
	slot->connecting--;
	vacancy_to_connect(w);
}

enum err
upstream_connect_error(const struct conn *c, const struct pod *pod)
{
	const char *reason = conn_tls_reason(c);

	if (reason[0] == '\0')
		return ERR_CONNECT_FAILED;
	log_warn("pod %s: TLS: %s", pod->address.text, reason);
	return ERR_POD_TLS;
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
