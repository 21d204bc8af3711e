/* The step machine of a request and its response. */
#include "proxy/txn.h"

#include <errno.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/check.h"
#include "base/log.h"
#include "conf/settings.h"
#include "proxy/access_fill.h"
#include "proxy/access_log.h"
#include "proxy/admit.h"
#include "proxy/client.h"
#include "proxy/conn.h"
#include "proxy/edits.h"
#include "proxy/grpc.h"
#include "proxy/http.h"
#include "proxy/pick.h"
#include "proxy/plan_use.h"
#include "proxy/relay.h"
#include "proxy/reply.h"
#include "proxy/retry.h"
#include "proxy/session.h"
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
/* A route's path and host, twice, and its fields: see router/route.h. */
#define ROUTE_GROWTH (2u * 2048u + EDITS_BYTES_MAX)
/* The pod of each attempt: the first, the retries, a stale connection. */
#define ATTEMPTS_MAX PICK_TRIED_MAX

enum txn_state {
	TXN_ROUTE,
	TXN_CHOOSE,
	TXN_CONNECT,
	TXN_SEND,
	TXN_RECEIVE,
	TXN_TUNNEL,
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
    [TXN_SEND] = {"send", TO(TXN_RECEIVE) | TO(TXN_TUNNEL) | TO(TXN_CONNECT) |
			      TO(TXN_REPLY) | TO(TXN_END)},
    [TXN_RECEIVE] = {"receive", TO(TXN_END)},
    [TXN_TUNNEL] = {"tunnel", TO(TXN_END)},
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
	const struct route_action *action; /* of its route; NULL: none */
	struct relay relay; /* the client and the pod's connection */
	struct retry retry;

	struct pod *tried[ATTEMPTS_MAX]; /* the last one is the current */
	unsigned ntried;

	struct upstream_request request; /* its head is in the arena */
	enum err reason;		 /* why it failed, for the access log */
	int status;	    /* of the response under way, or our own */
	int8_t chosen;	    /* enum choice_by, -1 before CHOOSE */
	int8_t grpc_status; /* of the response, where the service counts it */
	uint8_t protocol;   /* enum access_protocol of the request */
	int rule;
	struct span asked;    /* the head as the log shows it; in the arena */
	uint64_t key;	      /* of the request, where the policy hashes */
	struct span location; /* our answer is a redirect; in the arena */
	unsigned retries;
	bool request_done : 1; /* the client has sent all of it */
	bool pod_ended : 1;    /* its direction of a tunnel */
	bool pod_counted : 1;  /* in the pod's requests in flight */
	bool fresh : 1;	       /* no more idle connections for this one */
	bool grpc : 1;	       /* its trailers may have a grpc-status */

	/* moments by loop_now(); 0 = not reached */
	uint64_t started_us, tried_us, ready_us, head_us;
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
	t->grpc_status = GRPC_NONE;
	t->chosen = -1;
	t->rule = -1;
	arena_init(&t->arena, t->first, sizeof t->first,
	    sizeof t->first + 3u * w->settings->limits.header_bytes +
		ROUTE_GROWTH);
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

/* The version's own answer, as far as it has come. */
static void
txn_count_answer(const struct txn *t)
{
	stats_answer(t->service, t->version, t->worker->index, t->status,
	    t->grpc_status, txn_duration(t));
}

/* The current attempt is over, however it went. */
static void
leave_pod(struct txn *t)
{
	if (t->pod_counted)
		pick_leave(t->worker, t->version, t->tried[t->ntried - 1]);
	t->pod_counted = false;
	t->relay.upstream = NULL;
}

static uint64_t
since_start(const struct txn *t, uint64_t moment_us)
{
	return moment_us == 0 ? ACCESS_NONE : moment_us - t->started_us;
}

static void
txn_log(const struct txn *t)
{
	struct worker *w = t->worker;
	char ip[INET6_ADDRSTRLEN];
	struct access_entry e;

	access_begin(&e, w, t->relay.client->session, ip);
	access_fill_head(&e, w, t->asked);
	e.time_us -= txn_duration(t);
	e.protocol = t->protocol;
	e.status = (int16_t)t->status;
	e.chosen = t->chosen;
	e.rule = t->rule;
	e.retries = t->retries;
	e.request_bytes = t->relay.request_bytes;
	e.response_bytes = t->relay.response_bytes;
	e.queue_us = since_start(t, t->tried_us);
	if (t->ready_us != 0)
		e.connect_us = t->ready_us - t->tried_us;
	e.first_byte_us = since_start(t, t->head_us);
	e.total_us = txn_duration(t);
	if (t->service != NULL)
		e.text[ACCESS_SERVICE] = span_of(t->service->name);
	if (t->version != NULL)
		e.text[ACCESS_VERSION] = span_of(t->version->name);
	if (t->ntried > 0)
		e.text[ACCESS_POD] =
		    span_of(t->tried[t->ntried - 1]->address.text);
	if (t->reason != ERR_NONE)
		e.text[ACCESS_REASON] = span_of(err_words(t->reason));
	access_log_put(w->log, &e);
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
	if (t->worker->log != NULL)
		txn_log(t);
	retry_end(&t->retry);
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
	t->reason = e;
	t->status = err_status(e);
	if (t->service != NULL)
		stats_reply(t->service, t->worker->index, e, txn_duration(t));
	reply_redirect(c, e, t->request.head_method, t->location);
	txn_end(t);
}

static void txn_connect(struct txn *t);

/* The attempt has failed and its upstream is closed. */
static void
attempt_failed(struct txn *t, enum err e, enum upstream_loss loss)
{
	unsigned worker = t->worker->index;
	enum retry_verdict verdict = RETRY_NO;

	if (t->ntried < ATTEMPTS_MAX)
		verdict = retry_judge(&t->retry, e, loss, t->fresh);
	leave_pod(t);
	if (verdict == RETRY_FREE) {
		t->fresh = true;
		t->ntried--;
		txn_connect(t);
		return;
	}
	if (err_reason(e) == REASON_CONNECT)
		pick_avoid(t->worker, t->tried[t->ntried - 1]);
	pick_note_failure(t->worker, t->service, t->tried[t->ntried - 1]);
	stats_failure(t->version, worker, e);
	log_debug("%s/%s/%s: %s", t->service->name, t->version->name,
	    t->tried[t->ntried - 1]->address.text, err_words(e));
	if (verdict == RETRY_NO) {
		txn_reply(t, e);
		return;
	}
	t->retries++;
	stats_retry(t->version, worker);
	t->version = pick_retry_version(t->service, t->version);
	txn_connect(t);
}

/*
 * The head, and what of the body an earlier attempt had got already. The
 * client may have been paused for that one, or while we connected.
 */
static void
txn_send(struct txn *t)
{
	struct upstream *u = t->relay.upstream;

	txn_go(t, TXN_SEND);
	t->ready_us = loop_now(&t->worker->loop);
	t->relay.client->ops->resume(t->relay.client);
	u->ops->send_head(u, &t->request);
	if (!fifo_empty(&t->retry.kept))
		u->ops->send_data(u, fifo_span(&t->retry.kept));
	if (t->request_done)
		u->ops->send_end(u, NULL);
	if (!fifo_empty(&t->retry.kept)) /* it may move when it grows */
		conn_flush(&t->worker->loop);
}

static void
connect_failed(struct txn *t)
{
	if (errno == EMFILE || errno == ENFILE || errno == ENOMEM) {
		log_warn("cannot connect to a pod: %s", strerror(errno));
		txn_reply(t, ERR_OVERLOADED);
	} else {
		attempt_failed(t, ERR_CONNECT_FAILED, LOSS_PLAIN);
	}
}

static const struct upstream_events txn_events;

static void
txn_connect(struct txn *t)
{
	struct upstream *u;
	struct pod *pod = pick_pod(
	    t->worker, t->service, t->version, t->key, t->tried, t->ntried);

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
	t->tried_us = loop_now(&t->worker->loop);
	t->ready_us = 0;
	u = upstream_acquire(
	    t->worker, t->version, pod, t, &txn_events, t->fresh);
	if (u == NULL) {
		connect_failed(t);
		return;
	}
	t->relay.upstream = u;
	pick_enter(t->worker, t->version, pod);
	t->pod_counted = true;
	if (u->ready) {
		txn_send(t);
	} else {
		t->relay.client->ops->pause(t->relay.client);
	}
}

/* Where it leads to, and what the pod gets in all attempts. */
static enum err
txn_route(struct txn *t, const struct h1_head *h, struct request *r)
{
	struct admission a;
	enum err e = admit_request(
	    t->relay.client->session, t->plan->plan, h, &t->arena, r, &a);

	t->request.head = a.head;
	t->asked = a.asked.n > 0 ? a.asked : a.head;
	t->service = a.service;
	t->action = a.action;
	t->location = a.location;
	return e;
}

static void
txn_choose(struct txn *t, const struct request *r)
{
	const struct service *s = t->service;
	struct choice choice;

	choose_version(s, r, &choice);
	t->version = choice.version;
	if (s->balance->hashes)
		t->key = hash_key_of(
		    &s->hash, r, session_address(t->relay.client->session));
	t->rule = choice.rule;
	t->chosen = (int8_t)choice.by;
	retry_begin(&t->retry, &s->retry,
	    &s->own->slots[t->worker->index].retry_debt,
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
	txn_choose(t, &r);
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
	if (!relay_request(&t->relay, piece, limit))
		txn_request_failed(t, ERR_BODY_TOO_LARGE);
}

struct conn *
txn_request_raw(struct txn *t)
{
	struct upstream *u = t->relay.upstream;

	CHECK_OBJ(t, TXN_MAGIC);
	if (u == NULL || t->retry.keeping || t->state == TXN_TUNNEL)
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

void
txn_request_failed(struct txn *t, enum err reason)
{
	struct client *c = t->relay.client;

	CHECK_OBJ(t, TXN_MAGIC);
	if (err_reason(reason) != REASON_NONE)
		stats_failure(t->version, t->worker->index, reason);
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
	if (t->version != NULL && t->state != TXN_TUNNEL) {
		stats_failure(t->version, t->worker->index, ERR_CLIENT_ABORT);
		t->reason = ERR_CLIENT_ABORT;
	}
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
note_grpc_status(struct txn *t, const struct h1_head *h)
{
	int status = grpc_status(h);

	if (status != GRPC_NONE)
		t->grpc_status = (int8_t)status;
}

/* To the client, a final one as its route wants it. */
static void
pass_head(struct txn *t, const struct h1_head *h)
{
	struct client *c = t->relay.client;
	struct worker *w = t->worker;
	struct h1_head edited;

	if (t->action == NULL || t->action->response.n == 0 ||
	    (h->status < 200 && h->status != 101)) {
		c->ops->send_head(c, h);
		return;
	}
	edits_apply(&t->action->response, h, w->edited, h->nfields + EDITS_MAX,
	    &edited);
	c->ops->send_head(c, &edited);
}

static void
on_head(struct txn *t, const struct h1_head *h)
{
	CHECK_OBJ(t, TXN_MAGIC);
	if (h->status >= 200 || h->status == 101) {
		txn_go(t, h->status == 101 ? TXN_TUNNEL : TXN_RECEIVE);
		t->status = h->status;
		t->head_us = loop_now(&t->worker->loop);
		pick_note_answer(t->worker, t->service, t->tried[t->ntried - 1],
		    t->tried_us);
		if (t->service->error_grpc != 0 && grpc_response(h)) {
			t->grpc = true;
			note_grpc_status(t, h); /* it may be all there is */
		}
	}
	if (h->status == 101) { /* counted now: a tunnel may last for days */
		t->request_done = false;
		txn_count_answer(t);
	}
	pass_head(t, h);
}

static void
on_data(struct txn *t, struct span piece)
{
	CHECK_OBJ(t, TXN_MAGIC);
	relay_response(&t->relay, piece);
}

static struct conn *
on_raw(struct txn *t)
{
	CHECK_OBJ(t, TXN_MAGIC);
	return t->relay.client->ops->raw(t->relay.client);
}

static void
on_spliced(struct txn *t, uint64_t n)
{
	CHECK_OBJ(t, TXN_MAGIC);
	relay_response_spliced(&t->relay, n);
}

/* The pod has closed its direction of a tunnel. */
static void
tunnel_end(struct txn *t)
{
	struct client *c = t->relay.client;

	t->pod_ended = true;
	if (t->request_done)
		txn_end(t);
	c->ops->send_end(c, NULL);
}

static void
on_end(struct txn *t, const struct h1_head *trailers)
{
	struct client *c = t->relay.client;
	struct upstream *u = t->relay.upstream;

	CHECK_OBJ(t, TXN_MAGIC);
	if (t->state == TXN_TUNNEL) {
		tunnel_end(t);
		return;
	}
	if (t->grpc && trailers != NULL)
		note_grpc_status(t, trailers);
	txn_count_answer(t);
	leave_pod(t);
	upstream_release(u);
	txn_end(t);
	c->ops->send_end(c, trailers);
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
on_failed(struct txn *t, enum err reason, enum upstream_loss loss)
{
	struct client *c = t->relay.client;

	CHECK_OBJ(t, TXN_MAGIC);
	if (t->state != TXN_RECEIVE && t->state != TXN_TUNNEL) {
		attempt_failed(t, reason, loss);
		return;
	}
	leave_pod(t);
	if (t->state == TXN_RECEIVE)
		stats_failure(t->version, t->worker->index, reason);
	t->reason = reason;
	txn_end(t);
	c->ops->reset(c, reason);
}

static const struct upstream_events txn_events = {
    .ready = on_ready,
    .head = on_head,
    .data = on_data,
    .raw = on_raw,
    .spliced = on_spliced,
    .end = on_end,
    .blocked = on_blocked,
    .drained = on_drained,
    .failed = on_failed,
};
