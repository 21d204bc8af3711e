/*
 * The pods of the benchmark: HTTP/1.1 origins, several in one process, that
 * answer as fast as one thread can and stay the same for every proxy.
 *
 *   /          100 bytes of JSON that name the version
 *   /bytes/N   N bytes
 *   /echo      the request's head, after a line "NAME CONNECTION REQUEST"
 *
 * GET only; connections are kept alive until the proxy closes them.
 */
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"
#include "base/queue.h"
#include "base/span.h"
#include "bench/loop.h"

#define VISIT_MAGIC    0x76697369u
#define HEAD_MAX       8192 /* of a request */
#define REPLY_MAX      (HEAD_MAX + 512)
#define FIXED_MAX      512
#define FIXED_BODY     100
#define BLOCK_MAX      (256 * 1024)
#define PODS_MAX       64
#define NAME_MAX_BYTES 32

struct pod {
	struct watch watch;
	const char *name;
	int listener;
	char fixed[FIXED_MAX]; /* the whole reply to / */
	size_t nfixed;
};

/* A connection from a proxy. */
struct visit {
	struct watch watch;
	unsigned magic;
	int fd;
	const struct pod *pod;
	unsigned long number, requests;
	bool hung_up, closed;
	size_t nhead;
	char head[HEAD_MAX];
	size_t nreply, nsent; /* of what is still to be written */
	uint64_t body;	      /* bytes that follow the reply, all alike */
	char reply[REPLY_MAX];
	SLIST_ENTRY(visit) dead;
};

static struct {
	int loop;
	unsigned long nvisits;
	struct pod pods[PODS_MAX];
	SLIST_HEAD(, visit) dead;
	char date[64]; /* when we started: formatting it costs no request */
	char block[BLOCK_MAX];
} origin;

static void
visit_close(struct visit *v)
{
	if (v->closed)
		return;
	v->closed = true;
	close(v->fd);
	SLIST_INSERT_HEAD(&origin.dead, v, dead);
}

static void
reap_dead(void)
{
	struct visit *v;

	while ((v = SLIST_FIRST(&origin.dead)) != NULL) {
		SLIST_REMOVE_HEAD(&origin.dead, dead);
		v->magic = 0;
		free(v);
	}
}

static size_t
write_head(char *buf, size_t size, const char *type, uint64_t length)
{
	int n = snprintf(buf, size,
	    "HTTP/1.1 200 OK\r\nServer: origin\r\nDate: %s\r\n"
	    "Content-Type: %s\r\nContent-Length: %llu\r\n\r\n",
	    origin.date, type, (unsigned long long)length);

	CHECK(n > 0 && (size_t)n < size);
	return (size_t)n;
}

static void
prepare_fixed(struct pod *p)
{
	char body[FIXED_BODY + 1];
	int n = snprintf(body, sizeof body,
	    "{\"appVersion\":\"%s\",\"status\":\"200\",\"fill\":\"", p->name);

	CHECK(n > 0 && n < FIXED_BODY - 3);
	memset(body + n, '.', FIXED_BODY - 3 - (size_t)n);
	memcpy(body + FIXED_BODY - 3, "\"}\n", 3);
	p->nfixed = write_head(
	    p->fixed, FIXED_MAX - FIXED_BODY, "application/json", FIXED_BODY);
	memcpy(p->fixed + p->nfixed, body, FIXED_BODY);
	p->nfixed += FIXED_BODY;
}

/* The usual reply goes out uncopied; what the socket refuses is kept. */
static void
answer_fixed(struct visit *v)
{
	ssize_t done = write(v->fd, v->pod->fixed, v->pod->nfixed);

	if (done < 0 && errno != EAGAIN) {
		visit_close(v);
		return;
	}
	if (done < 0)
		done = 0;
	v->nsent = 0;
	v->nreply = v->pod->nfixed - (size_t)done;
	memcpy(v->reply, v->pod->fixed + done, v->nreply);
}

static void
answer_bytes(struct visit *v, uint64_t n)
{
	v->nsent = 0;
	v->nreply = write_head(
	    v->reply, sizeof v->reply, "application/octet-stream", n);
	v->body = n;
}

static void
answer_echo(struct visit *v, struct span head)
{
	char line[128];
	int n = snprintf(line, sizeof line, "%s %lu %lu\n", v->pod->name,
	    v->number, v->requests);

	v->nsent = 0;
	v->nreply = write_head(
	    v->reply, sizeof v->reply, "text/plain", (size_t)n + head.n);
	CHECK(v->nreply + (size_t)n + head.n <= sizeof v->reply);
	memcpy(v->reply + v->nreply, line, (size_t)n);
	memcpy(v->reply + v->nreply + n, head.p, head.n);
	v->nreply += (size_t)n + head.n;
}

/* False: not a request of ours. */
static bool
answer(struct visit *v, struct span head)
{
	struct span rest = head, path;
	uint64_t n;

	v->requests++;
	if (!span_eq(span_cut(&rest, ' '), SPAN("GET")))
		return false;
	path = span_cut(&rest, ' ');
	if (span_eq(path, SPAN("/"))) {
		answer_fixed(v);
	} else if (span_eq(path, SPAN("/echo"))) {
		answer_echo(v, head);
	} else if (span_eq(span_cut(&path, '/'), SPAN("")) &&
		   span_eq(span_cut(&path, '/'), SPAN("bytes")) &&
		   span_to_u64(path, &n)) {
		answer_bytes(v, n);
	} else {
		return false;
	}
	return true;
}

/* True when all is out and the next request may be answered. */
static bool
flush(struct visit *v)
{
	while (v->nsent < v->nreply || v->body > 0) {
		size_t block = v->body < BLOCK_MAX ? v->body : BLOCK_MAX;
		size_t left = v->nreply - v->nsent;
		struct iovec iov[2] = {
		    {v->reply + v->nsent, left}, {origin.block, block}};
		ssize_t done = writev(v->fd, iov, 2);

		if (done < 0) {
			if (errno != EAGAIN)
				visit_close(v);
			return false;
		}
		if ((size_t)done < left) {
			v->nsent += (size_t)done;
			continue;
		}
		v->nsent = v->nreply;
		v->body -= (uint64_t)done - left;
	}
	return true;
}

/* Answers every complete request in the buffer, pipelined ones in order. */
static void
answer_all(struct visit *v)
{
	const char *end;

	while (!v->closed && flush(v)) {
		struct span head = {v->head, v->nhead};

		end = span_find(head, SPAN("\r\n\r\n"));
		if (end == NULL)
			break;
		head.n = (size_t)(end - head.p) + 4;
		if (!answer(v, head)) {
			visit_close(v);
			break;
		}
		v->nhead -= head.n;
		memmove(v->head, v->head + head.n, v->nhead);
	}
}

static void
visit_on_event(struct watch *w, uint32_t events)
{
	struct visit *v = (struct visit *)w;

	CHECK_OBJ(v, VISIT_MAGIC);
	if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		v->hung_up = true;
	answer_all(v);
	while (!v->closed && v->nhead < HEAD_MAX) {
		size_t room = HEAD_MAX - v->nhead;
		ssize_t n = read(v->fd, v->head + v->nhead, room);

		if (n < 0 && errno == EAGAIN)
			return;
		if (n <= 0) {
			visit_close(v);
			return;
		}
		v->nhead += (size_t)n;
		answer_all(v);
		/* A short read says drained; only an end may still follow. */
		if ((size_t)n < room && !v->hung_up)
			return;
	}
	/* A full buffer with no request in it will never hold one. */
	if (!v->closed && v->nsent == v->nreply && v->body == 0)
		visit_close(v);
}

static void
welcome(const struct pod *p, int fd)
{
	struct visit *v = malloc(sizeof *v);

	if (v == NULL)
		goto fail;
	memset(v, 0, offsetof(struct visit, head));
	v->nreply = v->nsent = 0;
	v->body = 0;
	v->magic = VISIT_MAGIC;
	v->watch.on_event = visit_on_event;
	v->fd = fd;
	v->pod = p;
	v->number = ++origin.nvisits;
	if (loop_watch(origin.loop, fd, &v->watch))
		return;
fail:
	perror("origin: a connection was turned away");
	free(v);
	close(fd);
}

static void
pod_on_event(struct watch *w, uint32_t events)
{
	struct pod *p = (struct pod *)w;
	int fd;

	(void)events;
	while ((fd = loop_accept(p->listener)) >= 0)
		welcome(p, fd);
	if (errno != EAGAIN)
		perror("origin: accept");
}

/* Binds the pod to a free port of loopback and prints where it is. */
static bool
pod_open(struct pod *p, const char *name)
{
	struct address a = {.len = sizeof(struct sockaddr_in)};
	struct sockaddr_in *in = (struct sockaddr_in *)&a.sa;

	in->sin_family = AF_INET;
	in->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	p->name = name;
	p->watch.on_event = pod_on_event;
	p->listener = loop_listen(&a);
	if (p->listener < 0 || !loop_watch(origin.loop, p->listener, &p->watch))
		return false;
	prepare_fixed(p);
	printf("%s %s\n", name, a.text);
	return true;
}

static bool
names_fit(int n, char **names)
{
	for (int i = 0; i < n; i++) {
		size_t len = strlen(names[i]);

		if (len == 0 || len > NAME_MAX_BYTES || names[i][0] == '-')
			return false;
	}
	return n >= 1 && n <= PODS_MAX;
}

int
main(int argc, char **argv)
{
	time_t now = time(NULL);
	struct tm tm;

	if (!names_fit(argc - 1, argv + 1)) {
		fprintf(stderr,
		    "usage: origin VERSION...\n"
		    "a pod for each, 1 to %d, names of 1 to %d bytes\n",
		    PODS_MAX, NAME_MAX_BYTES);
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	memset(origin.block, 'x', BLOCK_MAX);
	gmtime_r(&now, &tm);
	strftime(
	    origin.date, sizeof origin.date, "%a, %d %b %Y %H:%M:%S GMT", &tm);
	origin.loop = loop_new();
	for (int i = 1; i < argc; i++) {
		if (!pod_open(&origin.pods[i - 1], argv[i])) {
			perror("origin");
			return 1;
		}
	}
	fflush(stdout);
	loop_run(origin.loop, reap_dead);
	perror("origin");
	return 1;
}
