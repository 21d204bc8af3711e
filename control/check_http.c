/*
 * One health check over a connection of its own: connecting, the time it may
 * take, the verdict. The answer is read to its end, so that the pod is not cut
 * off while it writes.
 */
#include "control/check_http.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"
#include "control/check_codec.h"
#include "control/check_tls.h"
#include "router/pod_tls.h"

#define CHECK_MAGIC 0xc4ec0001u

enum check_step {
	CHECK_CONNECT,
	CHECK_HANDSHAKE,
	CHECK_ANSWER,
	CHECK_OVER,
};

struct check_http {
	unsigned magic;
	enum check_step step;
	int fd; /* while it connects */
	struct event io, timer;
	check_done *done;
	void *arg;
	struct check_wish wish; /* address, path: copies; tls: held */
	struct address address;
	char *path;
	struct bufferevent *wire;  /* once it is connected */
	struct check_codec *codec; /* from CHECK_ANSWER on */
	bool heard;		   /* the pod has sent something */

	enum check_result result; /* from CHECK_OVER on */
	char reason[96];
};

static void
check_free(struct check_http *c)
{
	event_del(&c->io);
	event_del(&c->timer);
	if (c->fd >= 0)
		close(c->fd);
	if (c->wire != NULL) {
		if (c->wish.tls != NULL)
			check_tls_end(c->wire);
		bufferevent_free(c->wire);
	}
	if (c->codec != NULL)
		c->codec->ops->free(c->codec);
	pod_tls_drop(c->wish.tls);
	free(c->path);
	c->magic = 0;
	free(c);
}

void
check_http_cancel(struct check_http *c)
{
	if (c == NULL)
		return;
	CHECK_OBJ(c, CHECK_MAGIC);
	check_free(c);
}

/* The verdict; told from the loop, as soon as it turns. */
static void __attribute__((format(printf, 3, 4)))
check_end(struct check_http *c, enum check_result result, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(c->reason, sizeof(c->reason), fmt, ap);
	va_end(ap);
	c->result = result;
	c->step = CHECK_OVER;
	event_del(&c->io);
	if (c->wire != NULL) {
		bufferevent_setcb(c->wire, NULL, NULL, NULL, NULL);
		bufferevent_disable(c->wire, EV_READ | EV_WRITE);
	}
	event_active(&c->timer, EV_TIMEOUT, 0);
}

static void
check_on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct check_http *c = arg;
	char reason[sizeof(c->reason)];
	enum check_result result = CHECK_BAD;
	check_done *done;
	void *done_arg;

	(void)fd;
	(void)what;
	CHECK_OBJ(c, CHECK_MAGIC);
	snprintf(
	    reason, sizeof(reason), "timeout after %u ms", c->wish.timeout_ms);
	if (c->step == CHECK_OVER) {
		result = c->result;
		memcpy(reason, c->reason, sizeof(reason));
	}
	done = c->done;
	done_arg = c->arg;
	check_free(c);
	done(done_arg, result, reason);
}

/* Errors of connect(2) that say nothing about the pod. */
static bool
is_ours(int error)
{
	return error == EADDRNOTAVAIL || error == EAGAIN || error == ENOBUFS ||
	       error == ENOMEM || error == EMFILE || error == ENFILE;
}

/* The answer is there. */
static void
check_judge(struct check_http *c)
{
	int status = c->codec->status;

	if (status < c->wish.status_min || status > c->wish.status_max)
		check_end(c, CHECK_BAD, "status %d", status);
	else
		check_end(c, CHECK_GOOD, "%s", "");
}

static void
check_on_read(struct bufferevent *wire, void *arg)
{
	struct check_http *c = arg;

	CHECK_OBJ(c, CHECK_MAGIC);
	if (c->step != CHECK_ANSWER)
		return;
	c->heard = true;
	switch (c->codec->ops->read(c->codec, bufferevent_get_input(wire),
	    bufferevent_get_output(wire))) {
	case CHECK_READ_MORE:
		break;
	case CHECK_READ_DONE:
		check_judge(c);
		break;
	case CHECK_READ_BAD:
		check_end(c, CHECK_BAD, "%s", c->codec->why);
		break;
	}
}

/* Ready to ask. */
static void
check_begin(struct check_http *c)
{
	struct evbuffer *out = bufferevent_get_output(c->wire);

	c->step = CHECK_ANSWER;
	c->codec = c->wish.protocol == POD_HTTP1 ? check_h1_new(&c->wish, out)
						 : check_h2_new(&c->wish, out);
	if (c->codec == NULL)
		check_end(c, CHECK_UNMADE, "out of memory");
}

/* The pod has closed the connection. */
static void
check_closed(struct check_http *c)
{
	if (c->step == CHECK_HANDSHAKE)
		check_end(c, CHECK_BAD, "TLS: closed during the handshake");
	else if (c->codec->until_close)
		check_judge(c);
	else
		check_end(c, CHECK_BAD,
		    c->heard ? "closed before the answer was complete"
			     : "closed without an answer");
}

static void
check_broken(struct check_http *c, short what, int error)
{
	const char *words =
	    c->wish.tls != NULL ? check_tls_reason(c->wire) : NULL;

	if (words != NULL)
		check_end(c, CHECK_BAD, "TLS: %s", words);
	else if (error == 0)
		check_closed(c);
	else
		check_end(c, CHECK_BAD, "%s: %s",
		    c->step == CHECK_HANDSHAKE ? "TLS"
		    : what & BEV_EVENT_READING ? "read"
					       : "send",
		    strerror(error));
}

static void
check_on_event(struct bufferevent *wire, short what, void *arg)
{
	struct check_http *c = arg;
	int error = errno;

	CHECK_OBJ(c, CHECK_MAGIC);
	if (what & BEV_EVENT_ERROR)
		check_broken(c, what, error);
	else if (what & BEV_EVENT_EOF)
		check_closed(c);
	else if (c->wish.protocol == POD_H2 && !check_tls_speaks_h2(wire))
		check_end(c, CHECK_BAD, "TLS: the pod does not offer HTTP/2");
	else
		check_begin(c); /* BEV_EVENT_CONNECTED */
}

static void
check_open_wire(struct check_http *c)
{
	struct event_base *base = event_get_base(&c->io);

	event_del(&c->io);
	c->wire = c->wish.tls != NULL ? check_tls_new(base, c->fd, &c->wish)
				      : bufferevent_socket_new(
					    base, c->fd, BEV_OPT_CLOSE_ON_FREE);
	if (c->wire == NULL) {
		check_end(c, CHECK_UNMADE, "out of memory");
		return;
	}
	c->fd = -1;
	c->step = CHECK_HANDSHAKE;
	bufferevent_setcb(c->wire, check_on_read, NULL, check_on_event, c);
	bufferevent_enable(c->wire, EV_READ | EV_WRITE);
	if (c->wish.tls == NULL)
		check_begin(c);
}

static void
check_on_connect(evutil_socket_t fd, short what, void *arg)
{
	struct check_http *c = arg;
	socklen_t size = sizeof(int);
	int error = 0;

	(void)fd;
	(void)what;
	CHECK_OBJ(c, CHECK_MAGIC);
	if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0)
		error = errno;
	if (error != 0)
		check_end(c, is_ours(error) ? CHECK_UNMADE : CHECK_BAD,
		    "connect: %s", strerror(error));
	else
		check_open_wire(c);
}

static void
check_connect(struct check_http *c)
{
	const struct address *a = &c->address;

	c->fd = socket(
	    a->sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (c->fd < 0) {
		check_end(c, CHECK_UNMADE, "socket: %s", strerror(errno));
		return;
	}
	event_assign(&c->io, event_get_base(&c->timer), c->fd, EV_WRITE,
	    check_on_connect, c);
	if (connect(c->fd, (const struct sockaddr *)&a->sa, a->len) == 0 ||
	    errno == EINPROGRESS || errno == EINTR) {
		if (event_add(&c->io, NULL) < 0)
			check_end(c, CHECK_UNMADE, "out of memory");
	} else {
		check_end(c, is_ours(errno) ? CHECK_UNMADE : CHECK_BAD,
		    "connect: %s", strerror(errno));
	}
}

struct check_http *
check_http_new(struct event_base *base, const struct check_wish *wish,
    check_done *done, void *arg)
{
	struct timeval timeout = {
	    wish->timeout_ms / 1000, (wish->timeout_ms % 1000) * 1000};
	struct check_http *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return NULL;
	c->magic = CHECK_MAGIC;
	c->fd = -1;
	c->done = done;
	c->arg = arg;
	c->wish = *wish;
	c->address = *wish->address;
	c->wish.address = &c->address;
	c->wish.path = c->path = strdup(wish->path);
	pod_tls_hold(wish->tls);
	event_assign(&c->io, base, -1, 0, check_on_connect, c);
	evtimer_assign(&c->timer, base, check_on_timer, c);
	if (c->path == NULL || evtimer_add(&c->timer, &timeout) < 0) {
		check_free(c);
		return NULL;
	}
	check_connect(c);
	return c;
}
