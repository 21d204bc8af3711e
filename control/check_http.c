/*
 * One HTTP health check over a socket of its own. The answer is read to its
 * end, so that the pod is not cut off while it writes.
 */
#include "control/check_http.h"

#include <errno.h>
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
#include "proxy/h1_parse.h"

#define CHECK_MAGIC	 0xc4ec0001u
#define CHECK_HEAD_MAX	 8192u
#define CHECK_FIELDS_MAX 128u
/* A longer body is not waited for: its head has said what is needed. */
#define CHECK_BODY_MAX (256u * 1024u)

enum check_step {
	CHECK_CONNECT,
	CHECK_SEND,
	CHECK_HEAD,
	CHECK_BODY,
	CHECK_OVER,
};

struct check_http {
	unsigned magic;
	enum check_step step;
	int fd;
	struct event io, timer;
	check_done *done;
	void *arg;
	unsigned timeout_ms;
	int status_min, status_max;

	enum check_result result; /* from CHECK_OVER on */
	char reason[96];

	char *request;
	size_t length, sent;

	int status;
	enum h1_body body;
	uint64_t left; /* with H1_BODY_LENGTH */
	struct h1_chunks chunks;
	uint64_t body_bytes;

	size_t scanned, n;
	char in[CHECK_HEAD_MAX];
};

static void
check_free(struct check_http *c)
{
	event_del(&c->io);
	event_del(&c->timer);
	if (c->fd >= 0)
		close(c->fd);
	free(c->request);
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
	snprintf(reason, sizeof(reason), "timeout after %u ms", c->timeout_ms);
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

static void check_on_io(evutil_socket_t fd, short what, void *arg);

static void
check_wait(struct check_http *c, short what)
{
	struct event_base *base = event_get_base(&c->io);

	event_del(&c->io);
	event_assign(&c->io, base, c->fd, what | EV_PERSIST, check_on_io, c);
	if (event_add(&c->io, NULL) < 0)
		check_end(c, CHECK_UNMADE, "out of memory");
}

static void
check_connect(struct check_http *c, const struct address *a)
{
	c->fd = socket(
	    a->sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (c->fd < 0) {
		check_end(c, CHECK_UNMADE, "socket: %s", strerror(errno));
		return;
	}
	if (connect(c->fd, (const struct sockaddr *)&a->sa, a->len) == 0 ||
	    errno == EINPROGRESS || errno == EINTR)
		check_wait(c, EV_WRITE);
	else
		check_end(c, is_ours(errno) ? CHECK_UNMADE : CHECK_BAD,
		    "connect: %s", strerror(errno));
}

static void
check_connected(struct check_http *c)
{
	socklen_t size = sizeof(int);
	int error = 0;

	if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0)
		error = errno;
	if (error != 0)
		check_end(c, is_ours(error) ? CHECK_UNMADE : CHECK_BAD,
		    "connect: %s", strerror(error));
	else
		c->step = CHECK_SEND;
}

static void
check_send(struct check_http *c)
{
	ssize_t n;

	n = send(
	    c->fd, c->request + c->sent, c->length - c->sent, MSG_NOSIGNAL);
	if (n < 0) {
		if (errno != EAGAIN && errno != EINTR)
			check_end(c, CHECK_BAD, "send: %s", strerror(errno));
		return;
	}
	c->sent += (size_t)n;
	if (c->sent < c->length)
		return;
	c->step = CHECK_HEAD;
	check_wait(c, EV_READ);
}

/* The answer is there. */
static void
check_judge(struct check_http *c)
{
	if (c->status < c->status_min || c->status > c->status_max)
		check_end(c, CHECK_BAD, "status %d", c->status);
	else
		check_end(c, CHECK_GOOD, "%s", "");
}

static void
check_chunked(struct check_http *c, struct span in)
{
	struct span piece;

	for (;;) {
		switch (h1_parse_chunked(&c->chunks, &in, &piece)) {
		case H1_MORE:
			return;
		case H1_BAD:
			check_end(c, CHECK_BAD, "malformed answer: chunks");
			return;
		case H1_DONE:
			if (piece.n > 0)
				continue;
			check_judge(c);
			return;
		}
	}
}

/* Takes what is in the buffer as a part of the body. */
static void
check_body(struct check_http *c)
{
	struct span in = {c->in, c->n};

	c->n = 0;
	c->body_bytes += in.n;
	switch (c->body) {
	case H1_BODY_NONE:
		check_judge(c);
		break;
	case H1_BODY_LENGTH:
		c->left -= in.n < c->left ? in.n : c->left;
		if (c->left == 0)
			check_judge(c);
		break;
	case H1_BODY_CHUNKED:
		check_chunked(c, in);
		break;
	case H1_BODY_CLOSE:
		break;
	}
	if (c->step == CHECK_BODY && c->body_bytes > CHECK_BODY_MAX)
		check_judge(c);
}

/* Drops a head of the buffer that has been read. */
static void
check_consume(struct check_http *c, size_t size)
{
	memmove(c->in, c->in + size, c->n - size);
	c->n -= size;
	c->scanned = 0;
}

static void
check_head(struct check_http *c)
{
	struct field fields[CHECK_FIELDS_MAX];
	struct h1_head head;

	while (h1_head_complete((struct span){c->in, c->n}, &c->scanned)) {
		h1_head_init(&head, fields, CHECK_FIELDS_MAX);
		if (h1_parse_response(
			(struct span){c->in, c->n}, false, &head) != H1_DONE) {
			check_end(c, CHECK_BAD, "malformed answer");
			return;
		}
		check_consume(c, head.size);
		if (head.status >= 100 && head.status < 200 &&
		    head.status != 101)
			continue;
		c->step = CHECK_BODY;
		c->status = head.status;
		c->body = head.body;
		c->left = head.length;
		check_body(c);
		return;
	}
	if (c->n == sizeof(c->in))
		check_end(c, CHECK_BAD,
		    "malformed answer: head exceeds %u bytes", CHECK_HEAD_MAX);
}

static void
check_read(struct check_http *c)
{
	ssize_t n = recv(c->fd, c->in + c->n, sizeof(c->in) - c->n, 0);

	if (n < 0) {
		if (errno != EAGAIN && errno != EINTR)
			check_end(c, CHECK_BAD, "read: %s", strerror(errno));
		return;
	}
	if (n == 0) {
		if (c->step == CHECK_BODY && c->body == H1_BODY_CLOSE)
			check_judge(c);
		else
			check_end(c, CHECK_BAD,
			    c->step == CHECK_BODY || c->n > 0
				? "closed before the answer was complete"
				: "closed without an answer");
		return;
	}
	c->n += (size_t)n;
	if (c->step == CHECK_HEAD)
		check_head(c);
	else
		check_body(c);
}

static void
check_on_io(evutil_socket_t fd, short what, void *arg)
{
	struct check_http *c = arg;

	(void)fd;
	(void)what;
	CHECK_OBJ(c, CHECK_MAGIC);
	if (c->step == CHECK_CONNECT)
		check_connected(c);
	if (c->step == CHECK_SEND)
		check_send(c);
	else if (c->step == CHECK_HEAD || c->step == CHECK_BODY)
		check_read(c);
}

struct check_http *
check_http_new(struct event_base *base, const struct check_wish *wish,
    check_done *done, void *arg)
{
	struct timeval timeout = {
	    wish->timeout_ms / 1000, (wish->timeout_ms % 1000) * 1000};
	struct check_http *c = calloc(1, sizeof(*c));
	int n;

	if (c == NULL)
		return NULL;
	c->magic = CHECK_MAGIC;
	c->fd = -1;
	c->done = done;
	c->arg = arg;
	c->timeout_ms = wish->timeout_ms;
	c->status_min = wish->status_min;
	c->status_max = wish->status_max;
	event_assign(&c->io, base, -1, 0, check_on_io, c);
	evtimer_assign(&c->timer, base, check_on_timer, c);
	n = asprintf(&c->request,
	    "GET %s HTTP/1.1\r\n"
	    "Host: %s\r\n"
	    "User-Agent: shunt-health/" SHUNT_VERSION "\r\n"
	    "Accept: */*\r\n"
	    "Connection: close\r\n"
	    "\r\n",
	    wish->path, wish->address->text);
	if (n < 0) {
		c->request = NULL;
		check_free(c);
		return NULL;
	}
	c->length = (size_t)n;
	if (evtimer_add(&c->timer, &timeout) < 0) {
		check_free(c);
		return NULL;
	}
	check_connect(c, wish->address);
	return c;
}
