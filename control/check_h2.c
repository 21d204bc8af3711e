/* A health check in HTTP/2: one stream of a connection of its own. */
#include <ctype.h>
#include <nghttp2/nghttp2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "control/check_codec.h"
#include "control/grpc_health.h"
#include "control/pod_check.h"
#include "proxy/fifo.h"
#include "router/health.h"

#define CHECK_H2_MAGIC 0xc4ec0003u
/* Fields of a request that are ours. */
#define OWN_MAX 10u

struct check_h2 {
	struct check_codec base; /* first */
	unsigned magic;
	nghttp2_session *session;
	enum check_read state;
	size_t nask, asked; /* of the request's body */
	char ask[GRPC_HEALTH_ASK_MAX];
};

/* A request's fields while they are put together. */
struct lines {
	size_t n;
	nghttp2_nv list[OWN_MAX + EDITS_MAX];
	char names[EDITS_BYTES_MAX], *end; /* in lower case */
};

static void
h2_end(struct check_h2 *c, enum check_read state, const char *why)
{
	if (c->state != CHECK_READ_MORE)
		return;
	c->state = state;
	c->base.why = why;
}

static int
on_header(nghttp2_session *session, const nghttp2_frame *frame,
    const uint8_t *name, size_t name_n, const uint8_t *value, size_t value_n,
    uint8_t flags, void *arg)
{
	const struct span key = {(const char *)name, name_n};
	const struct span text = {(const char *)value, value_n};
	struct check_h2 *c = arg;
	uint64_t status;

	(void)session;
	(void)frame;
	(void)flags;
	/* only a response's head has one, and nghttp2 knows it for a number */
	if (span_eq(key, SPAN(":status")) && span_to_u64(text, &status) &&
	    status >= 200)
		c->base.status = (int)status;
	else if (span_eq(key, SPAN("grpc-status")) &&
		 span_to_u64(text, &status) && status <= INT32_MAX)
		c->base.grpc_status = (int)status;
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
	check_codec_body(&c->base, (struct span){(const char *)bytes, n});
	if (c->base.seen > CHECK_BODY_MAX)
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
h2_write(struct check_h2 *c, struct fifo *out)
{
	const uint8_t *bytes;
	ssize_t n;

	while ((n = nghttp2_session_mem_send(c->session, &bytes)) > 0)
		if (!fifo_append(
			out, (struct span){(const char *)bytes, (size_t)n}))
			return false;
	return n == 0;
}

static enum check_read
check_h2_read(struct check_codec *base, struct span in, struct fifo *out)
{
	struct check_h2 *c = h2_of(base);
	ssize_t n = 0;

	if (c->state != CHECK_READ_MORE)
		return c->state;
	n = nghttp2_session_mem_recv(c->session, (const uint8_t *)in.p, in.n);
	if (n == NGHTTP2_ERR_NOMEM || !h2_write(c, out)) {
		base->lost = true;
		h2_end(c, CHECK_READ_BAD, NULL);
	} else if (n < 0 || (!nghttp2_session_want_read(c->session) &&
				!nghttp2_session_want_write(c->session))) {
		h2_end(c, CHECK_READ_BAD, "malformed answer: not HTTP/2");
	}
	return c->state;
}

static void
check_h2_free(struct check_codec *base)
{
	struct check_h2 *c = h2_of(base);

	nghttp2_session_del(c->session);
	check_codec_fini(base);
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

static void
line(struct lines *l, struct span name, struct span value)
{
	CHECK(l->n < sizeof l->list / sizeof l->list[0]);
	l->list[l->n++] = (nghttp2_nv){(uint8_t *)name.p, (uint8_t *)value.p,
	    name.n, value.n, NGHTTP2_NV_FLAG_NONE};
}

/* Names are in lower case in HTTP/2 (RFC 9113 8.2). */
static void
own_line(struct lines *l, const struct edit *e)
{
	struct span name = {l->end, e->name.n};

	CHECK(name.n <= sizeof l->names - (size_t)(l->end - l->names));
	for (size_t i = 0; i < name.n; i++)
		*l->end++ = (char)tolower((unsigned char)e->name.p[i]);
	line(l, name, e->value);
}

static ssize_t
read_ask(nghttp2_session *session, int32_t stream, uint8_t *buf, size_t size,
    uint32_t *flags, nghttp2_data_source *source, void *arg)
{
	struct check_h2 *c = arg;
	struct span rest = {c->ask + c->asked, c->nask - c->asked};

	(void)session;
	(void)stream;
	(void)source;
	if (rest.n > size)
		rest.n = size;
	span_put((char *)buf, rest);
	c->asked += rest.n;
	if (c->asked == c->nask)
		*flags |= NGHTTP2_DATA_FLAG_EOF;
	return (ssize_t)rest.n;
}

static void
head_lines(struct lines *l, const struct check_wish *wish)
{
	const struct health_rules *rules = &wish->terms->health;
	const bool grpc = rules->type == HEALTH_GRPC;
	const char *method = grpc ? "POST" : health_methods[rules->method];

	line(l, SPAN(":method"), span_of(method));
	line(l, SPAN(":scheme"),
	    wish->tls != NULL ? SPAN("https") : SPAN("http"));
	line(l, SPAN(":authority"), span_of(check_codec_host(wish)));
	line(l, SPAN(":path"), span_of(grpc ? GRPC_HEALTH_PATH : rules->path));
	if (!edits_name(&rules->headers, SPAN("user-agent")))
		line(l, SPAN("user-agent"), SPAN(CHECK_AGENT));
	if (!grpc && !edits_name(&rules->headers, SPAN("accept")))
		line(l, SPAN("accept"), SPAN("*/*"));
	if (!grpc && rules->method == HEALTH_POST)
		line(l, SPAN("content-length"), SPAN("0"));
}

static bool
h2_ask(struct check_h2 *c, const struct check_wish *wish)
{
	const struct health_rules *rules = &wish->terms->health;
	const bool grpc = rules->type == HEALTH_GRPC;
	const nghttp2_settings_entry settings[] = {
	    {NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
	};
	const nghttp2_data_provider body = {.read_callback = read_ask};
	char timeout[16];
	struct lines l;

	l.n = 0;
	l.end = l.names;
	head_lines(&l, wish);
	if (grpc) {
		c->nask = grpc_health_ask(rules->grpc_service, c->ask);
		snprintf(timeout, sizeof timeout, "%um", rules->timeout_ms);
		line(&l, SPAN("te"), SPAN("trailers"));
		line(&l, SPAN("content-type"), SPAN("application/grpc"));
		line(&l, SPAN("grpc-timeout"), span_of(timeout));
	}
	for (size_t i = 0; i < rules->headers.n; i++)
		own_line(&l, &rules->headers.list[i]);
	return nghttp2_submit_settings(
		   c->session, NGHTTP2_FLAG_NONE, settings, 1) == 0 &&
	       nghttp2_submit_request(c->session, NULL, l.list, l.n,
		   grpc ? &body : NULL, NULL) > 0;
}

struct check_codec *
check_h2_new(const struct check_wish *wish, struct fifo *out)
{
	struct check_h2 *c = calloc(1, sizeof *c);

	if (c == NULL)
		return NULL;
	c->magic = CHECK_H2_MAGIC;
	check_codec_init(&c->base, &check_h2_ops, wish);
	c->session = h2_session(c);
	if (c->session == NULL || !h2_ask(c, wish) || !h2_write(c, out)) {
		check_h2_free(&c->base);
		return NULL;
	}
	return &c->base;
}
