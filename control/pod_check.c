/*
 * One check of a pod over a connection of its own: connecting, the time it may
 * take, the verdict. The answer is read to its end, so that the pod is not cut
 * off while it writes. In clear text the socket is used directly: thousands of
 * pods may be checked each second.
 */
#include "control/pod_check.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"
#include "control/check_codec.h"
#include "control/check_tls.h"
#include "control/grpc_health.h"
#include "proxy/fifo.h"
#include "router/match.h"
#include "router/pod_tls.h"

#define POD_CHECK_MAGIC 0xc4ec0001u
#define READ_BYTES	16384u

enum check_step {
	CHECK_CONNECT,
	CHECK_HANDSHAKE, /* with TLS */
	CHECK_ANSWER,
	CHECK_OVER,
};

struct pod_check {
	unsigned magic;
	enum check_step step;
	int fd;		 /* until a wire owns it */
	struct event io; /* of fd */
	struct event timer;
	check_done *done;
	void *arg;
	struct check_wish wish; /* address: a copy; tls, terms: held */
	struct address address;
	struct bufferevent *wire;  /* with TLS, once it is connected */
	struct check_codec *codec; /* in CHECK_ANSWER */
	struct fifo out;	   /* that the socket has not taken yet */
	bool heard;		   /* the pod has sent something */

	enum check_result result; /* from CHECK_OVER on */
	char reason[96];
};

static void
check_free(struct pod_check *c)
{
	event_del(&c->io);
	event_del(&c->timer);
	if (c->fd >= 0)
		close(c->fd);
	if (c->wire != NULL) {
		check_tls_end(c->wire);
		bufferevent_free(c->wire);
	}
	if (c->codec != NULL)
		c->codec->ops->free(c->codec);
	fifo_free(&c->out);
	pod_tls_drop(c->wish.tls);
	terms_drop(c->wish.terms);
	c->magic = 0;
	free(c);
}

void
pod_check_cancel(struct pod_check *c)
{
	if (c == NULL)
		return;
	CHECK_OBJ(c, POD_CHECK_MAGIC);
	check_free(c);
}

/* The verdict; told from the loop, as soon as it turns. */
static void __attribute__((format(printf, 3, 4)))
check_end(struct pod_check *c, enum check_result result, const char *fmt, ...)
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
check_unmade(struct pod_check *c)
{
	check_end(c, CHECK_UNMADE, "out of memory");
}

/* Errors of connect(2) that say nothing about the pod. */
static bool
is_ours(const struct address *a, int error)
{
	if (error == EAGAIN) /* a Unix socket's says that its queue is full */
		return !address_is_unix(a);
	return error == EADDRNOTAVAIL || error == ENOBUFS || error == ENOMEM ||
	       error == EMFILE || error == ENFILE;
}

static void
judge_grpc(struct pod_check *c)
{
	const struct check_codec *codec = c->codec;
	enum grpc_health health;

	if (codec->status != 200) {
		check_end(c, CHECK_BAD, "status %d", codec->status);
	} else if (codec->grpc_status < 0) {
		check_end(c, CHECK_BAD, "the answer has no grpc-status");
	} else if (codec->grpc_status > 0) {
		check_end(c, CHECK_BAD, "grpc-status %d", codec->grpc_status);
	} else {
		health =
		    grpc_health_read((struct span){codec->body, codec->nbody});
		check_end(c,
		    health == GRPC_HEALTH_SERVING ? CHECK_GOOD : CHECK_BAD,
		    "%s",
		    health == GRPC_HEALTH_SERVING ? ""
						  : grpc_health_name(health));
	}
}

static void
judge_body(struct pod_check *c)
{
	const struct check_codec *codec = c->codec;

	switch (pattern_find(c->wish.terms->health.body,
	    (struct span){codec->body, codec->nbody})) {
	case REGEX_MATCHES:
		check_end(c, CHECK_GOOD, "%s", "");
		return;
	case REGEX_MISSES:
		check_end(c, CHECK_BAD,
		    "status %d, but the body does not match", codec->status);
		return;
	case REGEX_COSTLY:
		check_end(c, CHECK_BAD,
		    "status %d, but the pattern is too costly for the body",
		    codec->status);
		return;
	}
	WRONG("verdict of a regex");
}

/* The answer is there. */
static void
check_judge(struct pod_check *c)
{
	const struct health_rules *rules = &c->wish.terms->health;
	const struct check_codec *codec = c->codec;

	if (codec->lost)
		check_unmade(c);
	else if (rules->type == HEALTH_GRPC)
		judge_grpc(c);
	else if (!health_good_status(rules, codec->status))
		check_end(c, CHECK_BAD, "status %d", codec->status);
	else if (rules->body != NULL)
		judge_body(c);
	else
		check_end(c, CHECK_GOOD, "%s", "");
}

/* The pod has closed the connection. */
static void
check_closed(struct pod_check *c)
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

/* What the pod has sent. */
static void
check_read(struct pod_check *c, struct span in)
{
	c->heard = true;
	switch (c->codec->ops->read(c->codec, in, &c->out)) {
	case CHECK_READ_MORE:
		break;
	case CHECK_READ_DONE:
		check_judge(c);
		break;
	case CHECK_READ_BAD:
		if (c->codec->lost)
			check_unmade(c);
		else
			check_end(c, CHECK_BAD, "%s", c->codec->why);
		break;
	}
}

static void check_on_io(evutil_socket_t fd, short what, void *arg);

static void
check_watch(struct pod_check *c, short what)
{
	what |= EV_PERSIST;
	if (event_get_events(&c->io) == what &&
	    event_pending(&c->io, EV_READ | EV_WRITE, NULL) != 0)
		return;
	event_del(&c->io);
	event_assign(
	    &c->io, event_get_base(&c->timer), c->fd, what, check_on_io, c);
	if (event_add(&c->io, NULL) < 0)
		check_unmade(c);
}

/* Sends what there is to send, and waits for what comes next. */
static void
check_flush(struct pod_check *c)
{
	struct span out = fifo_span(&c->out);
	ssize_t n = 0;

	if (out.n > 0)
		n = send(c->fd, out.p, out.n, MSG_NOSIGNAL);
	if (n < 0 && errno != EAGAIN && errno != EINTR) {
		check_end(c, CHECK_BAD, "send: %s", strerror(errno));
		return;
	}
	if (n > 0)
		fifo_consume(&c->out, (size_t)n);
	check_watch(c, fifo_empty(&c->out) ? EV_READ : EV_READ | EV_WRITE);
}

static void
check_on_readable(struct pod_check *c)
{
	char bytes[READ_BYTES];
	ssize_t n = recv(c->fd, bytes, sizeof bytes, 0);

	if (n > 0)
		check_read(c, (struct span){bytes, (size_t)n});
	else if (n == 0)
		check_closed(c);
	else if (errno != EAGAIN && errno != EINTR)
		check_end(c, CHECK_BAD, "read: %s", strerror(errno));
}

/*
 * Over, or out of time: but that we come late to look does not make the pod
 * late, so what has come by now counts.
 */
static void
check_on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct pod_check *c = arg;
	char reason[sizeof(c->reason)];
	enum check_result result = CHECK_BAD;
	check_done *done;
	void *done_arg;

	(void)fd;
	(void)what;
	CHECK_OBJ(c, POD_CHECK_MAGIC);
	if (c->step == CHECK_ANSWER && c->wire == NULL)
		check_on_readable(c);
	snprintf(reason, sizeof(reason), "timeout after %u ms",
	    c->wish.terms->health.timeout_ms);
	if (c->step == CHECK_OVER) {
		result = c->result;
		memcpy(reason, c->reason, sizeof(reason));
	}
	done = c->done;
	done_arg = c->arg;
	check_free(c);
	done(done_arg, result, reason);
}

/* Connected, and over TLS shaken hands. */
static void
check_begin(struct pod_check *c)
{
	c->step = CHECK_ANSWER;
	if (c->wish.terms->health.type == HEALTH_TCP) {
		check_end(c, CHECK_GOOD, "%s", "");
		return;
	}
	c->codec = c->wish.protocol == POD_HTTP1
		       ? check_h1_new(&c->wish, &c->out)
		       : check_h2_new(&c->wish, &c->out);
	if (c->codec == NULL)
		check_unmade(c);
}

/* Gives the TLS side what there is to send. */
static void
wire_flush(struct pod_check *c)
{
	struct span out = fifo_span(&c->out);

	if (c->step != CHECK_ANSWER || out.n == 0)
		return;
	if (bufferevent_write(c->wire, out.p, out.n) < 0)
		check_unmade(c);
	else
		fifo_consume(&c->out, out.n);
}

static void
wire_on_read(struct bufferevent *wire, void *arg)
{
	struct pod_check *c = arg;
	struct evbuffer *in = bufferevent_get_input(wire);
	size_t n;

	CHECK_OBJ(c, POD_CHECK_MAGIC);
	while (c->step == CHECK_ANSWER &&
	       (n = evbuffer_get_contiguous_space(in)) > 0) {
		check_read(c,
		    (struct span){(char *)evbuffer_pullup(in, (ssize_t)n), n});
		evbuffer_drain(in, n);
	}
	wire_flush(c);
}

static void
wire_broken(struct pod_check *c, short what, int error)
{
	const char *words = check_tls_reason(c->wire);

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
wire_on_event(struct bufferevent *wire, short what, void *arg)
{
	struct pod_check *c = arg;
	int error = errno;

	CHECK_OBJ(c, POD_CHECK_MAGIC);
	if (what & BEV_EVENT_ERROR) {
		wire_broken(c, what, error);
	} else if (what & BEV_EVENT_EOF) {
		check_closed(c);
	} else if (c->wish.protocol == POD_H2 && !check_tls_speaks_h2(wire)) {
		check_end(c, CHECK_BAD, "TLS: the pod does not offer HTTP/2");
	} else { /* BEV_EVENT_CONNECTED */
		check_begin(c);
		wire_flush(c);
	}
}

static void
check_secure(struct pod_check *c)
{
	event_del(&c->io);
	c->wire = check_tls_new(event_get_base(&c->timer), c->fd, &c->wish);
	if (c->wire == NULL) {
		check_unmade(c);
		return;
	}
	c->fd = -1;
	c->step = CHECK_HANDSHAKE;
	bufferevent_setcb(c->wire, wire_on_read, NULL, wire_on_event, c);
	bufferevent_enable(c->wire, EV_READ | EV_WRITE);
}

static void
check_connected(struct pod_check *c)
{
	if (c->wish.tls != NULL) {
		check_secure(c);
		return;
	}
	check_begin(c);
	if (c->step == CHECK_ANSWER)
		check_flush(c);
}

/*
 * connect(2) again tells how it went (EISCONN, 0 or why not), or that it still
 * goes on. Within one machine it is over at once, and nobody need wait.
 */
static void
check_connect(struct pod_check *c)
{
	const struct address *a = &c->address;
	const struct sockaddr *sa = (const struct sockaddr *)&a->sa;
	int rc = connect(c->fd, sa, a->len);

	if (rc < 0 && errno == EINPROGRESS)
		rc = connect(c->fd, sa, a->len);
	if (rc == 0 || errno == EISCONN)
		check_connected(c);
	else if (errno == EALREADY || errno == EINPROGRESS || errno == EINTR)
		check_watch(c, EV_WRITE);
	else
		check_end(c, is_ours(a, errno) ? CHECK_UNMADE : CHECK_BAD,
		    "connect: %s", strerror(errno));
}

static void
check_on_io(evutil_socket_t fd, short what, void *arg)
{
	struct pod_check *c = arg;

	(void)fd;
	CHECK_OBJ(c, POD_CHECK_MAGIC);
	if (c->step == CHECK_CONNECT) {
		check_connect(c);
		return;
	}
	if (what & EV_READ)
		check_on_readable(c);
	if (c->step == CHECK_ANSWER &&
	    (!fifo_empty(&c->out) || (what & EV_WRITE)))
		check_flush(c);
}

struct pod_check *
pod_check_new(struct event_base *base, const struct check_wish *wish,
    check_done *done, void *arg)
{
	const uint32_t ms = wish->terms->health.timeout_ms;
	const struct timeval timeout = {ms / 1000, ms % 1000 * 1000};
	struct pod_check *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return NULL;
	c->magic = POD_CHECK_MAGIC;
	c->done = done;
	c->arg = arg;
	c->wish = *wish;
	c->address = *wish->address;
	c->wish.address = &c->address;
	pod_tls_hold(wish->tls);
	terms_hold(wish->terms);
	event_assign(&c->io, base, -1, 0, check_on_io, c);
	evtimer_assign(&c->timer, base, check_on_timer, c);
	c->fd = socket(c->address.sa.ss_family,
	    SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (evtimer_add(&c->timer, &timeout) < 0) {
		check_free(c);
		return NULL;
	}
	if (c->fd < 0)
		check_end(c, CHECK_UNMADE, "socket: %s", strerror(errno));
	else
		check_connect(c);
	return c;
}
