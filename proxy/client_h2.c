/* A client's HTTP/2 connection: its life, what it reads, and its time. */
#include "proxy/client_h2.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "base/log.h"
#include "conf/settings.h"
#include "proxy/client_h2_state.h"
#include "proxy/conn.h"
#include "proxy/txn.h"
#include "proxy/worker_state.h"

/* Reads in a row before others get their turn. */
#define READS_MAX 4
/* How long we read on after our last byte, so that it is not reset away. */
#define LINGER_US 2000000u
/* After this long without streams, memory is given back. */
#define REST_US 500000u
/* Who does not answer our PING has this long to learn that we leave. */
#define LEAVE_US 500000u

static const struct settings *
settings_of(const struct client_h2 *c)
{
	return session_settings(&c->session);
}

static uint64_t
now_of(const struct client_h2 *c)
{
	return loop_now(session_loop(&c->session));
}

void
client_h2_idle(struct client_h2 *c)
{
	uint64_t now = now_of(c);

	c->idle_us = now;
	if (c->draining) /* however busy it is, the end is not put off */
		client_h2_due(c, now + LEAVE_US);
	else
		client_h2_look_at(c, now + REST_US);
}

/* It has been without streams for a while: true when that is too long. */
static bool
idle_too_long(struct client_h2 *c)
{
	uint64_t end_us =
	    c->idle_us + (uint64_t)settings_of(c)->timeouts.idle * 1000u;

	if (now_of(c) >= end_us)
		return true;
	h2_link_rest(&c->link);
	client_h2_look_at(c, end_us);
	return false;
}

static void
client_h2_free(struct dead *d)
{
	struct client_h2 *c =
	    (struct client_h2 *)((char *)d -
				 offsetof(struct client_h2, session.dead));

	CHECK_OBJ(&c->session, SESSION_MAGIC);
	CHECK(c->nstreams == 0);
	c->session.magic = 0;
	h2_link_free(&c->link);
	h2_guard_free(c->guard);
	h2_section_end(&c->section);
	free(c);
}

static void
stream_free(struct dead *d)
{
	struct h2_stream *s =
	    (struct h2_stream *)((char *)d - offsetof(struct h2_stream, dead));

	CHECK_OBJ(&s->base, CLIENT_MAGIC);
	CHECK(s->txn == NULL);
	s->base.magic = 0;
	free(s);
}

void
h2_stream_abandon(struct h2_stream *s)
{
	struct txn *t = s->txn;

	if (s->closed)
		return;
	s->closed = true;
	s->due_us = 0;
	s->txn = NULL;
	if (t != NULL)
		txn_client_gone(t);
	h2_stream_consumed(s, fifo_span(&s->in).n);
	fifo_free(&s->in);
	h2_section_end(&s->trailers);
	h2_body_free(&s->out);
}

void
h2_stream_close(struct h2_stream *s)
{
	struct client_h2 *c = s->h2;

	h2_stream_abandon(s);
	TAILQ_REMOVE(&c->streams, s, link);
	c->nstreams--;
	loop_bury(session_loop(&c->session), &s->dead, stream_free);
}

/* No frame leaves any more, and no stream is left. */
static void
end_link(struct client_h2 *c)
{
	struct h2_stream *s;

	h2_link_end(&c->link);
	while ((s = TAILQ_FIRST(&c->streams)) != NULL)
		h2_stream_close(s);
}

static void
client_h2_close(struct client_h2 *c)
{
	if (c->state == CH2_CLOSED)
		return;
	c->state = CH2_CLOSED;
	end_link(c);
	session_close(&c->session, client_h2_free);
}

/*
 * GOAWAY and nothing more: the streams are over. It leaves with the turn, and
 * then we read on for a while, so that it is not reset away.
 */
static void
client_h2_leave(struct client_h2 *c, uint32_t code)
{
	struct h2_stream *s, *next;

	if (c->state != CH2_OPEN)
		return;
	c->state = CH2_LEAVING;
	TAILQ_FOREACH_SAFE (s, &c->streams, link, next)
		h2_stream_abandon(s);
	nghttp2_session_terminate_session(c->link.session, code);
	h2_link_order(&c->link);
	session_timeout(&c->session, LINGER_US);
}

static void
linger(struct client_h2 *c)
{
	c->state = CH2_LINGER;
	end_link(c);
	conn_shutdown(c->session.conn);
	session_timeout(&c->session, LINGER_US);
	conn_resume(c->session.conn);
	conn_kick(c->session.conn);
}

/* Their writers may go on. */
static void
tell_drained(struct client_h2 *c)
{
	struct h2_body *b;
	struct h2_stream *s;

	while (!c->link.over && (b = h2_body_next_drained(&c->link)) != NULL) {
		s = (struct h2_stream *)((char *)b -
					 offsetof(struct h2_stream, out));
		if (s->txn != NULL)
			txn_client_drained(s->txn);
	}
}

/* Closed streams stay readable until the turn is over. */
static void
go_on_with_streams(struct client_h2 *c)
{
	struct h2_stream *s, *next;

	TAILQ_FOREACH_SAFE (s, &c->streams, link, next) {
		if (s->cut && !s->closed) {
			h2_body_free(&s->out);
			h2_stream_reset(s, NGHTTP2_INTERNAL_ERROR);
		}
		h2_stream_deliver(s);
	}
}

/* Frames have left. */
static void
on_pumped(struct h2_link *k)
{
	struct client_h2 *c =
	    (struct client_h2 *)((char *)k - offsetof(struct client_h2, link));

	if (k->over)
		return;
	tell_drained(c);
	if ((c->resumed || c->cut) && c->state == CH2_OPEN) {
		c->resumed = c->cut = false;
		go_on_with_streams(c);
	}
	if (c->state == CH2_CLOSED || c->state == CH2_LINGER || k->blocked)
		return;
	if (h2_link_done(k) || (c->last_told && c->nstreams == 0 &&
				   !nghttp2_session_want_write(k->session)))
		linger(c);
}

void
client_h2_flood(struct client_h2 *c, enum h2_flood flood)
{
	_Atomic uint64_t *n = &c->session.worker->h2_floods[flood];

	atomic_store_explicit(n,
	    atomic_load_explicit(n, memory_order_relaxed) + 1,
	    memory_order_relaxed);
}

/* The streams that are known are the last ones. */
void
client_h2_say_last(struct client_h2 *c)
{
	nghttp2_session *session = c->link.session;

	if (c->last_told || c->state != CH2_OPEN)
		return;
	c->last_told = true;
	nghttp2_submit_goaway(session, NGHTTP2_FLAG_NONE,
	    nghttp2_session_get_last_proc_stream_id(session), NGHTTP2_NO_ERROR,
	    NULL, 0);
	h2_link_order(&c->link);
}

/*
 * New streams may be on their way: they count until the client has had a
 * round trip to learn of it (RFC 9113 6.8).
 */
void
client_h2_drain(struct client_h2 *c)
{
	if (c->draining || c->state != CH2_OPEN)
		return;
	c->draining = true;
	nghttp2_submit_shutdown_notice(c->link.session);
	nghttp2_submit_ping(c->link.session, NGHTTP2_FLAG_NONE, NULL);
	h2_link_order(&c->link);
	client_h2_due(c, now_of(c) + LEAVE_US);
}

/* Reading. */

static void
process(struct client_h2 *c, struct span in)
{
	struct h2_fault fault = {0};
	size_t good = h2_guard_scan(
	    c->guard, &settings_of(c)->limits.http2, in, now_of(c), &fault);

	if (!h2_link_feed(&c->link, (struct span){in.p, good})) {
		if (c->bombed)
			client_h2_flood(c, H2_FLOOD_HEADERS);
		client_h2_leave(c, c->bombed ? NGHTTP2_ENHANCE_YOUR_CALM
					     : NGHTTP2_PROTOCOL_ERROR);
		return;
	}
	if (good == in.n || c->state != CH2_OPEN)
		return;
	log_debug("HTTP/2 client: %s", fault.why);
	if (fault.flood != H2_FLOOD_NONE)
		client_h2_flood(c, fault.flood);
	client_h2_leave(c, fault.code);
}

static bool
read_once(struct client_h2 *c)
{
	struct loop *l = session_loop(&c->session);
	int64_t n = conn_read(c->session.conn, l->scratch, l->scratch_size);

	if (n == -1 || c->state == CH2_CLOSED)
		return false;
	if (n <= 0) {
		client_h2_close(c);
		return false;
	}
	if (c->state == CH2_OPEN)
		process(c, (struct span){l->scratch, (size_t)n});
	if (c->state == CH2_CLOSED)
		return false;
	conn_flush(l); /* what was ordered points into the scratch */
	conn_settle(c->session.conn);
	return true;
}

static void
on_readable(struct client_h2 *c)
{
	for (int i = 0;
	     c->state != CH2_CLOSED && conn_readable(c->session.conn); i++) {
		if (i == READS_MAX) {
			conn_kick(c->session.conn);
			return;
		}
		if (!read_once(c))
			return;
	}
}

/* Time. */

/* It has not moved on: what waits for it waits in vain. */
static void
stream_timeout(struct h2_stream *s)
{
	struct txn *t = s->txn;

	s->due_us = 0;
	if (s->tunnel || h2_body_waits(&s->out)) {
		if (s->out.sent != s->sent) {
			h2_stream_hurry(s);
			return;
		}
		if (!s->tunnel)
			client_h2_flood(s->h2, H2_FLOOD_STALLS);
		h2_stream_reset(s, NGHTTP2_CANCEL);
		h2_stream_abandon(s);
	} else if (t != NULL && !s->end_told) {
		txn_request_failed(t, ERR_BODY_TIMEOUT);
	}
}

static uint64_t
earlier(uint64_t a, uint64_t b)
{
	return a == 0 || (b != 0 && b < a) ? b : a;
}

/* The socket takes nothing: everything waits for that. */
static bool
is_stuck(struct client_h2 *c)
{
	return c->link.blocked && conn_backlog(c->session.conn) > 0 &&
	       !conn_moving(c->session.conn);
}

static void
sweep(struct client_h2 *c)
{
	uint64_t now = now_of(c), next = c->section_due_us;
	struct h2_stream *s, *after;

	TAILQ_FOREACH_SAFE (s, &c->streams, link, after)
		if (s->due_us != 0 && s->due_us <= now)
			stream_timeout(s);
	if (c->state != CH2_OPEN)
		return;
	TAILQ_FOREACH (s, &c->streams, link)
		next = earlier(next, s->due_us);
	if (next != 0)
		client_h2_due(c, next);
	else if (c->nstreams == 0)
		client_h2_idle(c);
}

static void
on_timeout(struct client_h2 *c)
{
	uint64_t now = now_of(c);

	c->due_us = 0;
	if (c->state != CH2_OPEN || is_stuck(c) ||
	    (c->section_due_us != 0 && c->section_due_us <= now)) {
		client_h2_close(c);
		return;
	}
	if (c->draining)
		client_h2_say_last(c);
	if (c->nstreams > 0 || c->section_due_us != 0 || c->draining)
		sweep(c);
	else if (idle_too_long(c))
		client_h2_leave(c, NGHTTP2_NO_ERROR);
}

static void
on_event(void *owner, enum conn_event event)
{
	struct client_h2 *c = owner;

	CHECK_OBJ(&c->session, SESSION_MAGIC);
	if (c->state == CH2_CLOSED)
		return;
	switch (event) {
	case CONN_READABLE:
		on_readable(c);
		return;
	case CONN_BLOCKED:
		h2_link_blocked(&c->link);
		client_h2_due(
		    c, now_of(c) +
			   (uint64_t)settings_of(c)->timeouts.body * 1000u);
		return;
	case CONN_DRAINED:
		if (c->state != CH2_LINGER)
			h2_link_drained(&c->link);
		return;
	case CONN_PROGRESS:
		return;
	case CONN_TIMEOUT:
		on_timeout(c);
		return;
	case CONN_FAILED:
		client_h2_close(c);
		return;
	case CONN_CONNECTED:
		break;
	}
	WRONG("event of an accepted connection");
}

static void
op_drain(struct session *s)
{
	CHECK_OBJ(s, SESSION_MAGIC);
	client_h2_drain((struct client_h2 *)s);
}

static void
op_close(struct session *s)
{
	CHECK_OBJ(s, SESSION_MAGIC);
	client_h2_close((struct client_h2 *)s);
}

static const struct session_ops ops = {
    .drain = op_drain,
    .close = op_close,
};

static void
submit_settings(struct client_h2 *c)
{
	const struct limits *limits = &settings_of(c)->limits;
	const nghttp2_settings_entry settings[] = {
	    {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, limits->http2.streams},
	    {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, H2_STREAM_WINDOW},
	    {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, limits->header_bytes},
	    {NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL, 1},
	};

	nghttp2_submit_settings(c->link.session, NGHTTP2_FLAG_NONE, settings,
	    sizeof settings / sizeof settings[0]);
	nghttp2_session_set_local_window_size(
	    c->link.session, NGHTTP2_FLAG_NONE, 0, H2_CONNECTION_WINDOW);
}

void
client_h2_begin(struct session *s, struct span early)
{
	struct client_h2 *c = calloc(1, sizeof *c);

	if (c == NULL)
		goto fail;
	TAILQ_INIT(&c->streams);
	h2_link_init(&c->link, session_loop(s), &s->worker->h2_memory, s->conn,
	    on_pumped);
	c->guard = h2_guard_new(session_settings(s)->limits.http2.streams);
	if (c->guard == NULL ||
	    !h2_link_open(&c->link, true, &client_h2_calls, c))
		goto fail;
	c->session = *s;
	conn_own(s->conn, on_event, c);
	session_list(&c->session, &ops);
	submit_settings(c);
	client_h2_idle(c);
	if (early.n > 0)
		process(c, early);
	if (c->state == CH2_CLOSED)
		return;
	h2_link_order(&c->link);
	conn_flush(session_loop(&c->session)); /* it may point into early */
	if (c->session.worker->draining)
		client_h2_drain(c);
	return;
fail:
	session_discard(s);
	if (c == NULL)
		return;
	h2_guard_free(c->guard);
	h2_link_end(&c->link);
	h2_link_free(&c->link);
	free(c);
}
