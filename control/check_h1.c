/* A health check in HTTP/1.1. */
#include <event2/buffer.h>
#include <stdlib.h>

#include "base/check.h"
#include "control/check_codec.h"
#include "control/check_http.h"
#include "proxy/h1_parse.h"

#define CHECK_H1_MAGIC	 0xc4ec0002u
#define CHECK_HEAD_MAX	 8192
#define CHECK_FIELDS_MAX 128u

struct check_h1 {
	struct check_codec base; /* first */
	unsigned magic;
	size_t scanned; /* of the head */
	enum h1_body body;
	uint64_t left; /* with H1_BODY_LENGTH */
	struct h1_chunks chunks;
	uint64_t body_bytes;
};

static enum check_read
read_bad(struct check_h1 *c, const char *why)
{
	c->base.why = why;
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
			break;
		}
	}
}

static enum check_read
read_piece(struct check_h1 *c, struct span in)
{
	c->body_bytes += in.n;
	if (c->body == H1_BODY_CHUNKED)
		return read_chunks(c, in);
	if (c->body == H1_BODY_LENGTH)
		c->left -= in.n < c->left ? in.n : c->left;
	return CHECK_READ_MORE;
}

static enum check_read
read_body(struct check_h1 *c, struct evbuffer *in)
{
	enum check_read r = CHECK_READ_MORE;
	size_t n;

	while (r == CHECK_READ_MORE &&
	       (n = evbuffer_get_contiguous_space(in)) > 0) {
		r = read_piece(c,
		    (struct span){(char *)evbuffer_pullup(in, (ssize_t)n), n});
		evbuffer_drain(in, n);
	}
	if (r == CHECK_READ_MORE &&
	    (c->body == H1_BODY_NONE || c->body_bytes > CHECK_BODY_MAX ||
		(c->body == H1_BODY_LENGTH && c->left == 0)))
		return CHECK_READ_DONE;
	return r;
}

/* The bytes that a head may be in, side by side. */
static struct span
head_bytes(struct evbuffer *in)
{
	size_t n = evbuffer_get_length(in);

	if (n > CHECK_HEAD_MAX)
		n = CHECK_HEAD_MAX;
	return (struct span){(char *)evbuffer_pullup(in, (ssize_t)n), n};
}

static enum check_read
read_heads(struct check_h1 *c, struct evbuffer *in)
{
	struct field fields[CHECK_FIELDS_MAX];
	struct span bytes = head_bytes(in);
	struct h1_head head;

	while (bytes.p != NULL && h1_head_complete(bytes, &c->scanned)) {
		h1_head_init(&head, fields, CHECK_FIELDS_MAX);
		if (h1_parse_response(bytes, false, &head) != H1_DONE)
			return read_bad(c, "malformed answer");
		evbuffer_drain(in, head.size);
		c->scanned = 0;
		if (head.status >= 200 || head.status == 101) {
			c->base.status = head.status;
			c->base.until_close = head.body == H1_BODY_CLOSE;
			c->body = head.body;
			c->left = head.length;
			return read_body(c, in);
		}
		bytes = head_bytes(in);
	}
	if (bytes.n == CHECK_HEAD_MAX)
		return read_bad(c, "malformed answer: head exceeds 8192 bytes");
	return CHECK_READ_MORE;
}

static struct check_h1 *
h1_of(struct check_codec *base)
{
	struct check_h1 *c = (struct check_h1 *)base;

	CHECK_OBJ(c, CHECK_H1_MAGIC);
	return c;
}

static enum check_read
check_h1_read(
    struct check_codec *base, struct evbuffer *in, struct evbuffer *out)
{
	struct check_h1 *c = h1_of(base);

	(void)out;
	return base->status == 0 ? read_heads(c, in) : read_body(c, in);
}

static void
check_h1_free(struct check_codec *base)
{
	struct check_h1 *c = h1_of(base);

	c->magic = 0;
	free(c);
}

static const struct check_codec_ops check_h1_ops = {
    .read = check_h1_read,
    .free = check_h1_free,
};

struct check_codec *
check_h1_new(const struct check_wish *wish, struct evbuffer *out)
{
	struct check_h1 *c = calloc(1, sizeof *c);

	if (c == NULL)
		return NULL;
	c->base.ops = &check_h1_ops;
	c->magic = CHECK_H1_MAGIC;
	if (evbuffer_add_printf(out,
		"GET %s HTTP/1.1\r\n"
		"Host: %s\r\n"
		"User-Agent: " CHECK_AGENT "\r\n"
		"Accept: */*\r\n"
		"Connection: close\r\n"
		"\r\n",
		wish->path, wish->address->text) < 0) {
		check_h1_free(&c->base);
		return NULL;
	}
	return &c->base;
}
