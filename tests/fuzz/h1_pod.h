/*
 * A pod for fuzzers of the proxy: it speaks HTTP/1.1 in the same thread, a
 * step at a time, and answers by the first letter of the path.
 */
#ifndef TESTS_FUZZ_H1_POD_H
#define TESTS_FUZZ_H1_POD_H

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"
#include "proxy/h1_parse.h"
#include "proxy/websocket.h"

#define H1_POD_CONNS  32u
#define H1_POD_HEAD   16384u
#define H1_POD_FIELDS 256u

enum h1_pod_end {
	H1_POD_STAY,
	H1_POD_CLOSE, /* behind the answer */
	H1_POD_RESET,
};

struct h1_pod_answer {
	char letter;
	const char *text;
	uint32_t filler; /* bytes behind it */
	enum h1_pod_end end;
};

#define OK "HTTP/1.1 200 OK\r\n"
static const struct h1_pod_answer h1_pod_answers[] = {
    {'b', OK "Content-Length: 100000\r\n\r\n", 100000, H1_POD_STAY},
    {'c',
	OK "Transfer-Encoding: chunked\r\nTrailer: t\r\n\r\n"
	   "3\r\nabc\r\n0\r\nt: v\r\n\r\n",
	0, H1_POD_STAY},
    {'e',
	"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" OK
	"Content-Length: 2\r\n\r\nhi",
	0, H1_POD_STAY},
    {'g', "HTTP/1.1 banana\r\n\r\n", 0, H1_POD_STAY},
    {'k', OK "\r\n", 20000, H1_POD_CLOSE},
    {'n', "HTTP/1.1 204 No Content\r\n\r\n", 0, H1_POD_STAY},
    {'p', OK "Content-Length: 10\r\n\r\nhalf", 0, H1_POD_CLOSE},
    {'r', "", 0, H1_POD_RESET},
    {'s', "", 0, H1_POD_STAY},
    {'t', OK "Content-Length: 10\r\n\r\n", 5, H1_POD_RESET},
    {'x', OK "Transfer-Encoding: chunked\r\n\r\nq", 0, H1_POD_STAY},
    {'\0', OK "Content-Length: 2\r\n\r\nok", 0, H1_POD_STAY},
};
#undef OK

struct h1_pod_conn {
	int fd; /* 0 = none */
	char head[H1_POD_HEAD];
	size_t n;
	uint64_t skip; /* of a request's body */
	bool chunked;  /* it is, and goes on */
	struct h1_chunks chunks;
	bool echo; /* a tunnel */
	uint32_t filler;
	enum h1_pod_end end;
};

struct h1_pod {
	int fd;
	uint16_t port;
	unsigned nconns; /* places that are, or were, in use */
	struct h1_pod_conn conns[H1_POD_CONNS];
};

/* A socket bound to some port of loopback. */
static inline int
h1_pod_bind(uint16_t *port)
{
	struct sockaddr_in at = {.sin_family = AF_INET};
	socklen_t len = sizeof at;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	CHECK(fd > 0 && bind(fd, (struct sockaddr *)&at, len) == 0);
	CHECK(getsockname(fd, (struct sockaddr *)&at, &len) == 0);
	*port = ntohs(at.sin_port);
	return fd;
}

static inline void
h1_pod_open(struct h1_pod *p)
{
	p->fd = h1_pod_bind(&p->port);
	CHECK(listen(p->fd, 4096) == 0);
}

static inline void
h1_pod_hang_up(struct h1_pod_conn *c, bool reset)
{
	const struct linger now = {.l_onoff = 1, .l_linger = 0};

	if (reset)
		setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
	close(c->fd);
	c->fd = 0;
}

static inline void
h1_pod_send(const struct h1_pod_conn *c, const char *p, size_t n)
{
	(void)!send(c->fd, p, n, MSG_NOSIGNAL);
}

/* The rest of an answer, as far as the socket takes it; true when any. */
static inline bool
h1_pod_fill(struct h1_pod_conn *c)
{
	static const char filler[16384];
	uint32_t before = c->filler;
	ssize_t n = 1;

	while (c->filler > 0 && n > 0) {
		n = send(c->fd, filler,
		    c->filler < sizeof filler ? c->filler : sizeof filler,
		    MSG_NOSIGNAL);
		c->filler -= n > 0 ? (uint32_t)n : 0;
	}
	if (c->filler == 0 && c->end != H1_POD_STAY)
		h1_pod_hang_up(c, c->end == H1_POD_RESET);
	return c->filler != before;
}

static inline void
h1_pod_upgrade(struct h1_pod_conn *c, const struct h1_head *h)
{
	static const char start[] =
	    "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\n"
	    "Upgrade: websocket\r\nSec-WebSocket-Accept: ";
	char accept[WEBSOCKET_ACCEPT_SIZE];

	for (unsigned i = 0; i < h->nfields; i++)
		if (span_eq_nocase(
			h->fields[i].name, SPAN("sec-websocket-key")) &&
		    websocket_accept(h->fields[i].value, accept)) {
			h1_pod_send(c, start, sizeof start - 1);
			h1_pod_send(c, accept, sizeof accept);
			h1_pod_send(c, "\r\n\r\n", 4);
			c->echo = true;
			return;
		}
}

static inline void
h1_pod_answer(struct h1_pod_conn *c, const struct h1_head *h)
{
	const struct h1_pod_answer *a = h1_pod_answers;
	char letter = h->target.n > 1 ? h->target.p[1] : 'o';

	if (h->connection_upgrade) {
		h1_pod_upgrade(c, h);
		return;
	}
	while (a->letter != '\0' && a->letter != letter)
		a++;
	if (a->text[0] != '\0')
		h1_pod_send(c, a->text, strlen(a->text));
	c->filler = span_eq(h->method, SPAN("HEAD")) ? 0 : a->filler;
	c->end = a->end;
}

/* What the proxy sends is a request: it was written by us. */
static inline void
h1_pod_head(struct h1_pod_conn *c, struct span *in)
{
	static struct field fields[H1_POD_FIELDS];
	size_t n = in->n < H1_POD_HEAD - c->n ? in->n : H1_POD_HEAD - c->n;
	size_t before = c->n;
	enum h1_result result;
	struct h1_head h;

	CHECK(n > 0);
	memcpy(c->head + c->n, in->p, n);
	c->n += n;
	h1_head_init(&h, fields, H1_POD_FIELDS);
	result = h1_parse_request((struct span){c->head, c->n}, &h);
	CHECK(result != H1_BAD);
	if (result == H1_DONE) {
		n = h.size - before;
		c->n = 0;
		c->skip = h.body == H1_BODY_LENGTH ? h.length : 0;
		c->chunked = h.body == H1_BODY_CHUNKED;
		c->chunks = (struct h1_chunks){0};
		h1_pod_answer(c, &h);
	}
	in->p += n;
	in->n -= n;
}

static inline void
h1_pod_chunks(struct h1_pod_conn *c, struct span *in)
{
	struct span data;
	enum h1_result result = h1_parse_chunked(&c->chunks, in, &data);

	CHECK(result != H1_BAD);
	c->chunked = result == H1_MORE || data.n > 0;
}

static inline void
h1_pod_take(struct h1_pod_conn *c, struct span in)
{
	size_t n;

	if (c->echo) {
		h1_pod_send(c, in.p, in.n);
		return;
	}
	while (in.n > 0) {
		n = in.n < c->skip ? in.n : (size_t)c->skip;
		c->skip -= n;
		in.p += n;
		in.n -= n;
		if (n == 0 && c->chunked)
			h1_pod_chunks(c, &in);
		else if (n == 0)
			h1_pod_head(c, &in);
	}
}

static inline void
h1_pod_meet(struct h1_pod_conn *c, int fd)
{
	c->fd = fd;
	c->n = 0;
	c->skip = c->filler = 0;
	c->chunked = c->echo = false;
	c->end = H1_POD_STAY;
}

static inline bool
h1_pod_accept(struct h1_pod *p)
{
	struct pollfd waiting = {.fd = p->fd, .events = POLLIN};
	unsigned i = 0;
	int fd;

	/* in vain, this is much cheaper than accept4() */
	if (poll(&waiting, 1, 0) <= 0)
		return false;
	fd = accept4(p->fd, NULL, NULL, SOCK_NONBLOCK);
	if (fd < 0)
		return false;
	while (i < p->nconns && p->conns[i].fd != 0)
		i++;
	if (i == H1_POD_CONNS) {
		close(fd);
		return true;
	}
	if (i == p->nconns)
		p->nconns++;
	h1_pod_meet(&p->conns[i], fd);
	return true;
}

/* What has come is taken; true when something had. */
static inline bool
h1_pod_step(struct h1_pod *p)
{
	static char buf[65536];
	bool any = false;
	ssize_t n;

	while (h1_pod_accept(p))
		any = true;
	for (size_t i = 0; i < p->nconns; i++) {
		struct h1_pod_conn *c = &p->conns[i];

		if (c->fd == 0)
			continue;
		n = recv(c->fd, buf, sizeof buf, 0);
		if (n == 0 || (n < 0 && errno != EAGAIN))
			h1_pod_hang_up(c, true);
		else if (n > 0)
			h1_pod_take(c, (struct span){buf, (size_t)n});
		any = any || n >= 0;
		if (c->fd != 0 && h1_pod_fill(c))
			any = true;
	}
	return any;
}

/* All connections are reset, also those that nobody has accepted yet. */
static inline void
h1_pod_reset(struct h1_pod *p)
{
	do
		for (size_t i = 0; i < p->nconns; i++)
			if (p->conns[i].fd != 0)
				h1_pod_hang_up(&p->conns[i], true);
	while (h1_pod_accept(p));
	p->nconns = 0;
}

#endif
