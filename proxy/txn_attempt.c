/* A transaction at the pods: attempts, retries, and the way of the response. */
#include <errno.h>

#include "base/check.h"
#include "base/log.h"
#include "proxy/answer.h"
#include "proxy/client.h"
#include "proxy/conduct.h"
#include "proxy/conn.h"
#include "proxy/grpc.h"
#include "proxy/parking.h"
#include "proxy/stats.h"
#include "proxy/txn_mirror.h"
#include "proxy/txn_state.h"
#include "proxy/upstream_pool.h"
#include "proxy/waiting.h"
#include "proxy/worker_state.h"
#include "router/plan.h"
#include "router/pod.h"
#include "router/tally.h"

/* A pod that has not been asked yet would be. */
static bool
has_another(const struct txn *t)
{
	const struct version *v = pick_retry_version(t->service, t->version);

	for (size_t i = 0; i < v->nready; i++) {
		unsigned k = 0;

		while (k < t->ntried && t->tried[k] != v->ready[i])
			k++;
		if (k == t->ntried)
			return true;
	}
	return false;
}

/* Whether there is another attempt; what the budget refuses is counted. */
static enum retry_verdict
judge(struct txn *t, enum err e, enum upstream_loss loss, bool fresh)
{
	const enum reason reason = err_reason(e);
	enum retry_verdict verdict = RETRY_NO;

	/* who is slow or fails would only be made to work twice */
	if ((reason == REASON_TIMEOUT || reason == REASON_STATUS) &&
	    !has_another(t))
		return RETRY_NO;
	if (t->ntried < TXN_ATTEMPTS_MAX)
		verdict = retry_judge(&t->retry, e, loss, fresh);
	if (verdict == RETRY_REFUSED)
		stats_retry_refused(t->service, t->version, t->worker->index);
	return verdict;
}

/* Another attempt has been granted. */
static void
try_again(struct txn *t)
{
	t->retries++;
	stats_retry(t->service, t->version, t->worker->index);
	t->version = pick_retry_version(t->service, t->version);
	txn_connect(t);
}

/* The attempt has failed and its upstream is closed. */
static void
attempt_failed(struct txn *t, enum err e, enum upstream_loss loss)
{
	unsigned worker = t->worker->index;
	enum retry_verdict verdict = judge(t, e, loss, t->fresh);

	txn_leave_pod(t);
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
	if (!t->mirrored)
		conduct_failure(
		    t->worker, t->service, t->tried[t->ntried - 1], e);
	log_debug("%s/%s/%s: %s", t->service->name, t->version->name,
	    t->tried[t->ntried - 1]->address.text, err_words(e));
	if (verdict == RETRY_YES)
		try_again(t);
	else
		txn_reply(t, e);
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
		if (!t->mirrored)
			log_warn(
			    "cannot connect to a pod: %s", strerror(errno));
		txn_reply(t, ERR_OVERLOADED);
	} else {
		attempt_failed(t, ERR_CONNECT_FAILED, LOSS_PLAIN);
	}
}

/* A retry has waited so long for another pod: the same one will do. */
#define OTHER_POD_US 100000u

static bool
is_impatient(const struct txn *t)
{
	return t->state == TXN_QUEUE &&
	       loop_now(&t->worker->loop) - t->waiter.since_us >= OTHER_POD_US;
}

static const struct upstream_events txn_events;

static struct upstream *
acquire(struct txn *t, struct pod *pod)
{
	struct upstream *u;

	do {
		u = upstream_acquire(
		    t->worker, t->version, pod, t, &txn_events, t->fresh);
	} while (u == NULL && (errno == EMFILE || errno == ENFILE) &&
		 !t->mirrored && txn_mirror_yield(t->worker));
	return u;
}

/* The pod has been entered. */
static void
attempt(struct txn *t)
{
	struct upstream *u;

	if (t->state != TXN_CONNECT)
		txn_go(t, TXN_CONNECT);
	t->tried_us = loop_now(&t->worker->loop);
	t->ready_us = 0;
	u = acquire(t, t->tried[t->ntried - 1]);
	if (u == NULL) {
		connect_failed(t);
		return;
	}
	t->relay.upstream = u;
	if (u->ready) {
		txn_send(t);
	} else {
		t->relay.client->ops->pause(t->relay.client);
	}
}

static struct pod *
pick(struct txn *t, struct pick_errand *errand)
{
	struct pod *pod = NULL;

	if (errand->version == t->stuck)
		pod = pick_stuck(t->worker, errand, t->stuck_pod);
	return pod != NULL ? pod : pick_pod(t->worker, errand);
}

enum pick_lack
txn_try(struct txn *t)
{
	struct pick_errand errand = {
	    .service = t->service,
	    .version = t->version,
	    .key = t->key,
	    .tried = t->tried,
	    .ntried = t->ntried,
	    .fresh = t->fresh,
	    .impatient = is_impatient(t),
	};
	struct pod *pod = pick(t, &errand);

	if (pod == NULL && t->ntried > 0 && errand.lack == LACK_POD)
		pod = t->tried[t->ntried - 1]; /* there is no other */
	if (pod == NULL)
		return errand.lack;
	txn_enter_pod(t, pod);
	attempt(t);
	return LACK_NOTHING;
}

/* A copy takes no place that a request waits for, and does not wait itself. */
static bool
copy_is_free(const struct txn *t)
{
	const struct version *v = &t->service->versions[t->version->index];

	return atomic_load(&v->tally->gate.queued) == 0;
}

static enum pick_lack
try_in_turn(struct txn *t)
{
	if (!load_limited(&t->service->terms->limits) ||
	    (t->mirrored ? copy_is_free(t) : waiting_is_free(t)))
		return txn_try(t);
	return LACK_ROOM;
}

void
txn_connect(struct txn *t)
{
	if (t->tried_us != 0 && parking_is_due(t)) {
		parking_enter(t, NULL);
		return;
	}
	if (t->tried_us != 0 && !t->mirrored && !waiting_keep_up(t))
		return;
	switch (try_in_turn(t)) {
	case LACK_NOTHING:
		return;
	case LACK_POD:
		stats_failure(t->version, t->worker->index, ERR_NO_POD);
		txn_reply(t, ERR_NO_POD);
		return;
	case LACK_ROOM:
	case LACK_CONNECT:
		if (t->mirrored)
			txn_reply(t, ERR_OVERLOADED);
		else
			waiting_enter(t);
		return;
	}
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

/* That answer counts for the pod, but nobody gets to see it. */
static void
count_refused(struct txn *t, int status)
{
	t->status = status;
	pick_note_answer(
	    t->worker, t->service, t->tried[t->ntried - 1], t->tried_us);
	txn_count_answer(t);
	t->status = 0;
	t->retries++;
	stats_retry(t->service, t->version, t->worker->index);
}

/*
 * Gives the answer up once it is sure that the request may go on: it has its
 * place at another pod, or among those who wait for one. Else false, and the
 * answer is as good as any.
 */
static bool
go_on(struct txn *t, int status)
{
	struct upstream *u = t->relay.upstream;
	const struct version *to = pick_retry_version(t->service, t->version);
	struct pick_errand errand = {
	    .service = t->service,
	    .version = to,
	    .key = t->key,
	    .tried = t->tried,
	    .ntried = t->ntried,
	    .fresh = t->fresh,
	    .leaves = t->version,
	};
	struct pod *pod = pick(t, &errand);

	if (pod != NULL) {
		count_refused(t, status);
		txn_change_pod(t, to, pod);
		u->ops->close(u);
		attempt(t);
		return true;
	}
	if (errand.lack == LACK_POD || !waiting_enter_early(t, to))
		return false;
	count_refused(t, status);
	txn_leave_pod(t);
	t->version = to;
	waiting_follow(t);
	u->ops->close(u);
	return true;
}

/* The pod answers that it failed, and another one may do better. */
static bool
is_refused(struct txn *t, int status)
{
	const struct terms *terms = t->service->terms;

	if (!(terms->retry.on & RETRY_STATUS) || status < 200 ||
	    status < terms->error_min || status > terms->error_max ||
	    parking_is_due(t) ||
	    judge(t, ERR_POD_STATUS, LOSS_PLAIN, true) != RETRY_YES)
		return false;
	if (go_on(t, status))
		return true;
	retry_unjudge(&t->retry);
	return false;
}

static void
on_head(struct txn *t, const struct h1_head *h)
{
	struct client *c = t->relay.client;
	struct h1_head changed;

	CHECK_OBJ(t, TXN_MAGIC);
	if (is_refused(t, h->status))
		return;
	if (h->status >= 200 || h->status == 101) {
		txn_go(t, h->status == 101 ? TXN_TUNNEL : TXN_RECEIVE);
		t->status = h->status;
		t->head_us = loop_now(&t->worker->loop);
		pick_note_answer(t->worker, t->service, t->tried[t->ntried - 1],
		    t->tried_us);
		if (t->service->terms->error_grpc != 0 && grpc_response(h)) {
			t->grpc = true;
			note_grpc_status(t, h); /* it may be all there is */
		}
	}
	if (soft_error_wanted(t->service->terms) && h->status >= 200 &&
	    !stats_bad_status(t->service, h->status))
		soft_error_begin(&t->soft, t->service->terms, h);
	if (h->status == 101) { /* counted now: a tunnel may last for days */
		t->request_done = false;
		txn_count_answer(t);
	}
	if (t->mirrored) /* nobody is there to be told */
		return;
	if (h->status >= 200 || h->status == 101)
		h = answer_head(t, h, &changed);
	c->ops->send_head(c, h);
}

static void
on_data(struct txn *t, struct span piece)
{
	CHECK_OBJ(t, TXN_MAGIC);
	txn_mirror_saw(t, piece);
	if (soft_error_looks(&t->soft))
		soft_error_saw(&t->soft, piece);
	relay_response(&t->relay, piece);
}

static struct conn *
on_raw(struct txn *t)
{
	CHECK_OBJ(t, TXN_MAGIC);
	if (soft_error_looks(&t->soft))
		return NULL;
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
	txn_mirror_answered(t);
	txn_leave_pod(t);
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
	txn_leave_pod(t);
	if (t->state == TXN_RECEIVE) {
		stats_failure(t->version, t->worker->index, reason);
		if (!t->mirrored)
			conduct_failure(t->worker, t->service,
			    t->tried[t->ntried - 1], reason);
	}
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
