/* What a txn orders from the HTTP/2 stream that its request went out on. */
#include <stdlib.h>

#include "conf/settings.h"
#include "proxy/conn.h"
#include "proxy/http.h"
#include "proxy/upstream_h2_state.h"
#include "proxy/worker_state.h"

static const struct upstream_ops upstream_h2_ops;

static struct upstream_h2 *
stream_of(struct upstream *base)
{
	CHECK_OBJ(base, UPSTREAM_MAGIC);
	return (struct upstream_h2 *)base;
}

struct upstream_h2 *
upstream_h2_new(struct trunk *k, const struct version *v)
{
	struct upstream_h2 *u = calloc(1, sizeof *u);

	if (u == NULL)
		return NULL;
	upstream_init(&u->base, &upstream_h2_ops, k->worker, v, k->pod);
	u->trunk = k;
	u->base.ready = k->state == TRUNK_OPEN;
	h2_body_init(&u->out, &k->link, 0);
	TAILQ_INSERT_TAIL(&k->streams, u, link);
	k->nstreams++;
	return u;
}

static void
upstream_h2_free(struct dead *d)
{
	struct upstream_h2 *u =
	    (struct upstream_h2 *)((char *)d -
				   offsetof(struct upstream_h2, dead));

	CHECK(u->closed);
	h2_body_free(&u->out);
	upstream_fini(&u->base);
	free(u);
}

void
upstream_h2_bury(struct upstream_h2 *u)
{
	struct trunk *k = u->trunk;

	CHECK(u->closed);
	if (u->buried)
		return;
	u->buried = true;
	if (u->answered)
		k->refusing = false;
	TAILQ_REMOVE(&k->streams, u, link);
	k->nstreams--;
	loop_bury(&k->worker->loop, &u->dead, upstream_h2_free);
	trunk_settle(k);
}

/* The windows open again by what the txn took, or will never take. */
static void
consumed(struct upstream_h2 *u, size_t n)
{
	struct h2_link *k = &u->trunk->link;

	if (k->over || n == 0)
		return;
	nghttp2_session_consume(k->session, u->id, n);
	h2_link_order(k);
}

/*
 * The txn lets go, and what has not come or gone is not wanted. nghttp2 has
 * to forget the stream before its memory can go.
 */
static void
stream_end(struct upstream_h2 *u)
{
	struct trunk *k = u->trunk;

	if (u->closed)
		return;
	u->closed = true;
	u->base.txn = NULL;
	u->due_us = 0;
	trunk_answered(k, u);
	consumed(u, fifo_span(&u->in).n);
	fifo_free(&u->in);
	h2_section_end(&u->trailers);
	if (u->id > 0 && !u->forgotten && (!u->complete || !u->out.ended)) {
		nghttp2_submit_rst_stream(k->link.session, NGHTTP2_FLAG_NONE,
		    u->id, u->complete ? NGHTTP2_NO_ERROR : NGHTTP2_CANCEL);
		h2_link_order(&k->link);
		h2_body_free(&u->out);
	}
	if (u->id == 0 || u->forgotten)
		upstream_h2_bury(u);
}

void
upstream_h2_fail(
    struct upstream_h2 *u, enum err reason, enum upstream_loss loss)
{
	const struct upstream_events *events = u->base.events;
	struct txn *t = u->base.txn;

	stream_end(u);
	if (t != NULL)
		events->failed(t, reason, loss);
}

void
upstream_h2_doom(
    struct upstream_h2 *u, enum err reason, enum upstream_loss loss)
{
	u->doom = reason;
	u->doom_loss = loss;
	u->trunk->doomed = true;
	h2_link_order(&u->trunk->link);
}

static const struct timeouts *
timeouts(const struct upstream_h2 *u)
{
	return &u->base.worker->settings->timeouts;
}

void
upstream_h2_set_due(struct upstream_h2 *u)
{
	uint32_t ms = 0;

	if (u->closed || u->end_told)
		return;
	if (h2_body_waits(&u->out) || (u->answered && !u->held && !u->connect))
		ms = timeouts(u)->body;
	else if (!u->answered && u->request_done)
		ms = timeouts(u)->response;
	u->sent = u->out.sent;
	u->due_us =
	    ms == 0 ? 0
		    : loop_now(&u->base.worker->loop) + (uint64_t)ms * 1000u;
	if (ms != 0)
		trunk_due(u->trunk, u->due_us);
}

bool
upstream_h2_expired(struct upstream_h2 *u)
{
	if (!h2_body_waits(&u->out) || u->out.sent == u->sent)
		return true;
	upstream_h2_set_due(u);
	return false;
}

/* Whether the pod has said that it takes an extended CONNECT (RFC 8441 3). */
static bool
may_connect(const struct upstream_h2 *u)
{
	return nghttp2_session_get_remote_settings(u->trunk->link.session,
		   NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL) == 1;
}

static void
submit(struct upstream_h2 *u, const struct h1_head *h, bool body)
{
	struct trunk *k = u->trunk;
	unsigned max = h->nfields + H2_LINES_ADDED, n;
	char buf[H2_LINES_BUF];
	struct field *lines =
	    malloc(max * (sizeof *lines + sizeof(nghttp2_nv)));
	nghttp2_nv *out = (nghttp2_nv *)(void *)(lines + max);
	nghttp2_data_provider provider;

	if (lines == NULL) {
		upstream_h2_doom(u, ERR_INTERNAL, LOSS_PLAIN);
		return;
	}
	n = h2_write_request(
	    h, k->tls != NULL ? SPAN("https") : SPAN("http"), lines, max, buf);
	CHECK(n > 0);
	h2_link_lines(lines, n, out);
	provider = h2_body_provider(&u->out);
	u->out.ended = !body;
	u->id = nghttp2_submit_request(
	    k->link.session, NULL, out, n, body ? &provider : NULL, u);
	free(lines);
	u->out.stream = u->id;
	if (u->id > 0) {
		trunk_asked(k, u);
		h2_link_order(&k->link);
		return;
	}
	u->id = 0;
	trunk_leave(k);
	upstream_h2_doom(u, ERR_POD_RESET, LOSS_UNSENT);
}

static void
h2_send_head(struct upstream *base, const struct upstream_request *r)
{
	struct upstream_h2 *u = stream_of(base);
	struct worker *w = base->worker;
	struct h1_head h;

	CHECK(base->ready && u->id == 0);
	h1_head_init(&h, w->fields, w->nfields + WORKER_FIELDS_ADDED);
	/* our own writing, but maybe from before a reload lowered a limit */
	if (h1_parse_request(r->head, &h) != H1_DONE) {
		upstream_h2_doom(u, ERR_INTERNAL, LOSS_PLAIN);
		return;
	}
	u->head_method = r->head_method;
	u->connect =
	    r->upgrade && span_eq_nocase(http_field_named(&h, SPAN("upgrade")),
			      SPAN("websocket"));
	if (u->connect && !may_connect(u)) {
		upstream_h2_doom(u, ERR_NO_WEBSOCKET, LOSS_PLAIN);
		return;
	}
	if (u->connect &&
	    !websocket_accept(
		http_field_named(&h, SPAN("sec-websocket-key")), u->accept)) {
		upstream_h2_doom(u, ERR_BAD_REQUEST, LOSS_PLAIN);
		return;
	}
	submit(u, &h, r->body != H1_BODY_NONE || u->connect);
}

static void
h2_send_data(struct upstream *base, struct span piece)
{
	struct upstream_h2 *u = stream_of(base);

	if (u->closed || u->id <= 0 || h2_body_add(&u->out, piece))
		return;
	upstream_h2_set_due(u);
	if (base->txn != NULL)
		base->events->blocked(base->txn);
}

static void
h2_send_end(struct upstream *base, const struct h1_head *trailers)
{
	struct upstream_h2 *u = stream_of(base);
	bool tunnel = u->connect && u->answered;

	if (u->closed || u->id <= 0 || (u->connect && !tunnel))
		return; /* what asks for a tunnel has no body of its own */
	u->request_done = true;
	h2_body_end(&u->out, trailers);
	if (!tunnel)
		upstream_h2_set_due(u);
}

static struct conn *
h2_raw(struct upstream *base)
{
	(void)base;
	return NULL;
}

static void
h2_pause(struct upstream *base)
{
	struct upstream_h2 *u = stream_of(base);

	u->held = true;
	upstream_h2_set_due(u);
}

static void
h2_resume(struct upstream *base)
{
	struct upstream_h2 *u = stream_of(base);

	if (!u->held || u->closed)
		return;
	u->held = false;
	u->trunk->resumed = true;
	h2_link_order(&u->trunk->link);
	upstream_h2_set_due(u);
}

static void
h2_close(struct upstream *base)
{
	stream_end(stream_of(base));
}

static const struct upstream_ops upstream_h2_ops = {
    .send_head = h2_send_head,
    .send_data = h2_send_data,
    .send_end = h2_send_end,
    .raw = h2_raw,
    .pause = h2_pause,
    .resume = h2_resume,
    .release = h2_close,
    .close = h2_close,
};

static void
tell_end(struct upstream_h2 *u)
{
	struct worker *w = u->base.worker;
	struct h2_section over = u->trailers; /* outlives the stream */
	struct h1_head trailers;

	u->end_told = true;
	u->due_us = 0;
	u->trailers = (struct h2_section){0};
	h1_head_init(&trailers, w->fields, w->nfields);
	if (h2_read_trailers(&over, &trailers) != ERR_NONE)
		upstream_h2_fail(u, ERR_BAD_RESPONSE, LOSS_PLAIN);
	else
		u->base.events->end(
		    u->base.txn, trailers.nfields > 0 ? &trailers : NULL);
	h2_section_end(&over);
}

void
upstream_h2_deliver(struct upstream_h2 *u)
{
	struct span piece;

	while (u->base.txn != NULL && !u->held && !fifo_empty(&u->in)) {
		piece = fifo_span(&u->in);
		u->base.events->data(u->base.txn, piece);
		conn_flush(&u->base.worker->loop);
		if (u->closed) /* with that, all of it was given back */
			return;
		consumed(u, piece.n);
		fifo_consume(&u->in, piece.n);
	}
	if (u->base.txn != NULL && !u->held && u->complete && !u->end_told)
		tell_end(u);
}
