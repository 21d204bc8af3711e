/* What a txn orders from the HTTP/2 stream that its request came on. */
#include <stdlib.h>

#include "conf/settings.h"
#include "proxy/client_h2_state.h"
#include "proxy/conn.h"
#include "proxy/greeting.h"
#include "proxy/http.h"
#include "proxy/txn.h"
#include "proxy/worker_state.h"

static struct h2_stream *
stream_of(struct client *c)
{
	CHECK_OBJ(c, CLIENT_MAGIC);
	return (struct h2_stream *)c;
}

void
h2_stream_hurry(struct h2_stream *s)
{
	struct client_h2 *c = s->h2;
	const struct timeouts *t = &session_settings(&c->session)->timeouts;
	uint64_t ms = s->tunnel ? t->tunnel : t->body;

	s->due_us = loop_now(session_loop(&c->session)) + ms * 1000u;
	s->sent = s->out.sent;
	client_h2_due(c, s->due_us);
}

void
h2_stream_reset(struct h2_stream *s, uint32_t code)
{
	if (s->closed || s->h2->link.over)
		return;
	nghttp2_submit_rst_stream(
	    s->h2->link.session, NGHTTP2_FLAG_NONE, s->id, code);
	h2_link_order(&s->h2->link);
}

static void
submit_head(
    struct h2_stream *s, const struct h1_head *h, nghttp2_nv *lines, unsigned n)
{
	nghttp2_session *session = s->h2->link.session;
	nghttp2_data_provider body;
	bool final = h->status >= 200 || h->status == 101;

	if (!final) {
		nghttp2_submit_headers(
		    session, NGHTTP2_FLAG_NONE, s->id, NULL, lines, n, NULL);
	} else if (h->body == H1_BODY_NONE && h->status != 101) {
		s->out.ended = true;
		nghttp2_submit_response(session, s->id, lines, n, NULL);
	} else {
		body = h2_body_provider(&s->out);
		nghttp2_submit_response(session, s->id, lines, n, &body);
	}
	h2_link_order(&s->h2->link);
}

/* The txn's request body may flow: the tunnel is there. */
static void
begin_tunnel(struct h2_stream *s)
{
	s->tunnel = true;
	s->held = false;
	h2_stream_hurry(s);
	s->h2->resumed = true;
	h2_link_order(&s->h2->link);
}

static void
h2_send_head(struct client *base, const struct h1_head *h)
{
	struct h2_stream *s = stream_of(base);
	struct session *session = &s->h2->session;
	struct h2_answer a = {
	    .date = loop_date(session_loop(session)),
	    .via = session_settings(session)->forward.via,
	};
	struct h1_head answer = *h;
	unsigned max = h->nfields + H2_LINES_ADDED, n;
	char buf[H2_LINES_BUF];
	struct field *lines =
	    malloc(max * (sizeof *lines + sizeof(nghttp2_nv)));
	nghttp2_nv *out = (nghttp2_nv *)(void *)(lines + max);

	if (s->closed || lines == NULL) {
		h2_stream_reset(s, NGHTTP2_INTERNAL_ERROR);
		free(lines);
		return;
	}
	if (conn_is_tls(session->conn))
		a.hsts = session->greeting->hsts;
	/* here 2xx would say that the tunnel is open (RFC 9113 8.5) */
	if (s->connect && h->status >= 200 && h->status < 300)
		answer.status = 502;
	if (h->status == 101)
		begin_tunnel(s);
	n = h2_write_response(&answer, &a, lines, max, buf);
	CHECK(n > 0);
	h2_link_lines(lines, n, out);
	submit_head(s, h, out, n);
	free(lines);
}

static void
h2_send_data(struct client *base, struct span piece)
{
	struct h2_stream *s = stream_of(base);

	if (s->closed || piece.n == 0)
		return;
	if (s->tunnel)
		h2_stream_hurry(s);
	if (h2_body_add(&s->out, piece))
		return;
	h2_stream_hurry(s);
	if (s->txn != NULL)
		txn_client_blocked(s->txn);
}

static void
h2_send_end(struct client *base, const struct h1_head *trailers)
{
	struct h2_stream *s = stream_of(base);

	if (!s->tunnel || s->end_told)
		s->txn = NULL;
	if (s->closed)
		return;
	h2_body_end(&s->out, trailers);
	if (h2_body_waits(&s->out))
		h2_stream_hurry(s);
	else if (!s->tunnel)
		s->due_us = 0;
}

static struct conn *
h2_raw(struct client *base)
{
	(void)base;
	return NULL;
}

static void
h2_pause(struct client *base)
{
	struct h2_stream *s = stream_of(base);

	s->held = true;
	if (!h2_body_waits(&s->out) && !s->tunnel)
		s->due_us = 0;
}

static void
h2_resume(struct client *base)
{
	struct h2_stream *s = stream_of(base);

	if (!s->held || (s->connect && !s->tunnel))
		return;
	s->held = false;
	if (!s->read)
		h2_stream_hurry(s);
	s->h2->resumed = true;
	h2_link_order(&s->h2->link);
}

static void
h2_reset(struct client *base, enum err reason)
{
	struct h2_stream *s = stream_of(base);

	(void)reason;
	s->txn = NULL;
	if (s->closed)
		return;
	/* what it got so far leaves first: a reset would overtake it */
	s->cut = s->h2->cut = true;
	h2_link_order(&s->h2->link);
}

static void
h2_end_tunnel(struct client *base)
{
	struct h2_stream *s = stream_of(base);

	s->txn = NULL;
	if (s->closed)
		return;
	s->tunnel = false; /* an answer before the end of its request */
	if (!s->out.ended)
		h2_send_end(base, NULL);
	else if (!h2_body_waits(&s->out))
		h2_stream_reset(s, NGHTTP2_NO_ERROR);
	h2_stream_deliver(s);
}

const struct client_ops h2_stream_ops = {
    .send_head = h2_send_head,
    .send_data = h2_send_data,
    .send_end = h2_send_end,
    .raw = h2_raw,
    .pause = h2_pause,
    .resume = h2_resume,
    .reset = h2_reset,
    .end_tunnel = h2_end_tunnel,
};

void
h2_stream_consumed(struct h2_stream *s, size_t n)
{
	if (s->h2->link.over || n == 0)
		return;
	nghttp2_session_consume(s->h2->link.session, s->id, n);
	h2_link_order(&s->h2->link);
}

static void
tell_end(struct h2_stream *s)
{
	struct worker *w = s->h2->session.worker;
	struct txn *t = s->txn;
	struct h1_head trailers;

	s->end_told = true;
	if (!h2_body_waits(&s->out) && (!s->tunnel || s->out.ended))
		s->due_us = 0;
	if (s->tunnel && s->out.ended)
		s->txn = NULL; /* the pod was first: this ends the txn */
	h1_head_init(&trailers, w->fields, w->nfields);
	if (h2_read_trailers(&s->trailers, &trailers) != ERR_NONE)
		txn_request_failed(t, ERR_BAD_REQUEST);
	else
		txn_request_end(t, trailers.nfields > 0 ? &trailers : NULL);
}

void
h2_stream_deliver(struct h2_stream *s)
{
	struct span piece;

	while (s->txn != NULL && !s->held && !fifo_empty(&s->in)) {
		piece = fifo_span(&s->in);
		txn_request_data(s->txn, piece);
		conn_flush(session_loop(&s->h2->session));
		if (s->closed) /* with that, all of it was given back */
			return;
		fifo_consume(&s->in, piece.n);
		h2_stream_consumed(s, piece.n);
	}
	if (s->txn == NULL) {
		h2_stream_consumed(s, fifo_span(&s->in).n);
		fifo_free(&s->in);
	} else if (!s->held && s->read && !s->end_told) {
		tell_end(s);
	}
}
