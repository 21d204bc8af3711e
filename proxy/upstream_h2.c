/* Connections to pods that speak HTTP/2: found, made, watched, closed. */
#include "proxy/upstream_h2.h"

#include <errno.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/log.h"
#include "conf/settings.h"
#include "proxy/conn.h"
#include "proxy/upstream_h2_state.h"
#include "proxy/worker_state.h"
#include "router/plan.h"
#include "router/pod.h"
#include "router/pod_tls.h"

/* Pods close idle connections too; ours should usually be first. */
#define IDLE_US 60000000u
/* Reads in a row before others get their turn. */
#define READS_MAX 4

static uint64_t
now_of(const struct trunk *k)
{
	return loop_now(&k->worker->loop);
}

static uint64_t
patience_us(const struct trunk *k)
{
	return (uint64_t)k->worker->settings->timeouts.connect * 1000u;
}

void
trunk_due(struct trunk *k, uint64_t us)
{
	if (k->due_us != 0 && k->due_us <= us)
		return;
	k->due_us = us;
	conn_deadline(k->conn, us);
}

static bool
is_gone(const struct trunk *k)
{
	return atomic_load_explicit(&k->pod->gone, memory_order_relaxed);
}

/* When to look whether the pod is silent. */
static uint64_t
silence_due(const struct trunk *k)
{
	uint64_t since = k->pinged_us != 0 ? k->pinged_us : k->owed_us;

	return since + patience_us(k);
}

void
trunk_asked(struct trunk *k, struct upstream_h2 *u)
{
	u->unanswered = true;
	k->nunanswered++;
	if (k->owed_us != 0)
		return;
	k->owed_us = now_of(k);
	trunk_due(k, silence_due(k));
}

void
trunk_answered(struct trunk *k, struct upstream_h2 *u)
{
	if (u->unanswered)
		k->nunanswered--;
	u->unanswered = false;
}

static void
trunk_idle(struct trunk *k)
{
	k->idle_us = now_of(k);
	k->due_us = 0;
	trunk_due(k, k->idle_us + IDLE_US);
	if (k->owed_us != 0)
		trunk_due(k, silence_due(k));
}

static void
trunk_free(struct dead *d)
{
	struct trunk *k =
	    (struct trunk *)((char *)d - offsetof(struct trunk, dead));

	CHECK_OBJ(k, TRUNK_MAGIC);
	CHECK(k->nstreams == 0);
	k->magic = 0;
	h2_link_free(&k->link);
	h2_section_end(&k->section);
	pod_tls_drop(k->tls);
	pod_drop(k->pod);
	free(k);
}

static void
unlink_from_pod(struct trunk *k)
{
	struct trunk **at = &k->pod->slots[k->worker->index].trunks;

	while (*at != k) {
		CHECK(*at != NULL);
		at = &(*at)->next;
	}
	*at = k->next;
}

/* A stream is lost because its connection is, if it was not before. */
static void
lose(struct trunk *k, struct upstream_h2 *u, enum err reason, bool connecting)
{
	enum upstream_loss loss = LOSS_PLAIN;

	if (u->doom != ERR_NONE) {
		reason = u->doom;
		loss = u->doom_loss;
	} else if (!connecting && u->id == 0) {
		loss = LOSS_UNSENT;
	} else if (k->served && !u->answered) {
		loss = LOSS_STALE;
	}
	upstream_h2_fail(u, reason, loss);
}

/* Closes now; the streams fail for that reason. */
static void
trunk_close(struct trunk *k, enum err reason)
{
	struct upstream_h2 *u, *next;
	bool connecting = k->state == TRUNK_CONNECTING;

	if (k->state == TRUNK_CLOSED)
		return;
	if (connecting)
		upstream_connect_over(k->worker, k->pod);
	k->state = TRUNK_CLOSED;
	h2_link_end(&k->link);
	unlink_from_pod(k);
	TAILQ_REMOVE(&k->worker->trunks, k, worker_link);
	conn_close(k->conn);
	k->nstreams++; /* it does not go before this is over */
	TAILQ_FOREACH_SAFE (u, &k->streams, link, next) {
		u->forgotten = true;
		if (u->closed)
			upstream_h2_bury(u);
		else if (!u->complete) /* else the txn gets the rest of it */
			lose(k, u, reason, connecting);
	}
	k->nstreams--;
	trunk_settle(k);
}

void
trunk_leave(struct trunk *k)
{
	if (k->state == TRUNK_OPEN)
		k->state = TRUNK_LEAVING;
}

/*
 * It takes no more streams; without any the pod is told that we go (RFC 9113
 * 6.8). Not before: some take that for the end of those under way.
 */
static void
trunk_part(struct trunk *k)
{
	if (k->state != TRUNK_OPEN && k->state != TRUNK_LEAVING)
		return;
	k->state = TRUNK_LEAVING;
	if (k->nstreams > 0)
		return;
	nghttp2_session_terminate_session(k->link.session, NGHTTP2_NO_ERROR);
	h2_link_order(&k->link);
	trunk_due(k, now_of(k) + patience_us(k));
}

void
trunk_settle(struct trunk *k)
{
	if (k->nstreams > 0)
		return;
	if (is_gone(k))
		trunk_part(k);
	if (k->state == TRUNK_CLOSED)
		loop_bury(&k->worker->loop, &k->dead, trunk_free);
	else if (k->state == TRUNK_OPEN && !k->worker->draining)
		trunk_idle(k);
	else {
		h2_link_order(&k->link); /* closed once all has left */
		trunk_due(k, now_of(k) + patience_us(k));
	}
}

void
trunk_open(struct trunk *k)
{
	struct upstream_h2 *u, *next;

	if (k->state != TRUNK_CONNECTING)
		return;
	k->state = TRUNK_OPEN;
	upstream_connect_over(k->worker, k->pod);
	k->due_us = 0;
	conn_no_deadline(k->conn);
	TAILQ_FOREACH_SAFE (u, &k->streams, link, next) {
		u->base.ready = true;
		if (u->base.txn != NULL)
			u->base.events->ready(u->base.txn);
	}
	if (k->nstreams == 0)
		trunk_settle(k);
}

/* Frames have left. */
static void
on_pumped(struct h2_link *link)
{
	struct trunk *k =
	    (struct trunk *)((char *)link - offsetof(struct trunk, link));
	struct upstream_h2 *u, *next;
	struct h2_body *b;

	while (!link->over && (b = h2_body_next_drained(link)) != NULL) {
		u = (struct upstream_h2 *)((char *)b -
					   offsetof(struct upstream_h2, out));
		upstream_h2_set_due(u);
		if (u->base.txn != NULL)
			u->base.events->drained(u->base.txn);
	}
	if (k->doomed || k->resumed) {
		k->doomed = k->resumed = false;
		TAILQ_FOREACH_SAFE (u, &k->streams, link, next)
			if (u->doom != ERR_NONE)
				upstream_h2_fail(u, u->doom, u->doom_loss);
			else
				upstream_h2_deliver(u);
	}
	if (k->state == TRUNK_CLOSED || link->blocked)
		return;
	if (h2_link_done(link) ||
	    (k->nstreams == 0 &&
		(k->state == TRUNK_LEAVING || k->worker->draining) &&
		!nghttp2_session_want_write(link->session)))
		trunk_close(k, ERR_POD_RESET);
}

/* Reading. */

static bool
read_once(struct trunk *k)
{
	struct loop *l = &k->worker->loop;
	int64_t n = conn_read(k->conn, l->scratch, l->scratch_size);

	if (n == -1 || k->state == TRUNK_CLOSED)
		return false;
	if (n <= 0) {
		trunk_close(k, ERR_POD_RESET);
		return false;
	}
	k->owed_us = k->pinged_us = 0;
	k->spoke = false;
	if (!h2_link_feed(&k->link, (struct span){l->scratch, (size_t)n})) {
		trunk_close(k, ERR_BAD_RESPONSE);
		return false;
	}
	conn_flush(l); /* what was ordered points into the scratch */
	if (k->state == TRUNK_CLOSED)
		return false;
	if (k->spoke && k->nunanswered > 0) {
		k->owed_us = now_of(k);
		trunk_due(k, silence_due(k));
	}
	conn_settle(k->conn);
	return true;
}

static void
on_readable(struct trunk *k)
{
	for (int i = 0; k->state != TRUNK_CLOSED && conn_readable(k->conn);
	     i++) {
		if (i == READS_MAX) {
			conn_kick(k->conn);
			return;
		}
		if (!read_once(k))
			return;
	}
}

/* Time. */

/*
 * A pod that is asked and says nothing at all may be gone without a word:
 * one PING tells (RFC 9113 6.7). True when it did not answer that either. It
 * is asked once for each silence: who is asked often may take it for a flood.
 */
static bool
is_silent(struct trunk *k)
{
	if (k->owed_us == 0 || now_of(k) < silence_due(k))
		return false;
	if (k->pinged_us != 0)
		return true;
	k->pinged_us = now_of(k);
	nghttp2_submit_ping(k->link.session, NGHTTP2_FLAG_NONE, NULL);
	h2_link_order(&k->link);
	return false;
}

static void
expire_streams(struct trunk *k)
{
	uint64_t now = now_of(k);
	struct upstream_h2 *u, *next;

	TAILQ_FOREACH_SAFE (u, &k->streams, link, next)
		if (u->due_us != 0 && u->due_us <= now &&
		    upstream_h2_expired(u))
			upstream_h2_fail(u, ERR_RESPONSE_TIMEOUT, LOSS_PLAIN);
}

/* When to look again at what, by all that wait. */
static void
set_due(struct trunk *k)
{
	struct upstream_h2 *u;

	TAILQ_FOREACH (u, &k->streams, link)
		if (u->due_us != 0)
			trunk_due(k, u->due_us);
	if (k->owed_us != 0)
		trunk_due(k, silence_due(k));
	if (k->nstreams == 0)
		trunk_due(k, k->idle_us + IDLE_US);
}

static void
on_timeout(struct trunk *k)
{
	k->due_us = 0;
	if (k->state == TRUNK_CONNECTING) {
		trunk_close(k, ERR_CONNECT_TIMEOUT);
		return;
	}
	expire_streams(k);
	if (k->nstreams == 0 && k->state == TRUNK_LEAVING) {
		trunk_close(k, ERR_POD_RESET);
	} else if (is_silent(k)) {
		log_warn("pod %s: nothing to be heard on its HTTP/2 connection",
		    k->pod->address.text);
		trunk_close(k, ERR_POD_RESET);
	} else if (k->nstreams == 0 && now_of(k) >= k->idle_us + IDLE_US) {
		trunk_part(k);
	} else {
		set_due(k);
	}
}

static void
on_connected(struct trunk *k)
{
	if (k->protocol == POD_H2 && !conn_tls_h2(k->conn)) {
		log_warn("pod %s: TLS: it does not offer HTTP/2 (ALPN h2)",
		    k->pod->address.text);
		trunk_close(k, ERR_POD_TLS);
		return;
	}
	h2_link_order(&k->link); /* the preface; open when SETTINGS come */
}

static void
on_event(void *owner, enum conn_event event)
{
	struct trunk *k = owner;

	CHECK_OBJ(k, TRUNK_MAGIC);
	if (k->state == TRUNK_CLOSED)
		return;
	switch (event) {
	case CONN_CONNECTED:
		on_connected(k);
		return;
	case CONN_READABLE:
		on_readable(k);
		return;
	case CONN_BLOCKED:
		h2_link_blocked(&k->link);
		return;
	case CONN_DRAINED:
		h2_link_drained(&k->link);
		return;
	case CONN_PROGRESS:
		return;
	case CONN_TIMEOUT:
		on_timeout(k);
		return;
	case CONN_FAILED:
		trunk_close(k, k->state == TRUNK_CONNECTING
				   ? upstream_connect_error(k->conn, k->pod)
				   : ERR_POD_RESET);
		return;
	}
}

/* Taking part. */

static void
submit_settings(struct trunk *k)
{
	const struct limits *limits = &k->worker->settings->limits;
	const nghttp2_settings_entry settings[] = {
	    {NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
	    {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, H2_STREAM_WINDOW},
	    {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, limits->header_bytes},
	};

	nghttp2_submit_settings(k->link.session, NGHTTP2_FLAG_NONE, settings,
	    sizeof settings / sizeof settings[0]);
	nghttp2_session_set_local_window_size(
	    k->link.session, NGHTTP2_FLAG_NONE, 0, H2_CONNECTION_WINDOW);
}

static struct trunk *
trunk_new(struct worker *w, const struct version *v, struct pod *pod)
{
	struct trunk *k = calloc(1, sizeof *k);
	int saved = ENOMEM;

	if (k == NULL)
		goto fail;
	TAILQ_INIT(&k->streams);
	k->conn = upstream_connect(w, v, pod, on_event, k);
	saved = errno;
	if (k->conn == NULL)
		goto fail;
	h2_link_init(&k->link, &w->loop, &w->h2_memory, k->conn, on_pumped);
	if (!h2_link_open(&k->link, false, &trunk_calls, k)) {
		conn_close(k->conn);
		upstream_connect_over(w, pod);
		saved = ENOMEM;
		goto fail;
	}
	k->magic = TRUNK_MAGIC;
	k->worker = w;
	k->pod = pod_hold(pod);
	k->protocol = v->protocol;
	k->tls = pod_tls_hold(v->tls);
	k->next = pod->slots[w->index].trunks;
	pod->slots[w->index].trunks = k;
	TAILQ_INSERT_TAIL(&w->trunks, k, worker_link);
	submit_settings(k);
	trunk_due(k, now_of(k) + patience_us(k));
	return k;
fail:
	free(k);
	errno = saved;
	return NULL;
}

/* Streams that the pod allows at a time, as far as it has said so. */
static unsigned
room_of(const struct trunk *k)
{
	uint32_t allowed = nghttp2_session_get_remote_settings(
	    k->link.session, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);

	if (k->state == TRUNK_CONNECTING || allowed > TRUNK_STREAMS)
		return TRUNK_STREAMS;
	return allowed;
}

static struct trunk *
find_trunk(
    const struct worker *w, const struct version *v, const struct pod *pod)
{
	struct trunk *k;

	for (k = pod->slots[w->index].trunks; k != NULL; k = k->next)
		if (k->protocol == v->protocol && k->tls == v->tls &&
		    (k->state == TRUNK_CONNECTING || k->state == TRUNK_OPEN) &&
		    !k->refusing && k->nstreams < room_of(k))
			return k;
	return NULL;
}

bool
upstream_h2_at_hand(
    const struct worker *w, const struct version *v, const struct pod *pod)
{
	return find_trunk(w, v, pod) != NULL;
}

struct upstream *
upstream_h2_acquire(struct worker *w, const struct version *v, struct pod *pod)
{
	struct trunk *k = find_trunk(w, v, pod);
	struct upstream_h2 *u;

	if (k == NULL)
		k = trunk_new(w, v, pod);
	if (k == NULL)
		return NULL;
	u = upstream_h2_new(k, v);
	if (u == NULL) {
		errno = ENOMEM;
		return NULL;
	}
	return &u->base;
}

void
upstream_h2_prune(struct worker *w, bool gone_only)
{
	struct trunk *k, *next;

	TAILQ_FOREACH_SAFE (k, &w->trunks, worker_link, next) {
		if (gone_only) {
			if (is_gone(k))
				trunk_part(k);
			continue;
		}
		trunk_leave(k);
		if (k->nstreams == 0)
			trunk_close(k, ERR_SHUTDOWN);
	}
}
