/*
 * The floor of the benchmark: a relay that parses nothing. Every client is
 * joined to one origin, round robin, and the bytes are copied both ways.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/check.h"
#include "base/queue.h"
#include "bench/loop.h"

#define PAIR_MAGIC  0x7061697eu
#define SCRATCH_MAX (64 * 1024)
#define ORIGINS_MAX 64

/* One of the two sockets of a pair. */
struct end {
	struct watch watch;
	int fd;
	struct pair *pair;
	char *held; /* read from the other end, not yet written here */
	size_t nheld, nsent;
	bool hung_up; /* its peer has sent its last byte */
	bool ended;   /* and we have read it */
};

struct pair {
	uint32_t magic;
	bool closed;
	struct end client, origin;
	SLIST_ENTRY(pair) dead;
};

static struct {
	struct watch watch;
	int loop;
	int listener;
	struct address origins[ORIGINS_MAX];
	size_t norigins, next;
	SLIST_HEAD(, pair) dead;
	char scratch[SCRATCH_MAX];
} relay;

static void
pair_close(struct pair *p)
{
	if (p->closed)
		return;
	p->closed = true;
	close(p->client.fd);
	close(p->origin.fd);
	SLIST_INSERT_HEAD(&relay.dead, p, dead);
}

static void
reap_dead(void)
{
	struct pair *p;

	while ((p = SLIST_FIRST(&relay.dead)) != NULL) {
		SLIST_REMOVE_HEAD(&relay.dead, dead);
		free(p->client.held);
		free(p->origin.held);
		p->magic = 0;
		free(p);
	}
}

static struct end *
other_end(struct end *e)
{
	return e == &e->pair->client ? &e->pair->origin : &e->pair->client;
}

/* Writes what the socket takes now; -1 when it is broken. */
static ssize_t
write_some(int fd, const char *p, size_t n)
{
	ssize_t done = write(fd, p, n);

	return done < 0 && errno == EAGAIN ? 0 : done;
}

/* Writes n bytes of scratch and keeps what does not fit; false: broken. */
static bool
write_or_hold(struct end *to, size_t n)
{
	ssize_t done = write_some(to->fd, relay.scratch, n);

	if (done < 0)
		return false;
	if ((size_t)done == n)
		return true;
	to->nheld = n - (size_t)done;
	to->nsent = 0;
	to->held = malloc(to->nheld);
	if (to->held == NULL)
		return false;
	memcpy(to->held, relay.scratch + done, to->nheld);
	return true;
}

static void
end_input(struct end *from)
{
	from->ended = true;
	if (other_end(from)->ended)
		pair_close(from->pair);
	else
		shutdown(other_end(from)->fd, SHUT_WR);
}

/* Copies until the reader is drained or the writer is full. */
static void
pump(struct end *from)
{
	struct end *to = other_end(from);

	while (to->held == NULL && !from->ended) {
		ssize_t n = read(from->fd, relay.scratch, SCRATCH_MAX);

		if (n < 0 && errno == EAGAIN)
			return;
		if (n == 0) {
			end_input(from);
			return;
		}
		if (n < 0 || !write_or_hold(to, (size_t)n)) {
			pair_close(from->pair);
			return;
		}
		/* A short read says drained; only an end may still follow. */
		if (n < SCRATCH_MAX && !from->hung_up)
			return;
	}
}

/* Once what was held is out, its reader may go on. */
static void
flush_held(struct end *to)
{
	ssize_t done =
	    write_some(to->fd, to->held + to->nsent, to->nheld - to->nsent);

	if (done < 0) {
		pair_close(to->pair);
		return;
	}
	to->nsent += (size_t)done;
	if (to->nsent < to->nheld)
		return;
	free(to->held);
	to->held = NULL;
	pump(other_end(to));
}

static void
end_on_event(struct watch *w, uint32_t events)
{
	struct end *e = (struct end *)w;

	CHECK_OBJ(e->pair, PAIR_MAGIC);
	if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		e->hung_up = true;
	if (!e->pair->closed && (events & EPOLLOUT) && e->held != NULL)
		flush_held(e);
	if (!e->pair->closed && (events & ~(uint32_t)EPOLLOUT))
		pump(e);
}

static void
join(int client)
{
	struct pair *p = calloc(1, sizeof *p);
	int origin = loop_connect(&relay.origins[relay.next]);

	if (p == NULL || origin < 0)
		goto fail;
	relay.next = (relay.next + 1) % relay.norigins;
	p->magic = PAIR_MAGIC;
	p->client = (struct end){{end_on_event}, .fd = client, .pair = p};
	p->origin = (struct end){{end_on_event}, .fd = origin, .pair = p};
	if (!loop_watch(relay.loop, origin, &p->origin.watch) ||
	    !loop_watch(relay.loop, client, &p->client.watch))
		goto fail;
	return;
fail:
	perror("relay: a client was turned away");
	free(p);
	if (origin >= 0)
		close(origin);
	close(client);
}

static void
listener_on_event(struct watch *w, uint32_t events)
{
	int fd;

	(void)w;
	(void)events;
	while ((fd = loop_accept(relay.listener)) >= 0)
		join(fd);
	if (errno != EAGAIN)
		perror("relay: accept");
}

int
main(int argc, char **argv)
{
	struct address listen;

	if (argc < 3 || argc - 2 > ORIGINS_MAX) {
		fprintf(stderr, "usage: relay LISTEN ORIGIN...\n");
		return 2;
	}
	for (int i = 1; i < argc; i++) {
		struct address *a =
		    i == 1 ? &listen : &relay.origins[relay.norigins++];

		if (!address_parse(span_of(argv[i]), a)) {
			fprintf(stderr, "relay: not an address: %s\n", argv[i]);
			return 2;
		}
	}
	signal(SIGPIPE, SIG_IGN);
	relay.watch.on_event = listener_on_event;
	relay.loop = loop_new();
	relay.listener = loop_listen(&listen);
	if (relay.loop < 0 || relay.listener < 0 ||
	    !loop_watch(relay.loop, relay.listener, &relay.watch)) {
		perror("relay: listen");
		return 1;
	}
	loop_run(relay.loop, reap_dead);
	perror("relay");
	return 1;
}
