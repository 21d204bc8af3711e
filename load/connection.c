/* A socket of the load tester: opening, TLS, sending, receiving, ending. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"
#include "load/count.h"
#include "load/runner_state.h"

/* Reads of one turn: a server that never ends must not stop the schedule. */
#define READS_MAX 16

void
connection_settle(struct connection *c)
{
	c->runner->opening -= c->is_new;
	c->is_new = false;
}

static void
connection_end(struct connection *c)
{
	struct runner *r = c->runner;

	connection_settle(c);
	c->state = CONNECTION_CLOSED;
	runner_set_idle(c, false);
	event_del(&c->event);
	wire_free(c->tls);
	c->tls = NULL;
	close(c->fd);
	r->nconnections--;
	TAILQ_REMOVE(&r->all, c, link);
	TAILQ_INSERT_TAIL(&r->dead, c, link);
}

void
connection_close(struct connection *c)
{
	if (c->state != CONNECTION_CLOSED)
		connection_end(c);
}

void
connection_fail(struct connection *c, enum failure why)
{
	enum connection_state state = c->state;

	if (state == CONNECTION_CLOSED)
		return;
	connection_end(c);
	if (state == CONNECTION_OPEN)
		c->codec->fail(c, why);
	else
		runner_unopened(c->runner, why);
}

void
connection_free(struct connection *c)
{
	CHECK(c->state == CONNECTION_CLOSED);
	if (c->codec != NULL)
		c->codec->free(c);
	buffer_free(&c->out);
	c->magic = 0;
	free(c);
}

static void
connection_open(struct connection *c)
{
	const struct trial *trial = c->runner->trial;
	bool h2 = c->tls != NULL ? wire_speaks_h2(c->tls)
				 : trial->options.protocol == LOAD_PROTOCOL_H2;

	if (c->tls != NULL && trial->options.protocol == LOAD_PROTOCOL_H2 &&
	    !h2) {
		runner_reason(c->runner, FAILURE_PROTOCOL,
		    "the server does not choose HTTP/2");
		connection_fail(c, FAILURE_PROTOCOL);
		return;
	}
	c->state = CONNECTION_OPEN;
	c->codec = h2 ? &codec_h2 : &codec_h1;
	if (h2)
		count_add(&c->runner->http2, 1);
	if (!c->codec->open(c)) {
		connection_fail(c, FAILURE_RESET);
		return;
	}
	runner_opened(c);
}

static void
connection_shake(struct connection *c)
{
	char why[REASON_MAX];

	switch (wire_shake(c->tls, why, sizeof why)) {
	case WIRE_DONE:
		connection_open(c);
		break;
	case WIRE_WAIT:
		break;
	case WIRE_END:
	case WIRE_FAILED:
		runner_reason(c->runner, FAILURE_TLS, why);
		connection_fail(c, FAILURE_TLS);
		break;
	}
}

static void
connection_made(struct connection *c)
{
	int error = 0;
	socklen_t n = sizeof error;

	if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &n) != 0 ||
	    error != 0) {
		runner_reason(c->runner, FAILURE_CONNECT, strerror(error));
		connection_fail(c, FAILURE_CONNECT);
		return;
	}
	count_add(&c->runner->opened, 1);
	if (!c->runner->trial->target.tls) {
		connection_open(c);
		return;
	}
	c->tls = wire_new(c->runner->tls, c->fd);
	if (c->tls == NULL) {
		connection_fail(c, FAILURE_TLS);
		return;
	}
	c->state = CONNECTION_SHAKING;
	connection_shake(c);
}

/* How much went; *lost when the connection is of no more use. */
static size_t
write_some(struct connection *c, struct span bytes, bool *lost)
{
	size_t done = 0;
	ssize_t n;

	if (c->tls != NULL) {
		enum wire_result got =
		    wire_write(c->tls, bytes.p, bytes.n, &done);

		*lost = got == WIRE_END || got == WIRE_FAILED;
		return got == WIRE_DONE ? done : 0;
	}
	n = send(c->fd, bytes.p, bytes.n, MSG_NOSIGNAL);
	*lost = n < 0 && errno != EAGAIN && errno != EINTR;
	return n > 0 ? (size_t)n : 0;
}

/*
 * A peer may answer and leave before it has read all; so where writing fails,
 * what came is still read, and the end is found there.
 */
static void
connection_flush(struct connection *c)
{
	bool lost = false;

	while (c->out.n > 0) {
		size_t n = write_some(c, buffer_span(&c->out), &lost);

		buffer_consume(&c->out, lost ? c->out.n : n);
		if (n == 0)
			return;
	}
}

void
connection_send(struct connection *c, struct span bytes)
{
	bool lost = false;

	while (c->out.n == 0 && bytes.n > 0 && !lost) {
		size_t n = write_some(c, bytes, &lost);

		if (n == 0)
			break;
		bytes.p += n;
		bytes.n -= n;
	}
	if (lost)
		event_active(&c->event, EV_READ | EV_CLOSED, 0);
	else
		buffer_add(&c->out, bytes);
}

/* True when there is something, else the socket is empty or at its end. */
static bool
read_some(struct connection *c, size_t *n, bool *end)
{
	struct runner *r = c->runner;
	ssize_t got;

	if (c->tls != NULL) {
		switch (wire_read(c->tls, r->scratch, sizeof r->scratch, n)) {
		case WIRE_DONE:
			return true;
		case WIRE_WAIT:
			return false;
		case WIRE_END:
		case WIRE_FAILED:
			*end = true;
			return false;
		}
	}
	got = recv(c->fd, r->scratch, sizeof r->scratch, 0);
	*end = got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR);
	*n = got > 0 ? (size_t)got : 0;
	return got > 0;
}

/* There is more to read in the next turn: what is added anew has an edge. */
static void
come_back(struct connection *c)
{
	event_del(&c->event);
	if (event_add(&c->event, NULL) != 0)
		connection_fail(c, FAILURE_RESET);
}

static void
connection_receive(struct connection *c, bool hung_up)
{
	struct runner *r = c->runner;
	bool end = false;
	int reads = 0;
	size_t n;

	while (c->state == CONNECTION_OPEN && read_some(c, &n, &end)) {
		runner_now(r);
		count_add(&r->bytes, n);
		c->codec->receive(c, (struct span){r->scratch, n});
		/* A short read has emptied it; only an end may follow. */
		if (c->tls == NULL && n < sizeof r->scratch && !hung_up)
			return;
		if (++reads < READS_MAX || c->state != CONNECTION_OPEN)
			continue;
		come_back(c);
		return;
	}
	if (c->state == CONNECTION_OPEN && end) {
		runner_now(r);
		c->codec->end(c);
	}
}

static void
connection_on_event(evutil_socket_t fd, short what, void *arg)
{
	struct connection *c = arg;

	(void)fd;
	CHECK_OBJ(c, CONNECTION_MAGIC);
	switch (c->state) {
	case CONNECTION_CONNECTING:
		connection_made(c);
		break;
	case CONNECTION_SHAKING:
		connection_shake(c);
		break;
	case CONNECTION_OPEN:
		if (c->out.n > 0)
			connection_flush(c);
		break;
	case CONNECTION_CLOSED:
		return;
	}
	/* What came with the end of the handshake makes no event of its own. */
	if (c->state == CONNECTION_OPEN)
		connection_receive(c, (what & EV_CLOSED) != 0);
}

static int
open_socket(const struct address *a)
{
	int one = 1;
	int fd = socket(
	    a->sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd >= 0 && a->sa.ss_family != AF_UNIX)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	return fd;
}

bool
connection_new(struct runner *r)
{
	const struct address *a = &r->trial->target.address;
	struct connection *c = calloc(1, sizeof *c);
	int rc;

	if (c == NULL)
		return false;
	c->magic = CONNECTION_MAGIC;
	c->runner = r;
	c->since_ns = r->now_ns;
	c->fd = open_socket(a);
	if (c->fd < 0) {
		free(c);
		return false;
	}
	event_assign(&c->event, r->base, c->fd,
	    EV_READ | EV_WRITE | EV_CLOSED | EV_ET | EV_PERSIST,
	    connection_on_event, c);
	rc = connect(c->fd, (const struct sockaddr *)&a->sa, a->len);
	TAILQ_INSERT_TAIL(&r->all, c, link);
	r->nconnections++;
	c->is_new = true;
	r->opening++;
	if ((rc != 0 && errno != EINPROGRESS) ||
	    event_add(&c->event, NULL) != 0) {
		runner_reason(r, FAILURE_CONNECT, strerror(errno));
		connection_fail(c, FAILURE_CONNECT);
	}
	return true;
}
