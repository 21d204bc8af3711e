/* A socket: events in, orders out. */
#include "proxy/conn.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/event.h>
#include <event2/event_struct.h>

#include "base/check.h"
#include "proxy/fifo.h"
#include "proxy/loop.h"

#define CONN_MAGIC 0xc0220001u

/* Deadlines are left hanging and put off: cheaper than unhooking them. */
#define NEVER UINT64_MAX

/* Of one splice: others want their turn. */
#define SPLICE_MOST (512u * 1024u)

struct conn {
	unsigned magic;
	int fd;
	struct loop *loop;
	conn_handler *handle;
	void *owner;
	int unacked; /* by conn_moving(), 0 = not asked yet */
	bool connecting : 1;
	bool readable : 1;
	bool was_short : 1; /* the last read got less than it asked for */
	bool ended : 1;	    /* the kernel has seen the peer's end of stream */
	bool paused : 1;
	bool kicked : 1;
	bool failed : 1;
	bool took : 1;	     /* the socket took a byte since conn_mark() */
	bool deaf : 1;	     /* writing failed; we only read on */
	bool shut : 1;	     /* our end of stream follows the backlog */
	struct fifo backlog; /* what the socket did not take */
	struct pipe *pipe;   /* spliced bytes, before the backlog */
	struct wheel_entry deadline;
	union {
		struct kick kick; /* while kicked */
		struct dead dead; /* once closed */
	};
	struct event event;
};

static void
conn_fail(struct conn *c)
{
	if (c->failed || c->fd < 0)
		return;
	c->failed = true;
	c->handle(c->owner, CONN_FAILED);
}

static void
pipe_drop(struct conn *c)
{
	if (c->pipe != NULL)
		pipe_give(&c->loop->pipes, c->pipe);
	c->pipe = NULL;
}

static bool
has_backlog(const struct conn *c)
{
	return !fifo_empty(&c->backlog) || c->pipe != NULL;
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

static void
backlog_send(struct conn *c)
{
	struct span rest;
	ssize_t n;

	c->unacked = 0;
	c->handle(c->owner, CONN_PROGRESS);
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
	c->handle(c->owner, CONN_DRAINED);
}

static int
socket_error(const struct conn *c)
{
	int error = 0;
	socklen_t len = sizeof error;

	if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		error = errno;
	return error;
}

/* A reset that arrives while nobody reads must be noticed all the same. */
static void
notice_reset(struct conn *c)
{
	int error = socket_error(c);

	if (error != 0)
		conn_fail(c);
}

static void
finish_connect(struct conn *c)
{
	int error = socket_error(c);

	c->connecting = false;
	if (error != 0)
		conn_fail(c);
	else
		c->handle(c->owner, CONN_CONNECTED);
}

static void
conn_on_event(evutil_socket_t fd, short what, void *arg)
{
	struct conn *c = arg;
	struct loop *l;

	CHECK_OBJ(c, CONN_MAGIC);
	(void)fd;
	l = c->loop;
	if (c->connecting) {
		if (what & EV_WRITE)
			finish_connect(c);
		conn_flush(l);
		return;
	}
	if (what & EV_CLOSED)
		c->ended = true;
	if (what & (EV_READ | EV_CLOSED))
		c->readable = true;
	if ((what & EV_WRITE) && has_backlog(c))
		backlog_send(c);
	if (c->fd >= 0 && !c->failed && c->readable) {
		if (!c->paused)
			c->handle(c->owner, CONN_READABLE);
		else
			notice_reset(c);
	}
	conn_flush(l);
}

void
conn_on_deadline(struct wheel_entry *e)
{
	struct conn *c =
	    (struct conn *)((char *)e - offsetof(struct conn, deadline));
	struct loop *l;

	CHECK_OBJ(c, CONN_MAGIC);
	l = c->loop;
	c->handle(c->owner, CONN_TIMEOUT);
	conn_flush(l);
}

struct conn *
conn_new(struct loop *l, int fd, conn_handler *handle, void *owner)
{
	struct conn *c = calloc(1, sizeof *c);

	if (c == NULL)
		goto fail;
	c->magic = CONN_MAGIC;
	c->fd = fd;
	c->loop = l;
	c->handle = handle;
	c->owner = owner;
	if (event_assign(&c->event, l->base, fd,
		EV_READ | EV_WRITE | EV_CLOSED | EV_ET | EV_PERSIST,
		conn_on_event, c) < 0 ||
	    event_add(&c->event, NULL) < 0)
		goto fail;
	return c;
fail:
	free(c);
	close(fd);
	return NULL;
}

struct conn *
conn_connect(
    struct loop *l, const struct address *to, conn_handler *handle, void *owner)
{
	const int one = 1;
	struct conn *c;
	int fd, saved;

	fd = socket(
	    to->sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return NULL;
	if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) < 0 ||
	    (connect(fd, (const struct sockaddr *)&to->sa, to->len) < 0 &&
		errno != EINPROGRESS)) {
		saved = errno;
		close(fd);
		errno = saved;
		return NULL;
	}
	c = conn_new(l, fd, handle, owner);
	if (c == NULL)
		errno = ENOMEM;
	else
		c->connecting = true;
	return c;
}

static void
conn_free(struct dead *d)
{
	struct conn *c =
	    (struct conn *)((char *)d - offsetof(struct conn, dead));

	CHECK_OBJ(c, CONN_MAGIC);
	c->magic = 0;
	free(c);
}

void
conn_close(struct conn *c)
{
	struct loop *l;

	CHECK_OBJ(c, CONN_MAGIC);
	CHECK(c->fd >= 0);
	l = c->loop;
	if (l->gather.conn == c)
		conn_flush(l);
	if (c->fd < 0) /* the flush failed and our owner closed us */
		return;
	event_del(&c->event);
	if (c->kicked)
		loop_unkick(l, &c->kick);
	c->kicked = false;
	loop_clear_deadline(l, &c->deadline);
	close(c->fd);
	c->fd = -1;
	pipe_drop(c);
	fifo_free(&c->backlog);
	loop_bury(l, &c->dead, conn_free);
}

void
conn_abortive(struct conn *c)
{
	const struct linger now = {.l_onoff = 1, .l_linger = 0};

	CHECK_OBJ(c, CONN_MAGIC);
	if (c->fd >= 0)
		setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
}

bool
conn_readable(const struct conn *c)
{
	return c->readable && c->fd >= 0 && !c->paused && !c->failed;
}

bool
conn_maybe_more(const struct conn *c)
{
	return c->readable && !c->ended;
}

bool
conn_unread(const struct conn *c)
{
	return c->readable && !c->failed;
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
conn_read_on(struct conn *c)
{
	if (c->fd < 0 || c->deaf)
		return false;
	c->deaf = true;
	c->failed = false;
	c->readable = true;
	pipe_drop(c);
	fifo_free(&c->backlog);
	return true;
}

int64_t
conn_read(struct conn *c, char *buf, size_t size)
{
	ssize_t n;

	CHECK_OBJ(c, CONN_MAGIC);
	conn_flush(c->loop);
	if (!conn_readable(c))
		return -1;
	do
		n = recv(c->fd, buf, size, 0);
	while (n < 0 && errno == EINTR);
	if (n < 0) {
		c->readable = false;
		if (errno == EAGAIN && !c->deaf)
			return -1;
		c->failed = true;
		c->deaf = true;
		return -2;
	}
	c->was_short = (size_t)n < size && !c->ended;
	return n;
}

bool
conn_splicable(const struct conn *to)
{
	return to->fd >= 0 && !to->failed && !to->deaf && !has_backlog(to);
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
	if (!conn_readable(from) || !conn_splicable(to))
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

void
conn_settle(struct conn *c)
{
	if (c->was_short)
		c->readable = false;
	c->was_short = false;
}

void
conn_kick(struct conn *c)
{
	CHECK_OBJ(c, CONN_MAGIC);
	if (c->fd < 0 || c->paused || c->kicked)
		return;
	c->kicked = true;
	loop_kick(c->loop, &c->kick);
}

void
conn_on_kick(struct kick *k)
{
	struct conn *c =
	    (struct conn *)((char *)k - offsetof(struct conn, kick));
	struct loop *l;

	CHECK_OBJ(c, CONN_MAGIC);
	l = c->loop;
	c->kicked = false;
	if (!c->paused && !c->failed)
		c->handle(c->owner, CONN_READABLE);
	conn_flush(l);
}

void
conn_pause(struct conn *c)
{
	c->paused = true;
}

bool
conn_paused(const struct conn *c)
{
	return c->paused;
}

void
conn_resume(struct conn *c)
{
	c->paused = false;
	if (c->readable)
		conn_kick(c);
}

/* Copies what the socket did not take and tells the owner to stop. */
static void
keep_rest(struct conn *c, struct iovec *iov, int n, size_t sent)
{
	bool was_empty = !has_backlog(c);
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
	if (was_empty && has_backlog(c))
		c->handle(c->owner, CONN_BLOCKED);
}

/* One connection's orders; what its owner orders meanwhile is left. */
static void
flush_one(struct gather *g)
{
	struct conn *c = g->conn;
	size_t want = 0;
	ssize_t sent;
	int n = g->n;

	CHECK_OBJ(c, CONN_MAGIC);
	g->conn = NULL;
	g->n = 0;
	g->nsmall = 0;
	if (c->fd < 0 || c->failed || c->deaf)
		return;
	for (int i = 0; i < n; i++)
		want += g->iov[i].iov_len;
	do
		sent = writev(c->fd, g->iov, n);
	while (sent < 0 && errno == EINTR);
	if (sent > 0)
		c->took = true;
	if (sent < 0 && errno != EAGAIN)
		conn_fail(c);
	else if (sent < 0 || (size_t)sent < want)
		keep_rest(c, g->iov, n, sent < 0 ? 0 : (size_t)sent);
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
	if (has_backlog(c)) {
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
	c->shut = true;
	if (c->fd >= 0 && !has_backlog(c))
		shutdown(c->fd, SHUT_WR);
}

bool
conn_is_shut(const struct conn *c)
{
	return c->shut;
}

void
conn_deadline(struct conn *c, uint64_t us)
{
	if (c->fd >= 0)
		loop_set_deadline(c->loop, &c->deadline, us);
}

void
conn_no_deadline(struct conn *c)
{
	if (c->deadline.slot_tick != 0)
		c->deadline.deadline_us = NEVER;
}
