/* How a transaction begins, is counted and logged, and ends. */
#include <stdlib.h>

#include "base/check.h"
#include "conf/settings.h"
#include "proxy/access_fill.h"
#include "proxy/access_log.h"
#include "proxy/client.h"
#include "proxy/conduct.h"
#include "proxy/grpc.h"
#include "proxy/plan_use.h"
#include "proxy/reply.h"
#include "proxy/session.h"
#include "proxy/stats.h"
#include "proxy/txn_mirror.h"
#include "proxy/txn_state.h"
#include "proxy/vacancy.h"
#include "proxy/waiting.h"
#include "proxy/worker_state.h"
#include "router/plan.h"
#include "router/pod.h"
#include "router/route.h"
#include "router/tally.h"

#define SPARES_MAX 256u
/* A route's path and host, twice, and its fields: see router/route.h. */
#define ROUTE_GROWTH (2u * 2048u + EDITS_BYTES_MAX)

#define TO(state) (1u << (state))

static const struct {
	const char *name;
	unsigned next; /* the states it may go to */
} states[TXN_STATES] = {
    [TXN_ROUTE] = {"route", TO(TXN_CHOOSE) | TO(TXN_REPLY) | TO(TXN_END)},
    [TXN_CHOOSE] = {"choose", TO(TXN_QUEUE) | TO(TXN_CONNECT) | TO(TXN_REPLY)},
    [TXN_QUEUE] = {"queue",
	TO(TXN_CHOOSE) | TO(TXN_CONNECT) | TO(TXN_REPLY) | TO(TXN_END)},
    [TXN_CONNECT] = {"connect",
	TO(TXN_SEND) | TO(TXN_QUEUE) | TO(TXN_REPLY) | TO(TXN_END)},
    [TXN_SEND] = {"send", TO(TXN_RECEIVE) | TO(TXN_TUNNEL) | TO(TXN_CONNECT) |
			      TO(TXN_QUEUE) | TO(TXN_REPLY) | TO(TXN_END)},
    [TXN_RECEIVE] = {"receive", TO(TXN_END)},
    [TXN_TUNNEL] = {"tunnel", TO(TXN_END)},
    [TXN_REPLY] = {"reply", TO(TXN_END)},
    [TXN_END] = {"end", 0},
};

void
txn_go(struct txn *t, enum txn_state to)
{
	CHECK_OBJ(t, TXN_MAGIC);
	CHECK(states[t->state].next & TO(to));
	if (t->state == TXN_QUEUE)
		waiting_leave(t);
	t->state = to;
}

/* Of a plan that is held for it once it is there. */
static struct txn *
txn_make(struct worker *w, struct client *c, struct plan_use *plan)
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
	t->plan = plan_use_hold(plan);
	t->started_us = loop_now(&w->loop);
	t->grpc_status = GRPC_NONE;
	t->chosen = -1;
	t->rule = -1;
	arena_init(&t->arena, t->first, sizeof t->first,
	    sizeof t->first + 3u * w->settings->limits.header_bytes +
		ROUTE_GROWTH);
	return t;
}

struct txn *
txn_new(struct worker *w, struct client *c)
{
	return txn_make(w, c, w->plan);
}

/* The head with one more field behind the others; p == NULL without memory. */
static struct span
mark_copy(struct arena *arena, struct span head)
{
	const struct span mark = SPAN("X-Shunt-Mirror: 1\r\n\r\n");
	const size_t lines = head.n - 2; /* without the empty one */
	char *p = arena_alloc(arena, lines + mark.n);

	if (p == NULL)
		return SPAN_NONE;
	span_put(span_put(p, (struct span){head.p, lines}), mark);
	return (struct span){p, lines + mark.n};
}

struct txn *
txn_copy(const struct txn *t, const struct version *to, struct client *c)
{
	static const struct retry_spec never = {.body_bytes = UINT32_MAX};
	struct worker *w = t->worker;
	struct txn *copy = txn_make(w, c, t->plan);

	if (copy == NULL)
		return NULL;
	copy->mirrored = true;
	copy->service = t->service;
	copy->version = to;
	copy->key = t->key;
	copy->request = t->request;
	copy->request.head = mark_copy(&copy->arena, t->request.head);
	retry_begin(&copy->retry, &never, to->tally, w->index,
	    t->retry.idempotent, t->request.body != H1_BODY_NONE);
	if (copy->request.head.p != NULL)
		return copy;
	txn_end(copy);
	return NULL;
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

struct txn *
txn_waiting(struct waiter *e)
{
	struct txn *t =
	    (struct txn *)((char *)e - offsetof(struct txn, waiter));

	CHECK_OBJ(t, TXN_MAGIC);
	return t;
}

static uint64_t
txn_duration(const struct txn *t)
{
	return loop_now(&t->worker->loop) - t->started_us;
}

/* That it was parked is not the version's doing. */
void
txn_count_answer(struct txn *t)
{
	const bool error = stats_answer(t->service, t->version,
	    t->worker->index, t->status, t->grpc_status,
	    soft_error_end(&t->soft), txn_duration(t) - t->parked_us);

	if (!t->mirrored)
		conduct_answer(
		    t->worker, t->service, t->tried[t->ntried - 1], error);
}

/* It has been counted in. */
static void
note_pod(struct txn *t, struct pod *pod)
{
	t->tried[t->ntried++] = pod;
	LIST_INSERT_HEAD(&pod->slots[t->worker->index].txns, t, pod_link);
	t->pod_counted = true;
}

void
txn_enter_pod(struct txn *t, struct pod *pod)
{
	pick_enter(t->worker, t->version, pod);
	note_pod(t, pod);
}

void
txn_change_pod(struct txn *t, const struct version *to, struct pod *pod)
{
	pick_enter(t->worker, to, pod);
	txn_leave_pod(t);
	t->version = to;
	note_pod(t, pod);
}

void
txn_leave_pod(struct txn *t)
{
	if (t->pod_counted) {
		LIST_REMOVE(t, pod_link);
		pick_leave(t->worker, t->version, t->tried[t->ntried - 1]);
	}
	if (t->pod_counted && t->mirrored)
		vacancy_at_pod(t->worker,
		    t->service->versions[t->version->index].tally,
		    t->tried[t->ntried - 1]);
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
	if (t->tried_us == 0 && t->waited_us + t->parked_us > 0)
		e.queue_us = t->waited_us + t->parked_us;
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

void
txn_end(struct txn *t)
{
	struct upstream *u = t->relay.upstream;

	txn_leave_pod(t);
	if (u != NULL)
		u->ops->close(u);
	txn_go(t, TXN_END);
	if (t->worker->log != NULL && !t->mirrored)
		txn_log(t);
	if (t->shadow != NULL)
		txn_mirror_leave(t);
	retry_end(&t->retry);
	free(t->kept);
	t->kept = NULL;
	soft_error_forget(&t->soft);
	t->relay.client = NULL;
	if (t->later != NULL)
		plan_use_drop(t->later);
	plan_use_drop(t->plan);
	t->later = t->plan = NULL;
	loop_bury(&t->worker->loop, &t->dead, txn_free);
}

void
txn_reply(struct txn *t, enum err e)
{
	struct upstream *u = t->relay.upstream;
	struct client *c = t->relay.client;

	txn_leave_pod(t);
	if (u != NULL)
		u->ops->close(u);
	txn_go(t, TXN_REPLY);
	t->reason = e;
	t->status = err_status(e);
	if (t->mirrored)
		txn_mirror_failed(t, e);
	else if (t->service != NULL)
		stats_reply(t->service, t->worker->index, e, txn_duration(t));
	reply_redirect(c, e, t->request.head_method, t->location);
	txn_end(t);
}
