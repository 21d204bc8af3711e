/* The way of a request: where it leads, who answers it, its body. */
#include "proxy/txn.h"

#include "base/check.h"
#include "base/clock.h"
#include "conf/settings.h"
#include "proxy/access_fill.h"
#include "proxy/admit.h"
#include "proxy/client.h"
#include "proxy/conn.h"
#include "proxy/greeting.h"
#include "proxy/http.h"
#include "proxy/listener.h"
#include "proxy/newcomer.h"
#include "proxy/parking.h"
#include "proxy/plan_use.h"
#include "proxy/session.h"
#include "proxy/stats.h"
#include "proxy/txn_mirror.h"
#include "proxy/txn_state.h"
#include "proxy/worker_state.h"
#include "router/balance.h"
#include "router/choose.h"
#include "router/plan.h"
#include "router/sticky_find.h"
#include "router/tally.h"

/* Where it leads to, and what the pod gets in all attempts. */
static enum err
txn_route(struct txn *t, const struct h1_head *h, struct request *r)
{
	const struct session *s = t->relay.client->session;
	char ip[INET6_ADDRSTRLEN];
	struct arrival from = {
	    .settings = t->worker->settings,
	    .address = s->address,
	    .family = s->family,
	    .ip = session_ip(s, ip),
	    .subject = conn_peer_subject(s->conn),
	    .listener = span_of(s->listener->address.text),
	    .tls = conn_is_tls(s->conn),
	    .logged = t->worker->log != NULL,
	    .redirect_port = s->greeting->redirect_port,
	};
	struct admission a;
	enum err e = admit_request(&from, t->plan->plan, h, &t->arena, r, &a);

	t->request.head = a.head;
	t->asked = a.asked.n > 0 ? a.asked : a.head;
	t->service = a.service;
	t->action = a.action;
	t->location = a.location;
	return e;
}

void
txn_choose(struct txn *t, struct request *r)
{
	const struct service *s = t->service;
	struct choice choice;
	uint64_t now_s = 0;

	t->newcomer = newcomer_greet(&s->terms->cohort,
	    conn_is_tls(t->relay.client->session->conn), &t->arena, r);
	if (sticky_is_on(s))
		now_s = clock_wall_us() / 1000000;
	choose_version(s, r, now_s, &choice);
	t->version = t->stuck = choice.version;
	t->stuck_pod = choice.pod;
	t->cookie = (uint8_t)choice.cookie;
	if (!choice.hashed) /* nothing depends on who he is */
		t->newcomer = SPAN_NONE;
	if (s->terms->balance->hashes)
		t->key = hash_key_of(&s->terms->hash, r,
		    session_address(t->relay.client->session));
	t->rule = choice.rule;
	t->chosen = (int8_t)choice.by;
}

static void
begin_retries(struct txn *t, const struct request *r)
{
	const struct service *s = t->service;

	retry_begin(&t->retry, &s->terms->retry, s->own, t->worker->index,
	    http_idempotent(r->method), t->request.body != H1_BODY_NONE);
}

void
txn_run(struct txn *t, const struct h1_head *h)
{
	struct request r;
	enum err e;

	CHECK_OBJ(t, TXN_MAGIC);
	t->protocol = (uint8_t)access_protocol(h);
	t->request = (struct upstream_request){
	    .body = h->body,
	    .head_method = span_eq(h->method, SPAN("HEAD")),
	    .upgrade = http_wants_upgrade(h),
	};
	t->request_done = h->body == H1_BODY_NONE;
	e = txn_route(t, h, &r);
	if (e != ERR_NONE) {
		txn_reply(t, e);
		return;
	}
	txn_go(t, TXN_CHOOSE);
	begin_retries(t, &r);
	if (t->service->closed) {
		parking_enter(t, &r);
		return;
	}
	txn_choose(t, &r);
	txn_mirror_begin(t, h);
	txn_connect(t);
}

void
txn_request_data(struct txn *t, struct span piece)
{
	uint64_t limit = t->worker->settings->limits.body_bytes;

	CHECK_OBJ(t, TXN_MAGIC);
	if (t->state == TXN_TUNNEL) {
		relay_request(&t->relay, piece, 0);
		return;
	}
	CHECK(t->state == TXN_SEND || t->state == TXN_RECEIVE);
	retry_note_body(&t->retry, piece);
	txn_mirror_data(t, piece);
	if (!relay_request(&t->relay, piece, limit))
		txn_request_failed(t, ERR_BODY_TOO_LARGE);
}

struct conn *
txn_request_raw(struct txn *t)
{
	struct upstream *u = t->relay.upstream;

	CHECK_OBJ(t, TXN_MAGIC);
	if (u == NULL || t->retry.keeping || txn_mirror_gathers(t) ||
	    t->state == TXN_TUNNEL)
		return NULL;
	t->retry.body_begun = true; /* also if splicing fails half way */
	return u->ops->raw(u);
}

void
txn_request_spliced(struct txn *t, uint64_t n)
{
	CHECK_OBJ(t, TXN_MAGIC);
	if (!relay_request_spliced(
		&t->relay, n, t->worker->settings->limits.body_bytes))
		txn_request_failed(t, ERR_BODY_TOO_LARGE);
}

void
txn_request_end(struct txn *t, const struct h1_head *trailers)
{
	struct upstream *u = t->relay.upstream;

	CHECK_OBJ(t, TXN_MAGIC);
	if (t->state == TXN_TUNNEL && t->pod_ended) {
		txn_end(t);
		return;
	}
	if (t->state != TXN_TUNNEL)
		retry_note_body(&t->retry, SPAN_NONE);
	if (trailers != NULL)
		retry_forget_body(&t->retry);
	txn_mirror_complete(t, trailers);
	t->request_done = true;
	if (u != NULL)
		u->ops->send_end(u, trailers);
}

void
txn_client_blocked(struct txn *t)
{
	CHECK_OBJ(t, TXN_MAGIC);
	relay_client_blocked(&t->relay);
}

void
txn_client_drained(struct txn *t)
{
	CHECK_OBJ(t, TXN_MAGIC);
	relay_client_drained(&t->relay);
}

/* By the version; that of one parked is not known. */
static void
count_failure(const struct txn *t, enum err e)
{
	if (t->version != NULL)
		stats_failure(t->version, t->worker->index, e);
	else
		stats_refused(t->service, t->worker->index, e);
}

void
txn_request_failed(struct txn *t, enum err reason)
{
	struct client *c = t->relay.client;

	CHECK_OBJ(t, TXN_MAGIC);
	if (err_reason(reason) != REASON_NONE)
		count_failure(t, reason);
	t->reason = reason;
	if (t->state != TXN_RECEIVE && t->state != TXN_TUNNEL) {
		txn_reply(t, reason);
		return;
	}
	txn_end(t);
	c->ops->reset(c, reason);
}

void
txn_client_gone(struct txn *t)
{
	CHECK_OBJ(t, TXN_MAGIC);
	if (t->state == TXN_RECEIVE && t->status != 0)
		txn_count_answer(t);
	if (t->service != NULL && t->state != TXN_TUNNEL) {
		count_failure(t, ERR_CLIENT_ABORT);
		t->reason = ERR_CLIENT_ABORT;
	}
	txn_end(t);
}
