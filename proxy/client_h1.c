/*
 * What an HTTP/1.x client sends: heads, bodies, tunnels. One request at a
 * time; pipelined ones wait their turn.
 */
#include "proxy/client_h1.h"

#include <stdlib.h>

#include "base/check.h"
#include "conf/settings.h"
#include "proxy/access_fill.h"
#include "proxy/client_h1_send.h"
#include "proxy/client_h1_state.h"
#include "proxy/client_h2.h"
#include "proxy/conn.h"
#include "proxy/greeting.h"
#include "proxy/reply.h"
#include "proxy/txn.h"
#include "proxy/worker_state.h"

/* Reads in a row before others get their turn. */
#define READS_MAX 4
/* The line that tells HTTP/2 from a request. */
static const char h2_preface[] = "PRI * HTTP/2.0\r\n";
#define H2_PREFACE_LINE (sizeof h2_preface - 1)
/* Less of a body is cheaper to copy. */
#define SPLICE_MIN 65536u

/* Refused without a txn: nothing behind it can be trusted. */
static void
ch1_refuse(struct client_h1 *c, enum err e)
{
	c->keep_alive = false;
	c->http_1_0 = false;
	access_refused(&c->session, e);
	reply_send(&c->base, e, false);
}

/* The request is here; nothing more is read until it is answered. */
static void
ch1_wait(struct client_h1 *c)
{
	c->state = CH1_WAIT;
	conn_settle(c->session.conn);
	conn_pause(c->session.conn);
	conn_no_deadline(c->session.conn);
}

static bool
begin_intake(struct client_h1 *c, const struct h1_head *h)
{
	c->intake = malloc(sizeof *c->intake);
	if (c->intake == NULL)
		return false;
	h1_intake_begin(c->intake, h);
	return true;
}

static void
begin_request(struct client_h1 *c, const struct h1_head *h)
{
	struct worker *w = c->session.worker;
	uint32_t most =
	    session_settings(&c->session)->limits.requests_per_connection;

	c->keep_alive = h->keep_alive;
	if (++c->requests >= most && most > 0)
		c->keep_alive = false;
	c->http_1_0 = h->minor == 0;
	if (h->body != H1_BODY_NONE && !begin_intake(c, h)) {
		ch1_refuse(c, ERR_INTERNAL);
		return;
	}
	c->txn = txn_new(w, &c->base);
	if (c->txn == NULL) {
		ch1_refuse(c, ERR_INTERNAL);
		return;
	}
	if (h->body == H1_BODY_NONE) {
		ch1_wait(c);
	} else {
		c->state = CH1_BODY;
		ch1_body_timeout(c);
	}
	txn_run(c->txn, h);
}

/*
 * HTTP/2 with prior knowledge (RFC 9113 3.3) begins with what looks like a
 * request: 0 when these bytes do not, else as many of it as have come.
 */
static size_t
preface_begun(const struct client_h1 *c, struct span in)
{
	size_t n = in.n < H2_PREFACE_LINE ? in.n : H2_PREFACE_LINE;

	if (c->requests > 0 || in.n == 0 || in.p[0] != 'P' ||
	    memcmp(in.p, h2_preface, n) != 0 || !c->session.greeting->http2 ||
	    conn_is_tls(c->session.conn))
		return 0;
	return n;
}

/* The connection goes on as HTTP/2. */
static size_t
switch_to_h2(struct client_h1 *c, struct span in)
{
	struct session s;

	session_unlist(&c->session, &s);
	c->state = CH1_CLOSED;
	loop_bury(session_loop(&s), &c->session.dead, ch1_free);
	client_h2_begin(&s, in);
	return in.n;
}

/* The bytes that the head took; 0 when it is not complete. */
static size_t
take_head(struct client_h1 *c, struct span in)
{
	struct worker *w = c->session.worker;
	uint32_t limit = session_settings(&c->session)->limits.header_bytes;
	size_t preface = preface_begun(c, in);
	struct h1_head h;

	if (preface >= H2_PREFACE_LINE)
		return switch_to_h2(c, in);
	if (c->state == CH1_IDLE) {
		c->state = CH1_HEAD;
		session_timeout(&c->session,
		    (uint64_t)session_settings(&c->session)->timeouts.header *
			1000u);
	}
	if (preface > 0)
		return 0;
	h1_head_init(&h, w->fields, w->nfields);
	switch (h1_parse_request(in, &h)) {
	case H1_MORE:
		if (in.n >= limit)
			ch1_refuse(c, ERR_HEAD_TOO_LARGE);
		return 0;
	case H1_BAD:
		ch1_refuse(c, h.error);
		return 0;
	case H1_DONE:
		break;
	}
	if (h.size > limit) {
		ch1_refuse(c, ERR_HEAD_TOO_LARGE);
		return 0;
	}
	begin_request(c, &h);
	return h.size;
}

/* The body is over; its trailer fields are passed on. */
static void
request_read(struct client_h1 *c)
{
	struct worker *w = c->session.worker;
	struct h1_intake *k = c->intake;
	struct h1_head trailers;

	h1_head_init(&trailers, w->fields, w->nfields);
	if (h1_intake_trailers(k, &trailers) == H1_BAD) {
		txn_request_failed(c->txn, ERR_BAD_REQUEST);
		return;
	}
	ch1_wait(c);
	c->intake = NULL; /* the trailers point into it: it must last */
	txn_request_end(c->txn, trailers.nfields > 0 ? &trailers : NULL);
	h1_intake_end(k);
	free(k);
}

static size_t
take_body(struct client_h1 *c, struct span in)
{
	struct span rest = in, piece;

	ch1_body_timeout(c);
	switch (h1_intake_read(c->intake, &rest, &piece)) {
	case H1_MORE:
		break;
	case H1_BAD:
		txn_request_failed(c->txn, ERR_BAD_REQUEST);
		break;
	case H1_DONE:
		if (piece.n > 0)
			txn_request_data(c->txn, piece);
		/* its end needs no further bytes: look for it at once */
		if (c->state == CH1_BODY && h1_intake_over(c->intake))
			request_read(c);
		break;
	}
	return in.n - rest.n;
}

/* One step over what is there; 0 when nothing can be used now. */
static size_t
ch1_take(struct client_h1 *c, struct span in)
{
	switch (c->state) {
	case CH1_IDLE:
	case CH1_HEAD:
		return take_head(c, in);
	case CH1_BODY:
		return c->held ? 0 : take_body(c, in);
	case CH1_TUNNEL:
		if (c->held)
			return 0;
		ch1_tunnel_timeout(c);
		txn_request_data(c->txn, in);
		return in.n;
	case CH1_WAIT:
		return 0;
	case CH1_LINGER:
	case CH1_CLOSED:
		return in.n;
	}
	WRONG("state of a client");
}

static size_t
ch1_take_all(struct client_h1 *c, struct span in)
{
	size_t used = 0, n;

	while (used < in.n) {
		n = ch1_take(c, (struct span){in.p + used, in.n - used});
		if (n == 0)
			break;
		used += n;
	}
	return used;
}

static void
ch1_keep(struct client_h1 *c, struct span rest)
{
	if (rest.n == 0 || c->state == CH1_LINGER || c->state == CH1_CLOSED)
		return;
	if (!fifo_append(&c->in, rest))
		ch1_close(c);
}

/* Uses the kept bytes as far as they go. */
static void
ch1_process_kept(struct client_h1 *c)
{
	struct span kept = fifo_span(&c->in);
	size_t used;

	if (c->state == CH1_HEAD && !h1_head_complete(kept, &c->scanned) &&
	    kept.n < session_settings(&c->session)->limits.header_bytes)
		return;
	used = ch1_take_all(c, kept);
	conn_flush(
	    session_loop(&c->session)); /* orders point into the buffer */
	if (fifo_empty(&c->in))		/* it was closed meanwhile */
		return;
	if (used > 0)
		c->scanned = 0;
	fifo_consume(&c->in, used);
}

static void
ch1_process(struct client_h1 *c, struct span in)
{
	size_t used;

	if (fifo_empty(&c->in)) {
		used = ch1_take_all(c, in);
		ch1_keep(c, (struct span){in.p + used, in.n - used});
		return;
	}
	ch1_keep(c, in);
	if (c->state != CH1_CLOSED)
		ch1_process_kept(c);
}

/* The client has closed its direction of a tunnel. */
static void
tunnel_ended(struct client_h1 *c)
{
	struct txn *t = c->txn;

	c->ended = true;
	conn_pause(c->session.conn);
	if (conn_is_shut(c->session.conn)) {
		c->txn = NULL; /* the pod was first: this ends the txn */
		txn_request_end(t, NULL);
		ch1_close(c);
	} else {
		txn_request_end(t, NULL);
	}
}

/*
 * A large body passes without being read. As conn_read(); -1 also when it
 * cannot be done, then `tried` is false.
 */
static int64_t
ch1_splice(struct client_h1 *c, bool *tried)
{
	struct conn *to;
	int64_t n;

	*tried = false;
	if (c->state != CH1_BODY || c->held || !fifo_empty(&c->in) ||
	    h1_intake_passable(c->intake) < SPLICE_MIN)
		return -1;
	to = txn_request_raw(c->txn);
	if (to == NULL)
		return -1;
	*tried = true;
	n = conn_splice(c->session.conn, to, h1_intake_passable(c->intake));
	if (n == -1 && conn_readable(c->session.conn))
		*tried = false; /* no pipe to be had */
	if (n <= 0 || c->state != CH1_BODY)
		return n;
	if (!c->held)
		ch1_body_timeout(c);
	h1_intake_pass(c->intake, (uint64_t)n);
	txn_request_spliced(c->txn, (uint64_t)n);
	if (c->state == CH1_BODY && h1_intake_over(c->intake))
		request_read(c);
	return n;
}

/* One read, or one splice; false when there is no more for now. */
static bool
ch1_read(struct client_h1 *c)
{
	struct loop *l = session_loop(&c->session);
	bool spliced;
	int64_t n = ch1_splice(c, &spliced);

	if (!spliced) {
		n = conn_read(c->session.conn, l->scratch, l->scratch_size);
		if (n > 0)
			ch1_process(c, (struct span){l->scratch, (size_t)n});
	}
	if (n == -1 || c->state == CH1_CLOSED)
		return false;
	if (n == 0 && c->state == CH1_TUNNEL)
		tunnel_ended(c);
	else if (n <= 0)
		ch1_close(c);
	return n > 0;
}

static void
ch1_on_readable(struct client_h1 *c)
{
	if (!fifo_empty(&c->in))
		ch1_process_kept(c);
	for (int i = 0;
	     c->state != CH1_CLOSED && conn_readable(c->session.conn); i++) {
		if (i == READS_MAX) {
			conn_kick(c->session.conn);
			return;
		}
		if (!ch1_read(c))
			return;
	}
}

/* It reads slowly, but it reads. */
static void
ch1_on_progress(struct client_h1 *c)
{
	if (c->state == CH1_TUNNEL)
		ch1_tunnel_timeout(c);
	else
		ch1_body_timeout(c);
}

static void
ch1_on_timeout(struct client_h1 *c)
{
	if (conn_backlog(c->session.conn) > 0 && conn_moving(c->session.conn)) {
		ch1_on_progress(c);
		return;
	}
	switch (c->state) {
	case CH1_HEAD:
		ch1_refuse(c, ERR_HEADER_TIMEOUT);
		return;
	case CH1_BODY:
		if (conn_backlog(c->session.conn) == 0) {
			txn_request_failed(c->txn, ERR_BODY_TIMEOUT);
			return;
		}
		break; /* it does not read our response either */
	case CH1_IDLE:
	case CH1_WAIT:
	case CH1_TUNNEL:
	case CH1_LINGER:
	case CH1_CLOSED:
		break;
	}
	ch1_close(c);
}

static void
ch1_on_drained(struct client_h1 *c)
{
	if (c->state == CH1_WAIT && c->txn == NULL) {
		ch1_next(c);
		return;
	}
	if (c->state == CH1_TUNNEL)
		ch1_tunnel_timeout(c);
	else if (c->state == CH1_WAIT)
		conn_no_deadline(c->session.conn);
	else if (c->state == CH1_LINGER)
		session_timeout(&c->session, CH1_LINGER_US);
	if (c->txn != NULL)
		txn_client_drained(c->txn);
}

static void
ch1_on_event(void *owner, enum conn_event event)
{
	struct client_h1 *c = owner;

	CHECK_OBJ(&c->base, CLIENT_MAGIC);
	if (c->state == CH1_CLOSED)
		return;
	switch (event) {
	case CONN_READABLE:
		ch1_on_readable(c);
		return;
	case CONN_PROGRESS:
		ch1_on_progress(c);
		return;
	case CONN_BLOCKED:
		ch1_body_timeout(c);
		if (c->txn != NULL)
			txn_client_blocked(c->txn);
		return;
	case CONN_DRAINED:
		ch1_on_drained(c);
		return;
	case CONN_TIMEOUT:
		ch1_on_timeout(c);
		return;
	case CONN_FAILED:
		ch1_close(c);
		return;
	case CONN_CONNECTED:
		break;
	}
	WRONG("event of an accepted connection");
}

static void
ch1_drain(struct session *s)
{
	struct client_h1 *c = (struct client_h1 *)s;

	CHECK_OBJ(s, SESSION_MAGIC);
	if (c->state == CH1_IDLE)
		session_timeout(s, CH1_DRAIN_IDLE_US);
}

static void
ch1_op_close(struct session *s)
{
	CHECK_OBJ(s, SESSION_MAGIC);
	ch1_close((struct client_h1 *)s);
}

static const struct session_ops ch1_session_ops = {
    .drain = ch1_drain,
    .close = ch1_op_close,
};

static struct client_h1 *
client_h1_new(struct session *s)
{
	struct client_h1 *c = calloc(1, sizeof *c);

	if (c == NULL) {
		session_discard(s);
		return NULL;
	}
	c->session = *s;
	c->base.magic = CLIENT_MAGIC;
	c->base.ops = &ch1_ops;
	c->base.session = &c->session;
	conn_own(s->conn, ch1_on_event, c);
	session_list(&c->session, &ch1_session_ops);
	return c;
}

void
client_h1_begin(struct session *s, struct span early)
{
	struct client_h1 *c = client_h1_new(s);

	if (c == NULL)
		return;
	ch1_idle(c);
	ch1_keep(c, early);
	if (early.n > 0 && c->state != CH1_CLOSED)
		conn_kick(c->session.conn);
}

void
client_h1_refuse(struct session *s, enum err reason)
{
	struct client_h1 *c = client_h1_new(s);

	if (c != NULL)
		ch1_refuse(c, reason);
}
