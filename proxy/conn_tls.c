/* A connection through TLS: its socket on one side, its owner on the other. */
#include "base/check.h"
#include "proxy/conn_state.h"
#include "proxy/tls.h"

/* Sends what TLS has to say. */
static void
send_out(struct conn *c)
{
	struct tls_wire *w = &c->loop->tls;
	struct iovec iov = {w->out, w->out_n};

	w->out_n = 0;
	if (iov.iov_len > 0 && c->fd >= 0 && !c->failed && !c->deaf)
		conn_send(c, &iov, 1);
}

/* The bytes that have come, into *wire; otherwise as conn_read(). */
static int64_t
receive(struct conn *c, struct span *wire)
{
	struct tls_wire *w = &c->loop->tls;
	int64_t n = conn_recv(c, w->in, w->in_size);

	*wire = (struct span){w->in, n > 0 ? (size_t)n : 0};
	if (n != 0)
		return n;
	/* the end of the stream is the peer's to say, not the network's */
	c->readable = false;
	c->failed = c->deaf = true;
	return -2;
}

static int64_t
secure_read(struct conn *c, char *buf, size_t size)
{
	struct span wire = SPAN_NONE;
	int64_t n;

	for (;;) {
		if (!tls_pending(c->tls)) {
			n = receive(c, &wire);
			if (n <= 0)
				return n;
		}
		n = tls_read(c->tls, wire, buf, size);
		send_out(c);
		if (c->fd < 0 || c->failed)
			return -1;
		if (n == -2)
			c->failed = c->deaf = true;
		if (n != -1)
			return n;
		wire = SPAN_NONE;
	}
}

static void
secure_write(struct conn *c, struct iovec *iov, int n)
{
	while (n > 0 && c->fd >= 0 && !c->failed) {
		if (!tls_write(c->tls, &iov, &n)) {
			c->loop->tls.out_n = 0;
			conn_fail(c);
			return;
		}
		send_out(c);
	}
}

static void
secure_end(struct conn *c)
{
	tls_end(c->tls);
	send_out(c);
}

static void
secure_close(struct conn *c)
{
	if (!c->failed && !c->abortive && !conn_has_backlog(c))
		secure_end(c);
	tls_free(c->tls);
	c->tls = NULL;
	c->carrier = &conn_plain;
}

static const struct carrier conn_secured = {
    .read = secure_read,
    .write = secure_write,
    .end = secure_end,
    .close = secure_close,
};

static void
handshake_done(struct conn *c)
{
	c->securing = false;
	if (tls_pending(c->tls))
		c->readable = true;
	c->handle(c->owner, CONN_CONNECTED);
	if (conn_readable(c))
		c->handle(c->owner, CONN_READABLE);
}

void
conn_tls_handshake(struct conn *c)
{
	struct span wire = SPAN_NONE;
	enum tls_progress progress;

	for (;;) {
		progress = tls_handshake(c->tls, wire);
		send_out(c);
		if (c->fd < 0 || c->failed)
			return;
		if (progress != TLS_MORE)
			break;
		if (!c->readable || receive(c, &wire) < 0) {
			if (c->deaf) {
				c->failed = false;
				conn_fail(c);
			}
			return;
		}
	}
	if (progress == TLS_DONE)
		handshake_done(c);
	else
		conn_fail(c);
}

void
conn_secure(struct conn *c, struct tls *tls, struct span early)
{
	CHECK_OBJ(c, CONN_MAGIC);
	CHECK(c->tls == NULL);
	c->tls = tls;
	c->carrier = &conn_secured;
	c->securing = true;
	if (early.n == 0)
		return;
	if (!tls_keep(tls, early))
		c->readable = false; /* the deadline ends it */
	conn_kick(c);
}

bool
conn_is_tls(const struct conn *c)
{
	return c->tls != NULL;
}

bool
conn_tls_h2(const struct conn *c)
{
	return c->tls != NULL && tls_speaks_h2(c->tls);
}

struct span
conn_peer_subject(const struct conn *c)
{
	return c->tls != NULL ? span_of(tls_subject(c->tls)) : SPAN_NONE;
}

const char *
conn_tls_reason(const struct conn *c)
{
	return c->tls != NULL ? tls_reason(c->tls) : "";
}
