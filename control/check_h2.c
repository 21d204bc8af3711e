/* A health check in HTTP/2: one stream of a connection of its own. */
#include <event2/buffer.h>
#include <nghttp2/nghttp2.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/span.h"
#include "control/check_codec.h"
#include "control/check_http.h"

#define CHECK_H2_MAGIC 0xc4ec0003u

struct check_h2 {
	struct check_codec base; /* first */
	unsigned magic;
	nghttp2_session *session;
	enum check_read state;
	uint64_t body_bytes;
};

static void
h2_end(struct check_h2 *c, enum check_read state, const char *why)
{
	if (c->state != CHECK_READ_MORE)
		return;
	c->state = state;
	c->base.why = why;
}

/* Only a response's head has a status, and nghttp2 knows it for a number. */
static int
on_header(nghttp2_session *session, const nghttp2_frame *frame,
    const uint8_t *name, size_t name_n, const uint8_t *value, size_t value_n,
    uint8_t flags, void *arg)
{
	struct check_h2 *c = arg;
	uint64_t status;

	(void)session;
	(void)frame;
	(void)flags;
	if (span_eq(
		(struct span){(const char *)name, name_n}, SPAN(":status")) &&
	    span_to_u64((struct span){(const char *)value, value_n}, &status) &&
	    status >= 200)
		c->base.status = (int)status;
	return 0;
}

static int
on_data(nghttp2_session *session, uint8_t flags, int32_t stream,
    const uint8_t *bytes, size_t n, void *arg)
{
	struct check_h2 *c = arg;

	(void)session;
	(void)flags;
	(void)stream;
	(void)bytes;
	c->body_bytes += n;
	if (c->body_bytes > CHECK_BODY_MAX)
		h2_end(c, CHECK_READ_DONE, NULL);
	return 0;
}

static int
on_close(nghttp2_session *session, int32_t stream, uint32_t code, void *arg)
{
	struct check_h2 *c = arg;

	(void)session;
	(void)stream;
	if (code == NGHTTP2_NO_ERROR && c->base.status != 0)
		h2_end(c, CHECK_READ_DONE, NULL);
	else if (code == NGHTTP2_REFUSED_STREAM)
		h2_end(c, CHECK_READ_BAD, "the pod refused the request");
	else
		h2_end(c, CHECK_READ_BAD, "the pod reset the request");
	return 0;
}

static struct check_h2 *
h2_of(struct check_codec *base)
{
	struct check_h2 *c = (struct check_h2 *)base;

	CHECK_OBJ(c, CHECK_H2_MAGIC);
	return c;
}

/* False without memory. */
static bool
h2_write(struct check_h2 *c, struct evbuffer *out)
{
	const uint8_t *bytes;
	ssize_t n;

	while ((n = nghttp2_session_mem_send(c->session, &bytes)) > 0)
		if (evbuffer_add(out, bytes, (size_t)n) < 0)
			return false;
	return n == 0;
}

static enum check_read
check_h2_read(
    struct check_codec *base, struct evbuffer *in, struct evbuffer *out)
{
	struct check_h2 *c = h2_of(base);
	size_t n;
	bool good = true;

	while (good && c->state == CHECK_READ_MORE &&
	       (n = evbuffer_get_contiguous_space(in)) > 0) {
		good = nghttp2_session_mem_recv(
			   c->session, evbuffer_pullup(in, (ssize_t)n), n) >= 0;
		evbuffer_drain(in, n);
	}
	if (!good || !h2_write(c, out) ||
	    (!nghttp2_session_want_read(c->session) &&
		!nghttp2_session_want_write(c->session)))
		h2_end(c, CHECK_READ_BAD, "malformed answer: not HTTP/2");
	return c->state;
}

static void
check_h2_free(struct check_codec *base)
{
	struct check_h2 *c = h2_of(base);

	nghttp2_session_del(c->session);
	c->magic = 0;
	free(c);
}

static const struct check_codec_ops check_h2_ops = {
    .read = check_h2_read,
    .free = check_h2_free,
};

static nghttp2_session *
h2_session(struct check_h2 *c)
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
	if (nghttp2_session_client_new(&session, callbacks, c) != 0)
		session = NULL;
	nghttp2_session_callbacks_del(callbacks);
	return session;
}

static nghttp2_nv
line(const char *name, const char *value)
{
	return (nghttp2_nv){(uint8_t *)name, (uint8_t *)value, strlen(name),
	    strlen(value), NGHTTP2_NV_FLAG_NONE};
}

static bool
h2_ask(struct check_h2 *c, const struct check_wish *wish)
{
	const nghttp2_settings_entry settings[] = {
	    {NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
	};
	const nghttp2_nv request[] = {
	    line(":method", "GET"),
	    line(":scheme", wish->tls != NULL ? "https" : "http"),
	    line(":authority", wish->address->text),
	    line(":path", wish->path),
	    line("user-agent", CHECK_AGENT),
	    line("accept", "*/*"),
	};

	return nghttp2_submit_settings(
		   c->session, NGHTTP2_FLAG_NONE, settings, 1) == 0 &&
	       nghttp2_submit_request(c->session, NULL, request,
		   sizeof request / sizeof request[0], NULL, NULL) > 0;
}

struct check_codec *
check_h2_new(const struct check_wish *wish, struct evbuffer *out)
{
	struct check_h2 *c = calloc(1, sizeof *c);

	if (c == NULL)
		return NULL;
	c->base.ops = &check_h2_ops;
	c->magic = CHECK_H2_MAGIC;
	c->session = h2_session(c);
	if (c->session == NULL || !h2_ask(c, wish) || !h2_write(c, out)) {
		check_h2_free(&c->base);
		return NULL;
	}
	return &c->base;
}
