/*
 * The frames of a client's HTTP/2 connection, as nghttp2 tells of them. What
 * is ordered meanwhile leaves when the turn is over.
 */
#include <stdlib.h>

#include "base/log.h"
#include "conf/settings.h"
#include "proxy/access_fill.h"
#include "proxy/client_h2_state.h"
#include "proxy/conn.h"
#include "proxy/reply.h"
#include "proxy/txn.h"
#include "proxy/websocket.h"
#include "proxy/worker_state.h"

/*
 * A field section that is too large is refused with 431. HPACK can make a
 * few bytes of it into many: this many times the limit is no mistake.
 */
#define BOMB_FACTOR 4u

static struct h2_stream *
stream_new(struct client_h2 *c, int32_t id)
{
	struct h2_stream *s = calloc(1, sizeof *s);

	if (s == NULL)
		return NULL;
	s->base.magic = CLIENT_MAGIC;
	s->base.ops = &h2_stream_ops;
	s->base.session = &c->session;
	s->h2 = c;
	s->id = id;
	h2_body_init(&s->out, &c->link, id);
	TAILQ_INSERT_TAIL(&c->streams, s, link);
	c->nstreams++;
	return s;
}

/* Refused without a txn. */
static void
stream_refuse(struct h2_stream *s, enum err e)
{
	access_refused(&s->h2->session, e);
	if (e == ERR_BAD_REQUEST) {
		h2_stream_reset(s, NGHTTP2_PROTOCOL_ERROR);
		return;
	}
	reply_send(&s->base, e, false);
}

static void
stream_begin(struct h2_stream *s, const struct h1_head *h)
{
	struct client_h2 *c = s->h2;
	uint32_t most =
	    session_settings(&c->session)->limits.requests_per_connection;

	if (++c->requests >= most && most > 0)
		client_h2_drain(c);
	s->connect = h->connection_upgrade;
	s->held = s->connect;
	s->end_told = h->body == H1_BODY_NONE && !s->connect;
	s->txn = txn_new(c->session.worker, &s->base);
	if (s->txn == NULL) {
		stream_refuse(s, ERR_INTERNAL);
		return;
	}
	if (!s->end_told)
		h2_stream_hurry(s);
	txn_run(s->txn, h);
}

/* A whole request head has come. */
static void
stream_head(struct h2_stream *s, bool end)
{
	struct client_h2 *c = s->h2;
	struct worker *w = c->session.worker;
	struct loop *l = session_loop(&c->session);
	char key[24];
	struct h1_head h;
	enum err e;

	s->read = end;
	h1_head_init(&h, w->fields, w->nfields);
	websocket_key(loop_random(l), loop_random(l), key);
	e = h2_read_request(
	    &c->section, end, (struct span){key, sizeof key}, &h);
	if (e != ERR_NONE)
		stream_refuse(s, e);
	else
		stream_begin(s, &h);
	conn_flush(l); /* what was ordered may point into the section */
	h2_section_end(&c->section);
}

static int
on_begin_headers(
    nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
	struct client_h2 *c = arg;
	struct h2_stream *s;

	if (frame->hd.type != NGHTTP2_HEADERS)
		return 0;
	h2_section_end(&c->section);
	c->section_bytes = 0;
	c->section_due_us =
	    loop_now(session_loop(&c->session)) +
	    (uint64_t)session_settings(&c->session)->timeouts.header * 1000u;
	client_h2_due(c, c->section_due_us);
	if (frame->headers.cat != NGHTTP2_HCAT_REQUEST)
		return 0;
	s = stream_new(c, frame->hd.stream_id);
	if (s == NULL)
		return NGHTTP2_ERR_CALLBACK_FAILURE;
	nghttp2_session_set_stream_user_data(session, s->id, s);
	return 0;
}

static int
on_header(nghttp2_session *session, const nghttp2_frame *frame,
    const uint8_t *name, size_t name_n, const uint8_t *value, size_t value_n,
    uint8_t flags, void *arg)
{
	struct client_h2 *c = arg;
	const struct limits *limits = &session_settings(&c->session)->limits;

	(void)session;
	(void)flags;
	c->section_bytes += name_n + value_n;
	if (c->section_bytes > (uint64_t)limits->header_bytes * BOMB_FACTOR) {
		c->bombed = true;
		return NGHTTP2_ERR_CALLBACK_FAILURE;
	}
	if (frame->hd.type == NGHTTP2_HEADERS)
		h2_section_add(&c->section,
		    (struct span){(const char *)name, name_n},
		    (struct span){(const char *)value, value_n},
		    limits->header_bytes, limits->header_count);
	return 0;
}

/* The client's side of the stream is complete. */
static void
stream_read(struct h2_stream *s)
{
	s->read = true;
	if (s->txn != NULL && !s->end_told)
		h2_stream_deliver(s);
}

static void
on_headers(struct client_h2 *c, const nghttp2_frame *frame, struct h2_stream *s)
{
	bool end = frame->hd.flags & NGHTTP2_FLAG_END_STREAM;

	c->section_due_us = 0;
	if (s == NULL || s->closed)
		return;
	if (frame->headers.cat == NGHTTP2_HCAT_REQUEST) {
		stream_head(s, end);
		return;
	}
	h2_section_end(&s->trailers);
	s->trailers = c->section;
	c->section = (struct h2_section){0};
	if (end)
		stream_read(s);
}

static int
on_frame_recv(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
	struct client_h2 *c = arg;
	struct h2_stream *s;

	if (c->state != CH2_OPEN)
		return NGHTTP2_ERR_CALLBACK_FAILURE;
	switch (frame->hd.type) {
	case NGHTTP2_HEADERS:
		s = nghttp2_session_get_stream_user_data(
		    session, frame->hd.stream_id);
		on_headers(c, frame, s);
		break;
	case NGHTTP2_DATA:
		s = nghttp2_session_get_stream_user_data(
		    session, frame->hd.stream_id);
		if (s != NULL && !s->closed &&
		    (frame->hd.flags & NGHTTP2_FLAG_END_STREAM))
			stream_read(s);
		break;
	case NGHTTP2_PING:
		if ((frame->hd.flags & NGHTTP2_FLAG_ACK) && c->draining)
			client_h2_say_last(c);
		break;
	default:
		break;
	}
	return c->state == CH2_OPEN ? 0 : NGHTTP2_ERR_CALLBACK_FAILURE;
}

/* nghttp2 resets the stream, or ends the connection. */
static int
on_invalid_frame(
    nghttp2_session *session, const nghttp2_frame *frame, int error, void *arg)
{
	struct client_h2 *c = arg;

	(void)session;
	log_debug("HTTP/2 client: stream %d: %s", frame->hd.stream_id,
	    nghttp2_strerror(error));
	if (frame->hd.type == NGHTTP2_HEADERS)
		c->section_due_us = 0;
	return 0;
}

static int
on_data(nghttp2_session *session, uint8_t flags, int32_t id,
    const uint8_t *bytes, size_t n, void *arg)
{
	struct client_h2 *c = arg;
	struct h2_stream *s = nghttp2_session_get_stream_user_data(session, id);
	struct span piece = {(const char *)bytes, n};

	(void)flags;
	if (c->state != CH2_OPEN)
		return NGHTTP2_ERR_CALLBACK_FAILURE;
	if (s == NULL || s->closed || s->txn == NULL) {
		nghttp2_session_consume(session, id, n);
		return 0;
	}
	if (s->held || !fifo_empty(&s->in))
		return fifo_append(&s->in, piece)
			   ? 0
			   : NGHTTP2_ERR_CALLBACK_FAILURE;
	h2_stream_hurry(s);
	txn_request_data(s->txn, piece);
	nghttp2_session_consume(session, id, n);
	return c->state == CH2_OPEN ? 0 : NGHTTP2_ERR_CALLBACK_FAILURE;
}

static int
on_frame_send(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
	struct client_h2 *c = arg;
	int32_t id = frame->hd.stream_id;
	struct h2_stream *s;

	if (frame->hd.type == NGHTTP2_RST_STREAM)
		h2_guard_sent_reset(c->guard, (uint32_t)id);
	if (frame->hd.type == NGHTTP2_HEADERS)
		h2_guard_sent_head(c->guard);
	if (frame->hd.type == NGHTTP2_DATA)
		h2_guard_sent_data(c->guard);
	if ((frame->hd.type != NGHTTP2_DATA &&
		frame->hd.type != NGHTTP2_HEADERS) ||
	    !(frame->hd.flags & NGHTTP2_FLAG_END_STREAM))
		return 0;
	h2_guard_sent_end(c->guard, (uint32_t)id);
	/* answered before all of the request has come (RFC 9113 8.1) */
	s = nghttp2_session_get_stream_user_data(session, id);
	if (s != NULL && !s->closed && !s->read && !s->tunnel)
		nghttp2_submit_rst_stream(
		    session, NGHTTP2_FLAG_NONE, id, NGHTTP2_NO_ERROR);
	return 0;
}

static int
on_stream_close(nghttp2_session *session, int32_t id, uint32_t code, void *arg)
{
	struct client_h2 *c = arg;
	struct h2_stream *s = nghttp2_session_get_stream_user_data(session, id);

	(void)code;
	if (s == NULL)
		return 0;
	h2_stream_close(s);
	if (c->nstreams == 0 && c->state == CH2_OPEN)
		client_h2_idle(c);
	return 0;
}

const struct h2_calls client_h2_calls = {
    .begin_headers = on_begin_headers,
    .header = on_header,
    .frame_recv = on_frame_recv,
    .invalid_frame = on_invalid_frame,
    .data = on_data,
    .frame_send = on_frame_send,
    .stream_close = on_stream_close,
};
