/* A health check in HTTP/1.1. */
#include <stdlib.h>

#include "base/check.h"
#include "control/check_codec.h"
#include "control/pod_check.h"
#include "proxy/fifo.h"
#include "proxy/h1_parse.h"
#include "router/health.h"

#define CHECK_H1_MAGIC	 0xc4ec0002u
#define CHECK_HEAD_MAX	 8192u
#define CHECK_FIELDS_MAX 128u

struct check_h1 {
	struct check_codec base; /* first */
	unsigned magic;
	bool head_method;  /* the answer has no body */
	struct fifo early; /* of a head that is not complete */
	size_t scanned;	   /* of it */
	enum h1_body body;
	uint64_t left; /* with H1_BODY_LENGTH */
	struct h1_chunks chunks;
};

static enum check_read
read_bad(struct check_h1 *c, const char *why)
{
	c->base.why = why;
	return CHECK_READ_BAD;
}

static enum check_read
read_lost(struct check_h1 *c)
{
	c->base.lost = true;
	return CHECK_READ_BAD;
}

static enum check_read
read_chunks(struct check_h1 *c, struct span in)
{
	struct span piece;

	for (;;) {
		switch (h1_parse_chunked(&c->chunks, &in, &piece)) {
		case H1_MORE:
			return CHECK_READ_MORE;
		case H1_BAD:
			return read_bad(c, "malformed answer: chunks");
		case H1_DONE:
			if (piece.n == 0)
				return CHECK_READ_DONE;
			check_codec_body(&c->base, piece);
			break;
		}
	}
}

static enum check_read
read_body(struct check_h1 *c, struct span in)
{
	enum check_read r = CHECK_READ_MORE;

	if (c->body == H1_BODY_CHUNKED) {
		r = read_chunks(c, in);
	} else if (c->body != H1_BODY_NONE) {
		if (c->body == H1_BODY_LENGTH && in.n > c->left)
			in.n = (size_t)c->left;
		c->left -= c->body == H1_BODY_LENGTH ? in.n : 0;
		check_codec_body(&c->base, in);
	}
	if (r == CHECK_READ_MORE &&
	    (c->body == H1_BODY_NONE || c->base.seen > CHECK_BODY_MAX ||
		(c->body == H1_BODY_LENGTH && c->left == 0)))
		return CHECK_READ_DONE;
	return r;
}

/* Up to the final head; what is behind it stays in *in. */
static enum check_read
read_heads(struct check_h1 *c, struct span *in)
{
	struct field fields[CHECK_FIELDS_MAX];
	struct h1_head head;

	while (h1_head_complete(*in, &c->scanned)) {
		h1_head_init(&head, fields, CHECK_FIELDS_MAX);
		if (h1_parse_response(*in, c->head_method, &head) != H1_DONE)
			return read_bad(c, "malformed answer");
		if (head.size > CHECK_HEAD_MAX)
			break;
		in->p += head.size;
		in->n -= head.size;
		c->scanned = 0;
		if (head.status >= 200 || head.status == 101) {
			c->base.status = head.status;
			c->base.until_close = head.body == H1_BODY_CLOSE;
			c->body = head.body;
			c->left = head.length;
			return CHECK_READ_DONE;
		}
	}
	if (in->n >= CHECK_HEAD_MAX)
		return read_bad(c, "malformed answer: head exceeds 8192 bytes");
	return CHECK_READ_MORE;
}

/* Heads mostly come in one piece, and then nothing is copied. */
static enum check_read
read_early(struct check_h1 *c, struct span in)
{
	const bool more = !fifo_empty(&c->early);
	struct span rest = in;
	enum check_read r;

	if (more && !fifo_append(&c->early, in))
		return read_lost(c);
	if (more)
		rest = in = fifo_span(&c->early);
	r = read_heads(c, &rest);
	if (r == CHECK_READ_DONE)
		r = read_body(c, rest);
	else if (r == CHECK_READ_MORE && !more && !fifo_append(&c->early, rest))
		return read_lost(c);
	if (more)
		fifo_consume(&c->early, in.n - rest.n);
	return r;
}

static struct check_h1 *
h1_of(struct check_codec *base)
{
	struct check_h1 *c = (struct check_h1 *)base;

	CHECK_OBJ(c, CHECK_H1_MAGIC);
	return c;
}

static enum check_read
check_h1_read(struct check_codec *base, struct span in, struct fifo *out)
{
	struct check_h1 *c = h1_of(base);

	(void)out;
	return base->status == 0 ? read_early(c, in) : read_body(c, in);
}

static void
check_h1_free(struct check_codec *base)
{
	struct check_h1 *c = h1_of(base);

	fifo_free(&c->early);
	check_codec_fini(base);
	c->magic = 0;
	free(c);
}

static const struct check_codec_ops check_h1_ops = {
    .read = check_h1_read,
    .free = check_h1_free,
};

static bool
put(struct fifo *out, const char *text)
{
	return fifo_append(out, span_of(text));
}

static bool
put_field(struct fifo *out, struct span name, struct span value)
{
	return fifo_append(out, name) && put(out, ": ") &&
	       fifo_append(out, value) && put(out, "\r\n");
}

/* False without memory. */
static bool
put_request(const struct check_wish *wish, struct fifo *out)
{
	const struct health_rules *rules = &wish->terms->health;
	const struct edits *own = &rules->headers;
	bool done = put(out, health_methods[rules->method]) && put(out, " ") &&
		    put(out, rules->path) && put(out, " HTTP/1.1\r\nHost: ") &&
		    put(out, check_codec_host(wish)) && put(out, "\r\n");

	if (!edits_name(own, SPAN("user-agent")))
		done = done && put(out, "User-Agent: " CHECK_AGENT "\r\n");
	if (!edits_name(own, SPAN("accept")))
		done = done && put(out, "Accept: */*\r\n");
	if (rules->method == HEALTH_POST)
		done = done && put(out, "Content-Length: 0\r\n");
	for (size_t i = 0; i < own->n; i++)
		done = done &&
		       put_field(out, own->list[i].name, own->list[i].value);
	return done && put(out, "Connection: close\r\n\r\n");
}

struct check_codec *
check_h1_new(const struct check_wish *wish, struct fifo *out)
{
	struct check_h1 *c = calloc(1, sizeof *c);

	if (c == NULL)
		return NULL;
	c->magic = CHECK_H1_MAGIC;
	check_codec_init(&c->base, &check_h1_ops, wish);
	c->head_method = wish->terms->health.method == HEALTH_HEAD;
	if (!put_request(wish, out)) {
		check_h1_free(&c->base);
		return NULL;
	}
	return &c->base;
}
