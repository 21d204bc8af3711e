/*
 * The pods of bench/checks: any number of them behind one port of all
 * addresses of this machine, each of which answers whatever is asked with 200
 * and closes, as cheaply as one thread can. It says how many connections came
 * in each tenth of a second in which one did: "SLICE COUNT".
 *
 *   answer ADDRESS
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "bench/loop.h"

#define SLICE_US 100000u
#define BACKLOG	 4096

struct visit {
	struct watch watch; /* first */
	int fd;
	bool closed;
	SLIST_ENTRY(visit) dead;
};

static struct {
	struct watch watch;
	int loop, listener;
	uint64_t begun_us, slice;
	unsigned count; /* in it */
	SLIST_HEAD(, visit) dead;
} pods;

/* A request fits one packet; that it has begun is enough. */
static void
visit_on_event(struct watch *w, uint32_t events)
{
	static const char reply[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n"
				    "Connection: close\r\n\r\nOK";
	struct visit *v = (struct visit *)w;
	char bytes[4096];
	ssize_t n;

	(void)events;
	if (v->closed)
		return;
	n = recv(v->fd, bytes, sizeof bytes, 0);
	if (n < 0 && errno == EAGAIN)
		return;
	if (n > 0)
		(void)!send(v->fd, reply, sizeof reply - 1, MSG_NOSIGNAL);
	close(v->fd);
	v->closed = true;
	SLIST_INSERT_HEAD(&pods.dead, v, dead);
}

static void
count_visit(void)
{
	const uint64_t slice = (clock_now_us() - pods.begun_us) / SLICE_US;

	if (slice != pods.slice) {
		printf("%llu %u\n", (unsigned long long)pods.slice, pods.count);
		fflush(stdout);
		pods.slice = slice;
		pods.count = 0;
	}
	pods.count++;
}

static void
listener_on_event(struct watch *w, uint32_t events)
{
	struct visit *v;
	int fd;

	(void)w;
	(void)events;
	while ((fd = loop_accept(pods.listener)) >= 0) {
		count_visit();
		v = calloc(1, sizeof *v);
		if (v == NULL) {
			close(fd);
			return;
		}
		v->watch.on_event = visit_on_event;
		v->fd = fd;
		if (!loop_watch(pods.loop, fd, &v->watch)) {
			close(fd);
			free(v);
		}
	}
}

static void
reap_dead(void)
{
	struct visit *v;

	while ((v = SLIST_FIRST(&pods.dead)) != NULL) {
		SLIST_REMOVE_HEAD(&pods.dead, dead);
		free(v);
	}
}

int
main(int argc, char **argv)
{
	struct address a;

	if (argc != 2 || !address_parse(span_of(argv[1]), &a)) {
		fprintf(stderr, "usage: answer ADDRESS\n");
		return 2;
	}
	pods.watch.on_event = listener_on_event;
	pods.loop = loop_new();
	pods.listener = loop_listen(&a);
	if (pods.loop < 0 || pods.listener < 0 ||
	    listen(pods.listener, BACKLOG) != 0 ||
	    !loop_watch(pods.loop, pods.listener, &pods.watch)) {
		perror("answer");
		return 1;
	}
	pods.begun_us = clock_now_us();
	printf("%s\n", a.text);
	fflush(stdout);
	loop_run(pods.loop, reap_dead);
	perror("answer");
	return 1;
}
