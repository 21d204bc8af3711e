/*
 * The frames that come from a pod, as nghttp2 tells of them. What is ordered
 * meanwhile leaves when the turn is over.
 */
#include "conf/settings.h"
#include "proxy/conn.h"
#include "proxy/upstream_h2_state.h"
#include "proxy/worker_state.h"

static struct upstream_h2 *
find(nghttp2_session *session, int32_t id)
{
	return nghttp2_session_get_stream_user_data(session, id);
}

static int
verdict(const struct trunk *k)
{
	return k->link.over ? NGHTTP2_ERR_CALLBACK_FAILURE : 0;
}

static int
on_begin_headers(
    nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
	struct trunk *k = arg;

	(void)session;
	(void)frame;
	h2_section_end(&k->section);
	return 0;
}

static int
on_header(nghttp2_session *session, const nghttp2_frame *frame,
    const uint8_t *name, size_t name_n, const uint8_t *value, size_t value_n,
    uint8_t flags, void *arg)
{
	struct trunk *k = arg;
	const struct limits *limits = &k->worker->settings->limits;

	(void)session;
	(void)frame;
	(void)flags;
	h2_section_add(&k->section, (struct span){(const char *)name, name_n},
	    (struct span){(const char *)value, value_n}, limits->header_bytes,
	    limits->header_count);
	return 0;
}

/* 2xx to an extended CONNECT is what 101 is to an Upgrade (RFC 8441 5). */
static void
accept_tunnel(struct upstream_h2 *u, struct h1_head *h)
{
	h->status = 101;
	h->reason = SPAN("Switching Protocols");
	h->body = H1_BODY_NONE;
	h->fields[h->nfields++] =
	    (struct field){SPAN("Upgrade"), SPAN("websocket"), FIELD_UPGRADE};
	h->fields[h->nfields++] = (struct field){SPAN("Sec-WebSocket-Accept"),
	    {u->accept, sizeof u->accept}, FIELD_OTHER};
}

static void
response_head(struct upstream_h2 *u, bool end)
{
	struct trunk *k = u->trunk;
	struct worker *w = k->worker;
	struct h1_head h;

	h1_head_init(&h, w->fields, w->nfields);
	if (h2_read_response(&k->section, end, u->head_method, &h) !=
	    ERR_NONE) {
		upstream_h2_fail(u, ERR_BAD_RESPONSE, LOSS_PLAIN);
		return;
	}
	if (h.status >= 200) {
		u->answered = true;
		trunk_answered(k, u);
		k->served = true;
		if (u->connect && h.status < 300)
			accept_tunnel(u, &h);
		else
			u->connect = false;
		upstream_h2_set_due(u);
	}
	u->base.events->head(u->base.txn, &h);
	conn_flush(&w->loop); /* what was ordered may point into the section */
	h2_section_end(&k->section);
}

static void
response_read(struct upstream_h2 *u)
{
	u->complete = true;
	upstream_h2_deliver(u);
}

static void
on_headers(struct upstream_h2 *u, bool end)
{
	struct trunk *k = u->trunk;

	if (!u->answered) {
		response_head(u, end);
	} else {
		h2_section_end(&u->trailers);
		u->trailers = k->section;
		k->section = (struct h2_section){0};
	}
	if (end && !u->closed)
		response_read(u);
	else if (end)
		u->complete = true;
}

static int
on_frame_recv(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
	struct trunk *k = arg;
	struct upstream_h2 *u = NULL;
	bool end = frame->hd.flags & NGHTTP2_FLAG_END_STREAM;

	if (frame->hd.type != NGHTTP2_PING)
		k->spoke = true;
	if (frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA)
		u = find(session, frame->hd.stream_id);
	if (frame->hd.type == NGHTTP2_SETTINGS &&
	    !(frame->hd.flags & NGHTTP2_FLAG_ACK))
		trunk_open(k);
	else if (frame->hd.type == NGHTTP2_GOAWAY)
		trunk_leave(k);
	else if (u == NULL)
		return verdict(k);
	else if (u->closed)
		u->complete |= end;
	else if (frame->hd.type == NGHTTP2_HEADERS)
		on_headers(u, end);
	else if (end)
		response_read(u);
	return verdict(k);
}

static int
on_data(nghttp2_session *session, uint8_t flags, int32_t id,
    const uint8_t *bytes, size_t n, void *arg)
{
	struct trunk *k = arg;
	struct upstream_h2 *u = find(session, id);
	struct span piece = {(const char *)bytes, n};

	(void)flags;
	if (u == NULL || u->closed || !u->answered) {
		nghttp2_session_consume(session, id, n);
		return 0;
	}
	if (u->held || !fifo_empty(&u->in))
		return fifo_append(&u->in, piece)
			   ? 0
			   : NGHTTP2_ERR_CALLBACK_FAILURE;
	upstream_h2_set_due(u);
	u->base.events->data(u->base.txn, piece);
	if (!k->link.over)
		nghttp2_session_consume(session, id, n);
	return verdict(k);
}

static int
on_stream_close(nghttp2_session *session, int32_t id, uint32_t code, void *arg)
{
	struct trunk *k = arg;
	struct upstream_h2 *u = find(session, id);

	if (u == NULL)
		return 0;
	if (u->closed) {
		upstream_h2_bury(u);
		return 0;
	}
	u->forgotten = true;
	h2_body_free(&u->out);
	if (u->complete) /* its txn is still to get what has come of it */
		return 0;
	if (code == NGHTTP2_REFUSED_STREAM) {
		/* the pod has not looked at it (RFC 9113 8.7) */
		k->refusing = true;
		upstream_h2_doom(u, ERR_POD_RESET, LOSS_UNSENT);
	} else {
		upstream_h2_doom(u,
		    code == NGHTTP2_PROTOCOL_ERROR ? ERR_BAD_RESPONSE
						   : ERR_POD_RESET,
		    LOSS_PLAIN);
	}
	return 0;
}

/* A request that GOAWAY has overtaken never left. */
static int
on_frame_not_send(
    nghttp2_session *session, const nghttp2_frame *frame, int error, void *arg)
{
	struct upstream_h2 *u;

	(void)error;
	(void)arg;
	if (frame->hd.type != NGHTTP2_HEADERS)
		return 0;
	u = find(session, frame->hd.stream_id);
	if (u != NULL && !u->closed)
		upstream_h2_doom(u, ERR_POD_RESET, LOSS_UNSENT);
	return 0;
}

/* From here on it is the pod's turn: it has the whole request. */
static int
on_frame_send(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
	struct upstream_h2 *u = find(session, frame->hd.stream_id);

	(void)arg;
	if (u != NULL && frame->hd.type == NGHTTP2_DATA &&
	    (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0)
		upstream_h2_set_due(u);
	return 0;
}

const struct h2_calls trunk_calls = {
    .begin_headers = on_begin_headers,
    .header = on_header,
    .frame_recv = on_frame_recv,
    .data = on_data,
    .frame_send = on_frame_send,
    .frame_not_send = on_frame_not_send,
    .stream_close = on_stream_close,
};
