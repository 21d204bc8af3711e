/* Parking requests while their service is closed, and letting them go. */
#include "proxy/parking.h"

#include <stdlib.h>

#include "base/check.h"
#include "conf/settings.h"
#include "proxy/client.h"
#include "proxy/client_address.h"
#include "proxy/h1_parse.h"
#include "proxy/http.h"
#include "proxy/keep_request.h"
#include "proxy/listener.h"
#include "proxy/plan_use.h"
#include "proxy/queue.h"
#include "proxy/session.h"
#include "proxy/stats.h"
#include "proxy/txn_state.h"
#include "proxy/waiting.h"
#include "proxy/worker_state.h"
#include "router/plan.h"
#include "router/release.h"

bool
parking_is_due(const struct txn *t)
{
	const struct plan_use *now = t->worker->plan;
	const struct service *s = t->service;

	if (t->mirrored)
		return false;
	if (now != (t->later != NULL ? t->later : t->plan))
		s = plan_service(now->plan, s->name);
	return s != NULL && s->closed;
}

bool
parking_has(const struct txn *t)
{
	return t->state == TXN_QUEUE && t->version == NULL;
}

static void
refuse(struct txn *t, enum err e)
{
	stats_refused(t->service, t->worker->index, e);
	txn_reply(t, e);
}

void
parking_time_out(struct txn *t)
{
	refuse(t, ERR_PARK_TIMEOUT);
}

/* It goes by the worker's plan; the first one is held for its route. */
static void
follow(struct txn *t, const struct service *s)
{
	struct plan_use *before = t->later;

	t->service = s;
	t->ntried = 0; /* these pods may go with their plan */
	t->later = plan_use_hold(t->worker->plan);
	if (before != NULL)
		plan_use_drop(before);
}

/* How long it may wait here yet; or the answer to one that may not at all. */
static enum err
find_patience(
    const struct txn *t, const struct release *release, uint64_t *patience_us)
{
	const uint64_t most_us =
	    release != NULL ? (uint64_t)release->park_ms * 1000u : 0;

	if (most_us == 0 || t->worker->draining)
		return ERR_CLOSED;
	if (t->parked_us >= most_us)
		return ERR_PARK_TIMEOUT;
	*patience_us = most_us - t->parked_us;
	return ERR_NONE;
}

void
parking_enter(struct txn *t, const struct request *r)
{
	const struct service *s =
	    plan_service(t->worker->plan->plan, t->service->name);
	const struct release *release = s->terms->release;
	uint64_t patience_us = 0;
	enum err e = find_patience(t, release, &patience_us);

	CHECK(s->closed);
	if (s != t->service)
		follow(t, s);
	t->version = t->stuck = NULL;
	t->stuck_pod = NULL;
	t->chosen = t->rule = -1;
	t->version_lost = false;
	if (e != ERR_NONE) {
		refuse(t, e);
		return;
	}
	if (r != NULL && (t->kept = keep_request(r)) == NULL)
		refuse(t, ERR_PARK_FULL);
	else if (!waiting_line_up(t, s->own, release->park_limit, patience_us))
		refuse(t, ERR_PARK_FULL);
}

/*
 * As it goes to the pods, which is nearly what came. The spans last as long as
 * the worker parses no other head.
 */
static bool
read_again(struct txn *t, struct h1_head *h, struct request *r)
{
	const struct worker *w = t->worker;
	const struct session *s = t->relay.client->session;

	h1_head_init(h, w->fields, w->nfields + WORKER_FIELDS_ADDED);
	if (h1_parse_request(t->asked, h) != H1_DONE ||
	    http_read_request(h, r) != ERR_NONE)
		return false;
	if (r->authority.n == 0)
		r->authority = span_of(s->listener->address.text);
	client_address_find(r, &w->settings->forward, s->family, s->address);
	return true;
}

static void
go_on(struct txn *t, const struct service *s)
{
	struct request r;
	struct h1_head h;

	txn_go(t, TXN_CHOOSE);
	follow(t, s);
	if (t->kept != NULL) {
		r = *t->kept;
	} else if (!read_again(t, &h, &r)) {
		refuse(t, ERR_INTERNAL);
		return;
	}
	txn_choose(t, &r);
	free(t->kept);
	t->kept = NULL;
	txn_connect(t);
}

bool
parking_let_go(struct worker *w, struct queue *q)
{
	const struct service *s;
	struct waiter *e;
	struct txn *t;

	while ((e = queue_first(q)) != NULL) {
		t = txn_waiting(e);
		if (!parking_has(t))
			return false;
		s = plan_service(w->plan->plan, t->service->name);
		if (s == NULL)
			refuse(t, ERR_NO_POD);
		else if (!s->closed)
			go_on(t, s);
		else if (w->draining)
			refuse(t, ERR_CLOSED);
		else
			break;
	}
	return true;
}
