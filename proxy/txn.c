/* The step machine of a request and its response. */
#include "proxy/txn.h"

#include <errno.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/check.h"
#include "base/log.h"
#include "conf/settings.h"
#include "proxy/client.h"
#include "proxy/http.h"
#include "proxy/plan_use.h"
#include "proxy/relay.h"
#include "proxy/reply.h"
#include "proxy/stats.h"
#include "proxy/upstream.h"
#include "proxy/upstream_pool.h"
#include "proxy/worker_state.h"
#include "router/balance.h"
#include "router/choose.h"
#include "router/plan.h"
#include "router/pod.h"
#include "router/tally.h"

#define TXN_MAGIC 0x74780001u

/* Most heads fit: then a transaction is one allocation, and that a spare. */
#define FIRST_BLOCK 3072u
#define SPARES_MAX  256u
/* The pod of each attempt: the first, the retries, a stale connection. */
#define ATTEMPTS_MAX 12u

enum txn_state {
	TXN_ROUTE,
	TXN_CHOOSE,
	TXN_CONNECT,
	TXN_SEND,
	TXN_RECEIVE,
	TXN_REPLY,
	TXN_END,
	TXN_STATES,
};

#define TO(state) (1u << (state))

static const struct {
	const char *name;
	unsigned next; /* the states it may go to */
} states[TXN_STATES] = {
    [TXN_ROUTE] = {"route", TO(TXN_CHOOSE) | TO(TXN_REPLY) | TO(TXN_END)},
    [TXN_CHOOSE] = {"choose", TO(TXN_CONNECT) | TO(TXN_REPLY)},
    [TXN_CONNECT] = {"connect", TO(TXN_SEND) | TO(TXN_REPLY) | TO(TXN_END)},
    [TXN_SEND] = {"send",
	TO(TXN_RECEIVE) | TO(TXN_CONNECT) | TO(TXN_REPLY) | TO(TXN_END)},
    [TXN_RECEIVE] = {"receive", TO(TXN_END)},
    [TXN_REPLY] = {"reply", TO(TXN_END)},
    [TXN_END] = {"end", 0},
};

struct txn {
	unsigned magic;
	enum txn_state state;
	struct worker *worker;
	struct plan_use *plan;
	const struct service *service;
	const struct version *version;
	struct relay relay; /* the client and the pod's connection */

	struct pod *tried[ATTEMPTS_MAX]; /* the last one is the current */
	unsigned ntried;
	unsigned retries_left;

	struct span head; /* as the pod gets it, in the arena */
	enum h1_body body;
	int status; /* of the response under way */
	bool head_method : 1;
	bool idempotent : 1;
	bool body_begun : 1;   /* pieces of it were passed on */
	bool request_done : 1; /* the client has sent all of it */
	bool held : 1;	       /* the client keeps the body until SEND */
	bool pod_counted : 1;  /* in the pod's requests in flight */
	bool fresh : 1;	       /* no more idle connections for this one */

	uint64_t started_us;
	struct txn *next_spare;
	struct dead dead;
	struct arena arena;
	_Alignas(max_align_t) char first[FIRST_BLOCK];
};

static void
txn_go(struct txn *t, enum txn_state to)
{
	CHECK_OBJ(t, TXN_MAGIC);
	CHECK(states[t->state].next & TO(to));
	t->state = to;
}

struct txn *
txn_new(struct worker *w, struct client *c)
{
	struct txn *t = w->spare_txns;

	if (t != NULL) {
		w->spare_txns = t->next_spare;
		w->nspare_txns--;
	} else {
		t = malloc(sizeof *t);
		if (t == NULL)
			return NULL;
	}
	memset(t, 0, offsetof(struct txn, first));
	t->magic = TXN_MAGIC;
	t->worker = w;
	t->relay.client = c;
	t->plan = plan_use_hold(w);
	t->started_us = loop_now(&w->loop);
	arena_init(&t->arena, t->first, sizeof t->first,
	    sizeof t->first + 2u * w->settings->limits.header_bytes);
	return t;
}

static void
txn_free(struct dead *d)
{
	struct txn *t = (struct txn *)((char *)d - offsetof(struct txn, dead));
	struct worker *w = t->worker;

	CHECK_OBJ(t, TXN_MAGIC);
	t->magic = 0;
	arena_reset(&t->arena);
	if (w->nspare_txns >= SPARES_MAX || w->stopping) {
		free(t);
		return;
	}
	t->next_spare = w->spare_txns;
	w->spare_txns = t;
	w->nspare_txns++;
}

void
txn_fini(struct worker *w)
{
	struct txn *t;

	while ((t = w->spare_txns) != NULL) {
		w->spare_txns = t->next_spare;
		free(t);
	}
	w->nspare_txns = 0;
}

static uint64_t
txn_duration(const struct txn *t)
{
	return loop_now(&t->worker->loop) - t->started_us;
}

/* The current attempt is over, however it went. */
static void
leave_pod(struct txn *t)
{
	if (t->pod_counted)
		pod_inflight_add(t->tried[t->ntried - 1], t->worker->index, -1);
	t->pod_counted = false;
	t->relay.upstream = NULL;
}

/* The one way out: everything borrowed goes back, memory with the turn. */
static void
txn_end(struct txn *t)
{
	struct upstream *u = t->relay.upstream;

	leave_pod(t);
	if (u != NULL)
		u->ops->close(u);
	txn_go(t, TXN_END);
	t->relay.client = NULL;
	plan_use_drop(t->plan);
	t->plan = NULL;
	loop_bury(&t->worker->loop, &t->dead, txn_free);
}

/* We answer ourselves. */
static void
txn_reply(struct txn *t, enum err e)
{
	struct upstream *u = t->relay.upstream;
	struct client *c = t->relay.client;

	leave_pod(t);
	if (u != NULL)
		u->ops->close(u);
	txn_go(t, TXN_REPLY);
	if (t->service != NULL)
		stats_reply(t->service, t->worker->index, e, txn_duration(t));
	reply_send(c, e, t->head_method);
	txn_end(t);
}

static void txn_connect(struct txn *t);

/* May the same request be sent once more, after this failure? */
static bool
may_retry(const struct txn *t, enum err e, bool clean)
{
	unsigned on = t->service->retry.on;

	if (t->body_begun || t->ntried == ATTEMPTS_MAX || !err_may_retry(e))
		return false;
	if (clean && !t->fresh)
		return t->idempotent; /* RFC 9112 9.3.1: the idle race */
	if (t->retries_left == 0)
		return false;
	if (err_reason(e) == REASON_CONNECT)
		return on & RETRY_CONNECT;
	return (on & RETRY_RESET) && t->idempotent;
}

/* The attempt has failed and its upstream is closed. */
static void
attempt_failed(struct txn *t, enum err e, bool clean)
{
	unsigned worker = t->worker->index;
	bool retry = may_retry(t, e, clean);

	leave_pod(t);
	if (retry && clean) { /* nobody's fault: not counted as a retry */
		t->fresh = true;
		t->ntried--;
		txn_connect(t);
		return;
	}
	stats_failure(t->version, worker, e);
	log_debug("%s/%s/%s: %s", t->service->name, t->version->name,
	    t->tried[t->ntried - 1]->address.text, err_words(e));
	if (!retry) {
		txn_reply(t, e);
		return;
	}
	t->retries_left--;
	stats_retry(t->version, worker);
	txn_connect(t);
}

static void
txn_send(struct txn *t)
{
	struct upstream *u = t->relay.upstream;

	txn_go(t, TXN_SEND);
	u->ops->send_head(u, t->head, t->body, t->head_method);
	if (t->body == H1_BODY_NONE)
		u->ops->send_end(u);
	if (t->held) {
		t->held = false;
		t->relay.client->ops->resume(t->relay.client);
	}
}

static struct pod *
pick_pod(struct txn *t)
{
	const struct version *v = t->version;
	struct worker *w = t->worker;
	struct pick pick = {
	    .ready = v->ready,
	    .n = (unsigned)v->nready,
	    .worker = w->index,
	    .cursor = &v->tally->slots[w->index].cursor,
	    .roll = loop_random(&w->loop),
	};

	return balance_pick(t->service->balance, &pick, t->tried, t->ntried);
}

static void
connect_failed(struct txn *t)
{
	if (errno == EMFILE || errno == ENFILE || errno == ENOMEM) {
		log_warn("cannot connect to a pod: %s", strerror(errno));
		txn_reply(t, ERR_OVERLOADED);
	} else {
		attempt_failed(t, ERR_CONNECT_FAILED, false);
	}
}

static const struct upstream_events txn_events;

static void
txn_connect(struct txn *t)
{
	struct upstream *u;
	struct pod *pod = pick_pod(t);

	if (t->state != TXN_CONNECT)
		txn_go(t, TXN_CONNECT);
	if (pod == NULL && t->ntried > 0)
		pod = t->tried[t->ntried - 1]; /* there is no other */
	if (pod == NULL) {
		stats_failure(t->version, t->worker->index, ERR_NO_POD);
		txn_reply(t, ERR_NO_POD);
		return;
	}
	t->tried[t->ntried++] = pod;
	u = upstream_acquire(t->worker, pod, t, &txn_events, t->fresh);
	if (u == NULL) {
		connect_failed(t);
		return;
	}
	t->relay.upstream = u;
	pod_inflight_add(pod, t->worker->index, 1);
	t->pod_counted = true;
	if (u->ready) {
		txn_send(t);
	} else if (t->body != H1_BODY_NONE && !t->held) {
		t->held = true;
		t->relay.client->ops->pause(t->relay.client);
	}
}

/* Composes what the pod gets, once for all attempts. */
static enum err
txn_compose(struct txn *t, const struct h1_head *h, const struct request *r)
{
	const struct settings *s = t->worker->settings;
	const struct client *c = t->relay.client;
	struct http_forward f = {
	    .client_ip = {c->ip, c->ip_len},
	    .scheme = SPAN("http"),
	    .trusted = http_trusted(&s->forward, c->family, c->address),
	    .x_forwarded = s->forward.x_forwarded,
	    .via = s->forward.via,
	};
	char *buf = arena_alloc(&t->arena, http_request_size(h, &f));

	if (buf == NULL)
		return ERR_HEAD_TOO_LARGE;
	t->head = (struct span){buf, http_write_request(buf, h, r, &f)};
	return ERR_NONE;
}

static enum err
txn_route(struct txn *t, const struct h1_head *h, struct request *r)
{
	enum err e = http_read_request(h, r);
	uint64_t limit = t->worker->settings->limits.body_bytes;

	if (e != ERR_NONE)
		return e;
	t->service = plan_match(t->plan->plan, r);
	if (t->service == NULL)
		return ERR_NO_ROUTE;
	if (limit > 0 && h->body == H1_BODY_LENGTH && h->length > limit)
		return ERR_BODY_TOO_LARGE;
	t->retries_left = t->service->retry.attempts;
	return ERR_NONE;
}

void
txn_run(struct txn *t, const struct h1_head *h)
{
	struct request r;
	struct choice choice;
	enum err e;

	CHECK_OBJ(t, TXN_MAGIC);
	t->body = h->body;
	t->request_done = h->body == H1_BODY_NONE;
	t->head_method = span_eq(h->method, SPAN("HEAD"));
	t->idempotent = http_idempotent(h->method);
	e = txn_route(t, h, &r);
	if (e == ERR_NONE)
		e = txn_compose(t, h, &r);
	if (e != ERR_NONE) {
		txn_reply(t, e);
		return;
	}
	txn_go(t, TXN_CHOOSE);
	choose_version(t->service, &r, &choice);
	t->version = choice.version;
	txn_connect(t);
}

void
txn_request_data(struct txn *t, struct span piece)
{
	CHECK_OBJ(t, TXN_MAGIC);
	CHECK(t->state == TXN_SEND || t->state == TXN_RECEIVE);
	t->body_begun = true;
	if (!relay_request(
		&t->relay, piece, t->worker->settings->limits.body_bytes))
		txn_request_failed(t, ERR_BODY_TOO_LARGE);
}

void
txn_request_end(struct txn *t)
{
	CHECK_OBJ(t, TXN_MAGIC);
	t->request_done = true;
	t->body_begun = true;
	if (t->relay.upstream != NULL)
		t->relay.upstream->ops->send_end(t->relay.upstream);
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

void
txn_request_failed(struct txn *t, enum err reason)
{
	struct client *c = t->relay.client;

	CHECK_OBJ(t, TXN_MAGIC);
	if (err_reason(reason) != REASON_NONE)
		stats_failure(t->version, t->worker->index, reason);
	if (t->state != TXN_RECEIVE) {
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
		stats_answer(t->service, t->version, t->worker->index,
		    t->status, txn_duration(t));
	if (t->version != NULL)
		stats_failure(t->version, t->worker->index, ERR_CLIENT_ABORT);
	txn_end(t);
}

/* What the pod's connection tells. */

static void
on_ready(struct txn *t)
{
	CHECK_OBJ(t, TXN_MAGIC);
	txn_send(t);
}

static void
on_head(struct txn *t, const struct h1_head *h)
{
	CHECK_OBJ(t, TXN_MAGIC);
	if (h->status >= 200) {
		txn_go(t, TXN_RECEIVE);
		t->status = h->status;
	}
	t->relay.client->ops->send_head(t->relay.client, h);
}

static void
on_data(struct txn *t, struct span piece)
{
	CHECK_OBJ(t, TXN_MAGIC);
	relay_response(&t->relay, piece);
}

static void
on_end(struct txn *t)
{
	struct client *c = t->relay.client;
	struct upstream *u = t->relay.upstream;

	CHECK_OBJ(t, TXN_MAGIC);
	stats_answer(t->service, t->version, t->worker->index, t->status,
	    txn_duration(t));
	leave_pod(t);
	upstream_release(u);
	txn_end(t);
	c->ops->send_end(c);
}

static void
on_blocked(struct txn *t)
{
	CHECK_OBJ(t, TXN_MAGIC);
	relay_pod_blocked(&t->relay);
}

static void
on_drained(struct txn *t)
{
	CHECK_OBJ(t, TXN_MAGIC);
	relay_pod_drained(&t->relay);
}

static void
on_failed(struct txn *t, enum err reason, bool clean)
{
	struct client *c = t->relay.client;

	CHECK_OBJ(t, TXN_MAGIC);
	if (t->state != TXN_RECEIVE) {
		attempt_failed(t, reason, clean);
		return;
	}
	leave_pod(t);
	stats_failure(t->version, t->worker->index, reason);
	txn_end(t);
	c->ops->reset(c, reason);
}

static const struct upstream_events txn_events = {
    .ready = on_ready,
    .head = on_head,
    .data = on_data,
    .end = on_end,
    .blocked = on_blocked,
    .drained = on_drained,
    .failed = on_failed,
};
