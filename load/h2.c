/* HTTP/2 on one connection: many requests at a time (RFC 9113). */
#include <nghttp2/nghttp2.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/clock.h"
#include "load/jar.h"
#include "load/runner_state.h"

#define STREAM_WINDOW (1u << 20)
/* How often a call goes that the server has not looked at. */
#define RESENT_MAX	  5u
#define CONNECTION_WINDOW (1 << 24)

struct h2 {
	nghttp2_session *session;
	unsigned ncalls, max;
	bool leaving; /* the peer takes no more */
};

static struct call *
stream_call(nghttp2_session *session, int32_t stream)
{
	return nghttp2_session_get_stream_user_data(session, stream);
}

/* Whether the field is of the final head, or of trailers behind it. */
static int
on_header(nghttp2_session *session, const nghttp2_frame *frame,
    const uint8_t *name, size_t name_n, const uint8_t *value, size_t value_n,
    uint8_t flags, void *arg)
{
	struct connection *c = arg;
	struct call *call = stream_call(session, frame->hd.stream_id);
	struct span text = {(const char *)value, value_n};
	uint64_t status;

	(void)flags;
	if (call == NULL)
		return 0;
	if (name_n > 0 && name[0] == ':') {
		/* nghttp2 has seen that it is a number */
		if (span_to_u64(text, &status))
			call->answer.status = (int)status;
	} else if (call->answer.status >= 200) {
		runner_field(c->runner, call,
		    (struct span){(const char *)name, name_n}, text);
	}
	return 0;
}

static int
on_data(nghttp2_session *session, uint8_t flags, int32_t stream,
    const uint8_t *bytes, size_t n, void *arg)
{
	struct connection *c = arg;
	struct call *call = stream_call(session, stream);

	(void)flags;
	if (call != NULL)
		judge_body(&c->runner->trial->judge, &call->answer,
		    (struct span){(const char *)bytes, n});
	return 0;
}

static void
update_room(struct connection *c)
{
	runner_set_idle(c, codec_h2.room(c) > 0);
}

static enum failure
why_closed(uint32_t code)
{
	switch (code) {
	case NGHTTP2_PROTOCOL_ERROR:
	case NGHTTP2_INTERNAL_ERROR:
	case NGHTTP2_FLOW_CONTROL_ERROR:
	case NGHTTP2_FRAME_SIZE_ERROR:
	case NGHTTP2_COMPRESSION_ERROR:
		return FAILURE_PROTOCOL;
	default:
		return FAILURE_RESET;
	}
}

/* Such as when the peer has said meanwhile that it takes no more. */
static int
on_not_sent(
    nghttp2_session *session, const nghttp2_frame *frame, int why, void *arg)
{
	struct call *call = stream_call(session, frame->hd.stream_id);

	(void)why;
	(void)arg;
	if (call != NULL && frame->hd.type == NGHTTP2_HEADERS)
		call->unsent = true;
	return 0;
}

static int
on_close(nghttp2_session *session, int32_t stream, uint32_t code, void *arg)
{
	struct connection *c = arg;
	struct call *call = stream_call(session, stream);
	struct h2 *h = c->codec_state;

	if (call == NULL)
		return 0;
	h->ncalls--;
	update_room(c);
	if (code == NGHTTP2_NO_ERROR && call->answer.status >= 200)
		runner_answered(c->runner, call);
	else if (call->resent < RESENT_MAX &&
		 (call->unsent || code == NGHTTP2_REFUSED_STREAM))
		/* the server has not looked at it (RFC 9113 8.7) */
		runner_resend(c->runner, call);
	else
		runner_failed(c->runner, call, why_closed(code));
	return 0;
}

static int
on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
	struct connection *c = arg;
	struct h2 *h = c->codec_state;

	if (frame->hd.type == NGHTTP2_GOAWAY) {
		h->leaving = true;
	} else if (frame->hd.type == NGHTTP2_SETTINGS &&
		   !(frame->hd.flags & NGHTTP2_FLAG_ACK)) {
		uint32_t peer = nghttp2_session_get_remote_settings(
		    session, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);

		h->max = (unsigned)c->runner->trial->options.streams;
		if (h->max > peer)
			h->max = peer;
		c->runner->per_connection = h->max > 0 ? h->max : 1;
		connection_settle(c);
	} else {
		return 0;
	}
	update_room(c);
	return 0;
}

static nghttp2_session *
make_session(struct connection *c)
{
	nghttp2_session_callbacks *callbacks;
	nghttp2_session *session = NULL;

	if (nghttp2_session_callbacks_new(&callbacks) != 0)
		return NULL;
	nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(
	    callbacks, on_data);
	nghttp2_session_callbacks_set_on_stream_close_callback(
	    callbacks, on_close);
	nghttp2_session_callbacks_set_on_frame_recv_callback(
	    callbacks, on_frame);
	nghttp2_session_callbacks_set_on_frame_not_send_callback(
	    callbacks, on_not_sent);
	if (nghttp2_session_client_new(&session, callbacks, c) != 0)
		session = NULL;
	nghttp2_session_callbacks_del(callbacks);
	return session;
}

static bool
h2_open(struct connection *c)
{
	const nghttp2_settings_entry settings[] = {
	    {NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
	    {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, STREAM_WINDOW},
	};
	struct h2 *h = calloc(1, sizeof *h);

	c->codec_state = h;
	if (h == NULL)
		return false;
	/* one, until it is known how many the peer wants */
	h->max = 1;
	c->runner->per_connection = (unsigned)c->runner->trial->options.streams;
	h->session = make_session(c);
	return h->session != NULL &&
	       nghttp2_submit_settings(
		   h->session, NGHTTP2_FLAG_NONE, settings, 2) == 0 &&
	       nghttp2_session_set_local_window_size(
		   h->session, NGHTTP2_FLAG_NONE, 0, CONNECTION_WINDOW) == 0;
}

static unsigned
h2_room(const struct connection *c)
{
	const struct h2 *h = c->codec_state;

	if (h->leaving || h->ncalls >= h->max ||
	    !nghttp2_session_check_request_allowed(h->session))
		return 0;
	return h->max - h->ncalls;
}

static ssize_t
read_body(nghttp2_session *session, int32_t stream, uint8_t *buf, size_t size,
    uint32_t *flags, nghttp2_data_source *source, void *arg)
{
	struct connection *c = arg;
	struct call *call = stream_call(session, stream);
	struct span rest;

	(void)source;
	if (call == NULL)
		return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
	rest = c->runner->trial->requests[call->profile].body;
	rest.p += call->sent;
	rest.n -= call->sent;
	if (rest.n > size)
		rest.n = size;
	else
		*flags |= NGHTTP2_DATA_FLAG_EOF;
	span_put((char *)buf, rest);
	call->sent += rest.n;
	return (ssize_t)rest.n;
}

static void
add_nv(nghttp2_nv *list, size_t *n, struct span name, struct span value)
{
	list[(*n)++] = (nghttp2_nv){(uint8_t *)name.p, (uint8_t *)value.p,
	    name.n, value.n, NGHTTP2_NV_FLAG_NONE};
}

/*
 * The fields of a call, values expanded into the runner's line; first all of
 * them, because it moves while it grows.
 */
static size_t
write_fields(struct runner *r, const struct call *call, nghttp2_nv *list)
{
	const struct request *request = &r->trial->requests[call->profile];
	const struct user *user = call->user;
	uint64_t number = user != NULL ? user->number : call->k + 1;
	size_t ends[REQUEST_FIELDS_MAX], n = 0, at = 0;

	r->line.n = 0;
	for (size_t i = 0; i < request->nfields; i++) {
		if (!request->fixed)
			request_expand(
			    request->fields[i].value, number, &r->line);
		ends[i] = r->line.n;
	}
	if (user != NULL)
		jar_write(&user->jar, clock_wall_us(), &r->line);
	for (size_t i = 0; i < request->nfields; i++) {
		struct span value = request->fields[i].value;

		if (!request->fixed)
			value = (struct span){r->line.p + at, ends[i] - at};
		add_nv(list, &n, request->fields[i].name, value);
		at = ends[i];
	}
	if (r->line.n > at)
		add_nv(list, &n, SPAN("cookie"),
		    (struct span){r->line.p + at, r->line.n - at});
	return n;
}

static void
h2_submit(struct connection *c, struct call *call)
{
	struct runner *r = c->runner;
	const nghttp2_data_provider body = {.read_callback = read_body};
	nghttp2_nv list[REQUEST_FIELDS_MAX + 1];
	struct h2 *h = c->codec_state;
	size_t n = write_fields(r, call, list);

	call->sent = 0;
	call->unsent = false;
	call->stream = nghttp2_submit_request(h->session, NULL, list, n,
	    r->trial->requests[call->profile].body.n > 0 ? &body : NULL, call);
	if (call->stream < 0) {
		/* no stream numbers are left, or no memory */
		h->leaving = true;
		update_room(c);
		runner_failed(r, call, FAILURE_RESET);
		return;
	}
	h->ncalls++;
	update_room(c);
	runner_set_dirty(c);
}

/* Also when we have said so because of what the peer did. */
static bool
is_over(nghttp2_session *session)
{
	return !nghttp2_session_want_read(session) &&
	       !nghttp2_session_want_write(session);
}

static void
h2_flush(struct connection *c)
{
	struct h2 *h = c->codec_state;
	const uint8_t *bytes;
	ssize_t n;

	while (c->state == CONNECTION_OPEN &&
	       (n = nghttp2_session_mem_send(h->session, &bytes)) != 0) {
		if (n < 0) {
			connection_fail(c, FAILURE_PROTOCOL);
			return;
		}
		connection_send(
		    c, (struct span){(const char *)bytes, (size_t)n});
	}
	if (h->leaving && h->ncalls == 0)
		connection_close(c);
	else if (is_over(h->session))
		connection_fail(c, FAILURE_PROTOCOL);
}

static void
h2_receive(struct connection *c, struct span bytes)
{
	struct h2 *h = c->codec_state;
	ssize_t n = nghttp2_session_mem_recv(
	    h->session, (const uint8_t *)bytes.p, bytes.n);

	if (n < 0 || is_over(h->session)) {
		connection_fail(c, FAILURE_PROTOCOL);
		return;
	}
	runner_set_dirty(c);
}

static void
h2_end(struct connection *c)
{
	connection_fail(c, FAILURE_RESET);
}

/* nghttp2 still knows the streams, but not whose they were. */
static void
h2_fail(struct connection *c, enum failure why)
{
	struct runner *r = c->runner;
	struct h2 *h = c->codec_state;
	struct call *call, *next;

	TAILQ_FOREACH_SAFE (call, &r->calls, link, next) {
		if (call->conn != c)
			continue;
		/* submitted, but not flushed */
		if (call->resent < RESENT_MAX &&
		    nghttp2_session_find_stream(h->session, call->stream) ==
			NULL)
			runner_resend(r, call);
		else
			runner_failed(r, call, why);
	}
}

static void
h2_cancel(struct connection *c, struct call *call)
{
	struct h2 *h = c->codec_state;

	nghttp2_session_set_stream_user_data(h->session, call->stream, NULL);
	nghttp2_submit_rst_stream(
	    h->session, NGHTTP2_FLAG_NONE, call->stream, NGHTTP2_CANCEL);
	h->ncalls--;
	update_room(c);
	runner_set_dirty(c);
}

static void
h2_free(struct connection *c)
{
	struct h2 *h = c->codec_state;

	if (h == NULL)
		return;
	nghttp2_session_del(h->session);
	free(h);
}

const struct codec codec_h2 = {
    .open = h2_open,
    .room = h2_room,
    .submit = h2_submit,
    .receive = h2_receive,
    .end = h2_end,
    .cancel = h2_cancel,
    .flush = h2_flush,
    .fail = h2_fail,
    .free = h2_free,
};
