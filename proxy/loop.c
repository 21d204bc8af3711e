/* One worker's loop: its turns, its clock, its dead. */
#include "proxy/loop.h"

#include <stdlib.h>
#include <sys/random.h>
#include <sys/time.h>
#include <time.h>

#include <event2/event.h>

#include "base/check.h"
#include "base/clock.h"
#include "router/route.h"

/* One read: large enough that a big body costs few system calls. */
#define SCRATCH_SIZE (128u * 1024u)
/*
 * Room for what a head gains while it is rewritten: at most doubled (a field
 * "a:" grows by a space), and what we and its route add.
 */
#define HEAD_GROWTH (2048u + EDITS_BYTES_MAX + 2u * EDITS_MAX)
/* Frames of HTTP/2 are collected there, too: a turn's worth of small ones. */
#define HEAD_MIN (64u * 1024u)

static void
loop_on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct loop *l = arg;

	(void)fd;
	(void)what;
	wheel_advance(&l->wheel, loop_now(l), l->expired);
	if (l->wheel.armed == 0) {
		event_del(l->ticker);
		l->ticking = false;
	}
}

int
loop_fit_heads(struct loop *l, size_t head_bytes)
{
	size_t size = head_bytes * 2 + HEAD_GROWTH;
	char *grown;

	if (size < HEAD_MIN)
		size = HEAD_MIN;
	if (size <= l->head_size)
		return 0;
	CHECK(l->gather.conn == NULL); /* nothing points into it now */
	grown = realloc(l->head, size);
	if (grown == NULL)
		return -1;
	l->head = grown;
	l->head_size = size;
	return 0;
}

int
loop_init(struct loop *l, struct event_base *base, size_t head_bytes)
{
	memset(l, 0, sizeof *l);
	l->base = base;
	STAILQ_INIT(&l->dead);
	TAILQ_INIT(&l->kicks);
	wheel_init(&l->wheel, clock_now_us());
	l->scratch_size = head_bytes > SCRATCH_SIZE ? head_bytes : SCRATCH_SIZE;
	l->head_size = head_bytes + HEAD_GROWTH;
	l->scratch = malloc(l->scratch_size);
	l->head = malloc(l->head_size);
	l->ticker = event_new(base, -1, EV_PERSIST, loop_on_tick, l);
	if (getrandom(&l->random, sizeof l->random, 0) < 0)
		l->random = clock_wall_us();
	l->random |= 1;
	if (l->scratch == NULL || l->ticker == NULL ||
	    loop_fit_heads(l, head_bytes) < 0) {
		loop_fini(l);
		return -1;
	}
	return 0;
}

static void
reap(struct loop *l)
{
	struct dead *d;

	while ((d = STAILQ_FIRST(&l->dead)) != NULL) {
		STAILQ_REMOVE_HEAD(&l->dead, link);
		d->free(d);
	}
}

void
loop_fini(struct loop *l)
{
	reap(l);
	if (l->ticker != NULL)
		event_free(l->ticker);
	pipe_pool_fini(&l->pipes);
	free(l->scratch);
	free(l->head);
	l->ticker = NULL;
	l->scratch = l->head = NULL;
}

static void
run_kicks(struct loop *l)
{
	struct kick *k;
	unsigned n = 0;

	TAILQ_FOREACH (k, &l->kicks, link)
		n++;
	while (n-- > 0 && (k = TAILQ_FIRST(&l->kicks)) != NULL) {
		TAILQ_REMOVE(&l->kicks, k, link);
		k->run(k);
	}
}

int
loop_turn(struct loop *l)
{
	int r;

	/* NONBLOCK alone goes on for as long as events keep coming: a client
	 * that sends without end would keep the kicks from running. */
	l->now_us = 0;
	r = event_base_loop(l->base,
	    EVLOOP_ONCE | (TAILQ_EMPTY(&l->kicks) ? 0 : EVLOOP_NONBLOCK));
	run_kicks(l);
	CHECK(l->gather.conn == NULL);
	reap(l);
	return r < 0 ? -1 : 0;
}

uint64_t
loop_now(struct loop *l)
{
	if (l->now_us == 0)
		l->now_us = clock_now_us();
	return l->now_us;
}

struct span
loop_date(struct loop *l)
{
	uint64_t second = loop_now(l) / 1000000u;
	time_t wall;
	struct tm tm;

	if (second != l->date_second) {
		wall = time(NULL);
		gmtime_r(&wall, &tm);
		strftime(
		    l->date, sizeof l->date, "%a, %d %b %Y %H:%M:%S GMT", &tm);
		l->date_second = second;
	}
	return span_of(l->date);
}

/* xorshift64* (Vigna 2016) */
uint64_t
loop_random(struct loop *l)
{
	uint64_t x = l->random;

	x ^= x >> 12;
	x ^= x << 25;
	x ^= x >> 27;
	l->random = x;
	return x * 0x2545f4914f6cdd1dull;
}

void
loop_bury(struct loop *l, struct dead *d, void (*free_it)(struct dead *d))
{
	d->free = free_it;
	STAILQ_INSERT_TAIL(&l->dead, d, link);
}

void
loop_set_expired(struct loop *l, void (*expired)(struct wheel_entry *))
{
	l->expired = expired;
}

void
loop_kick(struct loop *l, struct kick *k, void (*run)(struct kick *))
{
	k->run = run;
	TAILQ_INSERT_TAIL(&l->kicks, k, link);
}

void
loop_unkick(struct loop *l, struct kick *k)
{
	TAILQ_REMOVE(&l->kicks, k, link);
}

void
loop_set_deadline(struct loop *l, struct wheel_entry *e, uint64_t us)
{
	const struct timeval tick = {0, WHEEL_TICK_US};

	if (!l->ticking) /* nothing was armed: bring the wheel up to date */
		wheel_advance(&l->wheel, loop_now(l), l->expired);
	wheel_set(&l->wheel, e, us);
	if (!l->ticking) {
		event_add(l->ticker, &tick);
		l->ticking = true;
	}
}

void
loop_clear_deadline(struct loop *l, struct wheel_entry *e)
{
	wheel_clear(&l->wheel, e);
}
