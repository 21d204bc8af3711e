/*
 * Any bytes behind the preface of HTTP/2, to a whole worker with a pod: it
 * answers in whole frames, and when the client is gone nothing is left of it.
 *
 * The first byte has the options below. The rest is sent as it is, in pieces,
 * or describes frames: a byte for what comes before, then type, flags, stream
 * and length in a byte each, and the payload. Time passes only when told.
 */
#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "conf/conf.h"
#include "proxy/bells.h"
#include "proxy/client_table.h"
#include "proxy/greet.h"
#include "proxy/greeting.h"
#include "proxy/listener.h"
#include "proxy/plan_use.h"
#include "proxy/upstream_pool.h"
#include "proxy/worker.h"
#include "proxy/worker_state.h"
#include "router/plan.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/h1_pod.h"
#include "tests/fuzz/h2_answer.h"

/* So many pieces at most; the rest comes at once. */
#define PIECES_MAX 24u

#define PREFACE "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

/* Bits of the first byte; the upper half is the size of pieces. */
#define REDIRECTED 1u /* all requests get a redirect */
#define DESCRIBED  2u /* the frames are described */
#define SLOW	   4u /* nothing is read before all is sent */
#define SILENT	   8u /* the client stays until it is sent away */

/* Bits of the byte in front of a described frame. */
#define FILLED 0x80u /* its payload is zeros, this many times its length */
#define FILLER 64u
#define GAP    0x40u /* we wait until all is quiet, */
#define TIME   0x3fu /* and this long, in GAP_US */
#define GAP_US 500000u

#define HEADER	  9u
#define DESCRIBER 5u
#define FRAME_MAX (HEADER + FILLER * 255)
/* A small one: it is full before the windows are. */
#define SEND_BUFFER 4096
/* Beyond all timeouts, in steps. */
#define SILENCE_STEPS 12
#define SILENCE_US    30000000u
/* Turns until everything that was ordered must be done. */
#define TURNS_MAX 20000
/* So many without news are quiet. */
#define TURNS_QUIET 2

static const char config[] =
    "listen:\n"
    "  - { address: 127.0.0.1:1 }\n"
    "  - { address: 127.0.0.1:2, redirect: https }\n"
    "timeouts: { tunnel: 40s }\n"
    "limits:\n"
    "  header_bytes: 4KiB\n"
    "  header_count: 32\n"
    "  uri_bytes: 1KiB\n"
    "  body_bytes: 64KiB\n"
    "  requests_per_connection: 12\n"
    "  http2: { streams: 8, continuations: 4, resets: 8, settings: 8,\n"
    "    pings: 8, empty_frames: 8, priorities: 8 }\n"
    "services:\n"
    "  nobody:\n"
    "    routes: [ { path: /nobody } ]\n"
    "    versions: { v1: { pods: [] } }\n"
    "  refused:\n"
    "    routes: [ { path: /refused } ]\n"
    "    versions: { v1: { pods: [127.0.0.1:%u] } }\n"
    "    retry: { attempts: 1, on: [connect, reset] }\n"
    "  pod:\n"
    "    versions: { v1: { pods: [127.0.0.1:%u] } }\n"
    "    retry: { attempts: 1, on: [connect, reset], body_bytes: 1KiB }\n";

/* Made once. */
static struct {
	struct conf *conf;
	struct plan *plan;
	struct client_table *table;
	struct bells *bells;
	struct worker *worker;
	struct listener *listener;
	struct greeting *greetings[2];
	struct h1_pod pod;
	uint64_t now_us;
} house = {.now_us = 1000000000};

struct client {
	int fd;
	uint8_t options;
	size_t step; /* size of pieces */
	unsigned pieces;
	bool gone; /* the proxy has closed */
	struct h2_answer_seen seen;
};

uint64_t __wrap_clock_now_us(void);

uint64_t
__wrap_clock_now_us(void)
{
	return house.now_us;
}

static void
read_config(void)
{
	struct conf_errors errors = {NULL, 0};
	char text[sizeof config + 16], why[256];
	uint16_t refusing;
	int n;

	h1_pod_bind(&refusing); /* kept, so that nobody else listens there */
	h1_pod_open(&house.pod);
	n = snprintf(text, sizeof text, config, refusing, house.pod.port);
	house.conf = conf_parse("x.yaml", text, (size_t)n, &errors);
	if (house.conf == NULL)
		WRONG(errors.lines[0]);
	conf_errors_free(&errors);
	house.plan = plan_build(
	    house.conf->spec, NULL, 1, house.now_us, why, sizeof why);
	CHECK(house.plan != NULL);
	for (size_t i = 0; i < 2; i++) {
		house.greetings[i] = greeting_new(
		    &house.conf->settings.listeners[i], why, sizeof why);
		CHECK(house.greetings[i] != NULL);
	}
}

static void
close_house(void)
{
	worker_free(house.worker);
	listener_free(house.listener);
	client_table_free(house.table);
	bells_free(house.bells);
	greeting_drop(house.greetings[0]);
	greeting_drop(house.greetings[1]);
	plan_drop(house.plan);
	conf_free(house.conf);
}

static void
open_house(void)
{
	static const uint8_t seed[TLS_TICKETS_SEED];

	read_config();
	house.table = client_table_new();
	house.bells = bells_new(1);
	house.listener =
	    listener_new(&house.conf->settings.listeners[0].address);
	/* main is told of nothing while the plan stays */
	house.worker = worker_new(0, NULL, house.plan, &house.conf->settings,
	    NULL, house.table, house.bells, seed);
	CHECK(house.worker != NULL && house.listener != NULL);
	CHECK(atexit(close_house) == 0);
}

static void
nothing(struct kick *k)
{
	(void)k;
}

/* Without waiting; true when somebody wants another turn. */
static bool
turn(void)
{
	static struct kick now; /* a loop with a kick does not wait */
	struct loop *l = &house.worker->loop;

	if (TAILQ_EMPTY(&l->kicks))
		loop_kick(l, &now, nothing);
	CHECK(loop_turn(l) == 0);
	return !TAILQ_EMPTY(&l->kicks);
}

/* True when something has come. */
static bool
read_answers(struct client *c)
{
	static char buf[65536];
	ssize_t n;

	if (c->gone)
		return false;
	n = recv(c->fd, buf, sizeof buf, 0);
	if (n > 0)
		h2_answer_read(&c->seen, (struct span){buf, (size_t)n});
	c->gone = n == 0 || (n < 0 && errno != EAGAIN);
	return n >= 0;
}

/* Turns until nobody has anything to do; the client reads if it is to. */
static void
settle(struct client *c, bool reads)
{
	int quiet = 0, turns = 0;

	while (quiet < TURNS_QUIET) {
		bool news = turn();

		news = h1_pod_step(&house.pod) || news;
		if (reads)
			news = read_answers(c) || news;
		quiet = news ? 0 : quiet + 1;
		CHECK(++turns < TURNS_MAX);
	}
}

static void
pass_time(uint64_t us)
{
	struct loop *l = &house.worker->loop;

	house.now_us += us;
	l->now_us = 0;
	wheel_advance(&l->wheel, loop_now(l), l->expired);
}

static void
wait_for(struct client *c, uint64_t us)
{
	settle(c, (c->options & SLOW) == 0);
	if (us == 0)
		return;
	pass_time(us);
	settle(c, (c->options & SLOW) == 0);
}

static void
client_open(struct client *c, uint8_t options)
{
	const struct sockaddr_storage peer = {.ss_family = AF_INET};
	const int size = SEND_BUFFER;
	int fds[2];

	*c = (struct client){.options = options};
	c->step = options >> 4 == 0 ? SIZE_MAX : (size_t)1 << (options >> 4);
	CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds) == 0);
	c->fd = fds[0];
	if (options & SLOW)
		CHECK(setsockopt(fds[1], SOL_SOCKET, SO_SNDBUF, &size,
			  sizeof size) == 0);
	greet_accept(house.worker, house.listener,
	    house.greetings[options & REDIRECTED], fds[1], &peer, false);
}

/* What the socket does not take although all is quiet is not sent. */
static void
client_send(struct client *c, const void *bytes, size_t n)
{
	const char *p = bytes;
	size_t piece;
	ssize_t sent;

	for (bool again = true; n > 0; n -= (size_t)sent, p += sent) {
		if (c->pieces++ == PIECES_MAX)
			c->step = SIZE_MAX;
		piece = n < c->step ? n : c->step;
		sent = send(c->fd, p, piece, MSG_NOSIGNAL);
		if (sent < 0 && (errno != EAGAIN || !again))
			return;
		again = sent > 0;
		if (sent < 0)
			sent = 0;
		if (!again || c->step < SIZE_MAX)
			wait_for(c, 0);
	}
}

static void
send_described(struct client *c, const uint8_t *bytes, size_t n)
{
	static uint8_t frame[FRAME_MAX];

	while (n >= DESCRIBER && !c->gone) {
		uint8_t before = bytes[0];
		size_t size = bytes[4], given = size;

		if (before & FILLED) {
			size *= FILLER;
			given = 0;
		} else if (size > n - DESCRIBER) {
			size = given = n - DESCRIBER;
		}
		if (before & GAP)
			wait_for(c, (uint64_t)(before & TIME) * GAP_US);
		memset(frame, 0, HEADER + size);
		frame[1] = (uint8_t)(size >> 8);
		frame[2] = (uint8_t)size;
		frame[3] = bytes[1] % 17; /* types, with some unknown */
		frame[4] = bytes[2];
		frame[8] = bytes[3];
		memcpy(frame + HEADER, bytes + DESCRIBER, given);
		client_send(c, frame, HEADER + size);
		bytes += DESCRIBER + given;
		n -= DESCRIBER + given;
	}
}

/* Who says nothing more is sent away in the end, whatever it has begun. */
static void
be_silent(struct client *c)
{
	for (int i = 0; i < SILENCE_STEPS; i++) {
		pass_time(SILENCE_US);
		settle(c, true);
	}
	CHECK(house.worker->nsessions == 0);
	CHECK(c->gone);
}

/* Nothing is left of it. */
static void
client_close(struct client *c)
{
	struct worker *w = house.worker;

	close(c->fd);
	settle(c, false);
	CHECK(w->nsessions == 0 && TAILQ_EMPTY(&w->sessions));
	CHECK(w->plan->users == 1); /* no txn holds it */
	CHECK(atomic_load(&house.listener->connections) == 0);
	CHECK(atomic_load(&house.greetings[0]->holders) == 1);
	CHECK(atomic_load(&house.greetings[1]->holders) == 1);
	h1_pod_reset(&house.pod);
	settle(c, false);
	upstream_pool_close(w);
	turn();
	CHECK(TAILQ_EMPTY(&w->idle) && STAILQ_EMPTY(&w->loop.dead));
	CHECK(w->loop.wheel.armed == 0);
}

/* Whole frames; only who reads nothing for long is cut off within one. */
static void
check_answers(const struct client *c)
{
	CHECK(c->seen.frames > 0);
	CHECK(h2_answer_whole(&c->seen) || (c->gone && (c->options & SLOW)));
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct client c;

	if (n < 1)
		return 0;
	if (house.worker == NULL)
		open_house();
	house.worker->loop.random = 1;
	client_open(&c, bytes[0]);
	client_send(&c, PREFACE, sizeof PREFACE - 1);
	if (c.options & DESCRIBED)
		send_described(&c, bytes + 1, n - 1);
	else
		client_send(&c, bytes + 1, n - 1);
	settle(&c, (c.options & SLOW) == 0);
	settle(&c, true);
	check_answers(&c);
	if (c.options & SILENT)
		be_silent(&c);
	client_close(&c);
	return 0;
}
