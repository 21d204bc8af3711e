/*
 * A socket's life: made, told what happens, read, closed. What is ordered
 * from it is conn_send.c's, TLS conn_tls.c's.
 */
#include "proxy/conn_state.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/event.h>

#include "base/check.h"

/* Deadlines are left hanging and put off: cheaper than unhooking them. */
#define NEVER UINT64_MAX

void
conn_fail(struct conn *c)
{
	if (c->failed || c->fd < 0)
		return;
	c->failed = true;
	c->handle(c->owner, CONN_FAILED);
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
	else if (c->securing)
		conn_tls_handshake(c);
	else
		c->handle(c->owner, CONN_CONNECTED);
}

/* There may be something to read. */
static void
on_readable(struct conn *c)
{
	if (c->fd < 0 || c->failed)
		return;
	if (c->securing)
		conn_tls_handshake(c);
	else if (!c->paused)
		c->handle(c->owner, CONN_READABLE);
	else if (c->watched && c->ended)
		conn_fail(c);
	else
		notice_reset(c);
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
	if ((what & EV_WRITE) && conn_has_backlog(c))
		conn_send_backlog(c);
	if (c->readable)
		on_readable(c);
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
conn_new(struct loop *l, int fd)
{
	struct conn *c = calloc(1, sizeof *c);

	if (c == NULL)
		goto fail;
	c->magic = CONN_MAGIC;
	c->fd = fd;
	c->loop = l;
	c->carrier = &conn_plain;
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
	if ((!address_is_unix(to) && setsockopt(fd, IPPROTO_TCP, TCP_NODELAY,
					 &one, sizeof one) < 0) ||
	    (connect(fd, (const struct sockaddr *)&to->sa, to->len) < 0 &&
		errno != EINPROGRESS)) {
		saved = errno;
		close(fd);
		errno = saved;
		return NULL;
	}
	c = conn_new(l, fd);
	if (c == NULL) {
		errno = ENOMEM;
		return NULL;
	}
	conn_own(c, handle, owner);
	c->connecting = true;
	return c;
}

void
conn_own(struct conn *c, conn_handler *handle, void *owner)
{
	CHECK_OBJ(c, CONN_MAGIC);
	c->handle = handle;
	c->owner = owner;
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
	c->carrier->close(c);
	event_del(&c->event);
	if (c->kicked)
		loop_unkick(l, &c->kick);
	c->kicked = false;
	loop_clear_deadline(l, &c->deadline);
	close(c->fd);
	c->fd = -1;
	conn_drop_backlog(c);
	loop_bury(l, &c->dead, conn_free);
}

void
conn_abortive(struct conn *c)
{
	const struct linger now = {.l_onoff = 1, .l_linger = 0};

	CHECK_OBJ(c, CONN_MAGIC);
	c->abortive = true;
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
conn_read_on(struct conn *c)
{
	if (c->fd < 0 || c->deaf)
		return false;
	c->deaf = true;
	c->failed = false;
	c->readable = true;
	conn_drop_backlog(c);
	return true;
}

int64_t
conn_read(struct conn *c, char *buf, size_t size)
{
	CHECK_OBJ(c, CONN_MAGIC);
	conn_flush(c->loop);
	return conn_readable(c) ? c->carrier->read(c, buf, size) : -1;
}

int64_t
conn_recv(struct conn *c, char *buf, size_t size)
{
	ssize_t n;

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

static void
plain_end(struct conn *c)
{
	(void)c; /* the socket's own end of stream says it all */
}

const struct carrier conn_plain = {
    .read = conn_recv,
    .write = conn_send,
    .end = plain_end,
    .close = plain_end,
};

void
conn_settle(struct conn *c)
{
	if (c->was_short)
		c->readable = false;
	c->was_short = false;
}

static void
conn_on_kick(struct kick *k)
{
	struct conn *c =
	    (struct conn *)((char *)k - offsetof(struct conn, kick));
	struct loop *l;

	CHECK_OBJ(c, CONN_MAGIC);
	l = c->loop;
	c->kicked = false;
	if (!c->paused || c->watched)
		on_readable(c);
	conn_flush(l);
}

static void
kick(struct conn *c)
{
	if (c->fd < 0 || c->kicked)
		return;
	c->kicked = true;
	loop_kick(c->loop, &c->kick, conn_on_kick);
}

void
conn_kick(struct conn *c)
{
	CHECK_OBJ(c, CONN_MAGIC);
	if (!c->paused)
		kick(c);
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
conn_watch(struct conn *c, bool watched)
{
	CHECK_OBJ(c, CONN_MAGIC);
	c->watched = watched;
	if (watched && c->ended)
		kick(c);
}

void
conn_resume(struct conn *c)
{
	c->paused = false;
	if (c->readable)
		conn_kick(c);
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
