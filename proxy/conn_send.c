/* What is ordered from a connection, on its way to the socket. */
#include "proxy/conn_state.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/check.h"

/* Of one splice: others want their turn. */
#define SPLICE_MOST (512u * 1024u)

static void
pipe_drop(struct conn *c)
{
	if (c->pipe != NULL)
		pipe_give(&c->loop->pipes, c->pipe);
	c->pipe = NULL;
}

void
conn_drop_backlog(struct conn *c)
{
	pipe_drop(c);
	fifo_free(&c->backlog);
}

/* The owner does not know the connection before it is secured. */
static void
tell(struct conn *c, enum conn_event event)
{
	if (!c->securing)
		c->handle(c->owner, event);
}

/* From the pipe to the socket; true when it is empty. */
static bool
pipe_send(struct conn *c)
{
	ssize_t n;

	while (c->pipe->bytes > 0) {
		n = splice(c->pipe->out, NULL, c->fd, NULL, c->pipe->bytes,
		    SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
		if (n <= 0) {
			if (n < 0 && errno == EINTR)
				continue;
			if (n == 0 || errno != EAGAIN)
				conn_fail(c);
			return false;
		}
		c->pipe->bytes -= (size_t)n;
	}
	pipe_drop(c);
	return true;
}

void
conn_send_backlog(struct conn *c)
{
	struct span rest;
	ssize_t n;

	c->unacked = 0;
	tell(c, CONN_PROGRESS);
	if (c->fd < 0 || (c->pipe != NULL && !pipe_send(c)))
		return;
	while (!fifo_empty(&c->backlog)) {
		rest = fifo_span(&c->backlog);
		n = send(c->fd, rest.p, rest.n, MSG_NOSIGNAL);
		if (n < 0) {
			if (errno == EINTR)
				continue;
			if (errno != EAGAIN)
				conn_fail(c);
			return;
		}
		fifo_consume(&c->backlog, (size_t)n);
	}
	if (c->shut)
		shutdown(c->fd, SHUT_WR);
	tell(c, CONN_DRAINED);
}

bool
conn_moving(struct conn *c)
{
	int before = c->unacked, now = 0;

	if (c->fd < 0 || ioctl(c->fd, SIOCOUTQ, &now) < 0)
		return false;
	c->unacked = now;
	return before == 0 || now < before;
}

void
conn_mark(struct conn *c)
{
	c->took = false;
}

bool
conn_took(const struct conn *c)
{
	return c->took;
}

bool
conn_splicable(const struct conn *to)
{
	return to->tls == NULL && to->fd >= 0 && !to->failed && !to->deaf &&
	       !conn_has_backlog(to);
}

/* The reading half: into the pipe. */
static ssize_t
fill_pipe(struct conn *from, struct pipe *p, size_t most)
{
	ssize_t n;

	do
		n = splice(from->fd, NULL, p->in, NULL, most,
		    SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
	while (n < 0 && errno == EINTR);
	from->was_short = false;
	if (n >= 0) {
		p->bytes += (size_t)n;
		return n;
	}
	from->readable = false;
	if (errno == EAGAIN && !from->deaf)
		return -1;
	from->failed = from->deaf = true;
	return -2;
}

int64_t
conn_splice(struct conn *from, struct conn *to, uint64_t most)
{
	struct pipe *p;
	ssize_t n;

	CHECK_OBJ(from, CONN_MAGIC);
	CHECK_OBJ(to, CONN_MAGIC);
	conn_flush(from->loop);
	if (from->tls != NULL || !conn_readable(from) || !conn_splicable(to))
		return -1;
	p = pipe_take(&from->loop->pipes);
	if (p == NULL)
		return -1;
	n = fill_pipe(from, p, most < SPLICE_MOST ? (size_t)most : SPLICE_MOST);
	if (n <= 0) {
		pipe_give(&from->loop->pipes, p);
		return n;
	}
	to->pipe = p;
	if (!pipe_send(to) && to->pipe != NULL && !to->failed)
		to->handle(to->owner, CONN_BLOCKED);
	return n;
}

/* Copies what the socket did not take and tells the owner to stop. */
static void
keep_rest(struct conn *c, struct iovec *iov, int n, size_t sent)
{
	bool was_empty = !conn_has_backlog(c);
	struct span rest;

	for (int i = 0; i < n; i++) {
		if (sent >= iov[i].iov_len) {
			sent -= iov[i].iov_len;
			continue;
		}
		rest = (struct span){
		    (char *)iov[i].iov_base + sent, iov[i].iov_len - sent};
		if (!fifo_append(&c->backlog, rest)) {
			conn_fail(c);
			return;
		}
		sent = 0;
	}
	if (was_empty && conn_has_backlog(c))
		tell(c, CONN_BLOCKED);
}

void
conn_send(struct conn *c, struct iovec *iov, int n)
{
	size_t want = 0;
	ssize_t sent;

	if (conn_has_backlog(c)) {
		keep_rest(c, iov, n, 0);
		return;
	}
	for (int i = 0; i < n; i++)
		want += iov[i].iov_len;
	do
		sent = writev(c->fd, iov, n);
	while (sent < 0 && errno == EINTR);
	if (sent > 0)
		c->took = true;
	if (sent < 0 && errno != EAGAIN)
		conn_fail(c);
	else if (sent < 0 || (size_t)sent < want)
		keep_rest(c, iov, n, sent < 0 ? 0 : (size_t)sent);
}

/* One connection's orders; what its owner orders meanwhile is left. */
static void
flush_one(struct gather *g)
{
	struct conn *c = g->conn;
	int n = g->n;

	CHECK_OBJ(c, CONN_MAGIC);
	g->conn = NULL;
	g->n = 0;
	g->nsmall = 0;
	if (c->fd >= 0 && !c->failed && !c->deaf)
		c->carrier->write(c, g->iov, n);
}

/* A failure may lead to a retry, and that to new orders: until none is left. */
void
conn_flush(struct loop *l)
{
	while (l->gather.conn != NULL)
		flush_one(&l->gather);
}

/* The gather is c's with room for one more; false when c takes no orders. */
static bool
gather_for(struct conn *c)
{
	struct gather *g = &c->loop->gather;

	CHECK_OBJ(c, CONN_MAGIC);
	if (g->conn != NULL && (g->conn != c || g->n == GATHER_IOVS))
		conn_flush(c->loop);
	return c->fd >= 0 && !c->failed && !c->deaf;
}

void
conn_write(struct conn *c, struct span bytes)
{
	struct gather *g = &c->loop->gather;

	if (bytes.n == 0 || !gather_for(c))
		return;
	if (conn_has_backlog(c) && c->tls == NULL) {
		if (!fifo_append(&c->backlog, bytes))
			conn_fail(c);
		return;
	}
	g->conn = c;
	g->iov[g->n].iov_base = (void *)(uintptr_t)bytes.p;
	g->iov[g->n].iov_len = bytes.n;
	g->n++;
}

void
conn_write_small(struct conn *c, struct span bytes)
{
	struct gather *g = &c->loop->gather;
	char *copy;

	CHECK(bytes.n <= GATHER_SMALL);
	if (g->conn != c || g->n == GATHER_IOVS ||
	    g->nsmall + bytes.n > GATHER_SMALL)
		conn_flush(c->loop);
	copy = g->small + g->nsmall;
	memcpy(copy, bytes.p, bytes.n);
	conn_write(c, (struct span){copy, bytes.n});
	if (g->conn == c)
		g->nsmall += bytes.n;
}

size_t
conn_backlog(const struct conn *c)
{
	return fifo_span(&c->backlog).n +
	       (c->pipe != NULL ? c->pipe->bytes : 0);
}

void
conn_shutdown(struct conn *c)
{
	CHECK_OBJ(c, CONN_MAGIC);
	if (c->loop->gather.conn == c)
		conn_flush(c->loop);
	if (c->fd >= 0 && !c->failed && !c->shut)
		c->carrier->end(c);
	c->shut = true;
	if (c->fd >= 0 && !conn_has_backlog(c))
		shutdown(c->fd, SHUT_WR);
}

bool
conn_is_shut(const struct conn *c)
{
	return c->shut;
}
