/*
 * The writer's thread and what others may ask of it. While entries come it
 * looks into the rings every few milliseconds; when it finds nothing it says
 * that it is asleep, and the next worker to put an entry wakes it.
 */
#include "proxy/access_log.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/queue.h"
#include "conf/settings.h"
#include "proxy/access_file.h"
#include "proxy/access_format.h"
#include "proxy/ring.h"

#define ACCESS_LOG_MAGIC  0xacce0001u
#define ACCESS_RING_MAGIC 0xacce0002u

#define RING_SIZE (1u << 20)
/* Taken from one ring before the next one has its turn. */
#define TURN_MAX 256
/* Between two looks while entries come: one write carries many lines. */
#define PAUSE_MS 10
/* How often a file that takes nothing is looked at, were it silent. */
#define STALL_MS 1000
/* At the end: how long for a reader that does not read. */
#define END_US 1000000u
/* At most one line about lost entries in so long. */
#define REPORT_US 10000000u

/* A file that lines go to. */
struct target {
	STAILQ_ENTRY(target) link;
	char *path; /* NULL: none, the log is off */
	int fd;	    /* until the writer has it */
	enum log_format format;
};

STAILQ_HEAD(targets, target);

struct access_ring {
	unsigned magic;
	struct ring *ring;
	struct access_log *log;
	_Atomic uint64_t dropped; /* written by the worker */
};

struct access_log {
	unsigned magic;
	unsigned nrings;
	struct access_ring *rings; /* by worker */
	int wake;		   /* eventfd */
	pthread_t thread;
	bool started;
	_Atomic bool asleep; /* a put must wake the writer */
	_Atomic bool reopen; /* orders to the writer */
	_Atomic bool stop;
	pthread_mutex_t lock;
	struct targets targets; /* under lock: one after the other */

	/* main's */
	struct access_log_settings now, later; /* own copies */
	struct target *prepared;

	/* The writer's; the file's buffer keeps it off the workers' lines. */
	struct access_file file;
	struct access_format format;
	char *path;		/* of the file, NULL without one */
	uint64_t reported;	/* dropped entries that were reported */
	uint64_t report_due_us; /* not before */
};

/* What one look into the rings found. */
enum look {
	LOOK_EMPTY,
	LOOK_SOME,
	LOOK_MORE,    /* and there was more than one turn takes */
	LOOK_STALLED, /* the file takes nothing now */
};

static void
wake_writer(const struct access_log *log)
{
	const uint64_t one = 1;

	if (write(log->wake, &one, sizeof one) < 0 && errno != EAGAIN)
		WRONG("eventfd cannot be written");
}

void
access_log_put(struct access_ring *r, const struct access_entry *e)
{
	char *room;

	CHECK_OBJ(r, ACCESS_RING_MAGIC);
	room = ring_reserve(r->ring, access_entry_size(e));
	if (room == NULL) {
		uint64_t n =
		    atomic_load_explicit(&r->dropped, memory_order_relaxed);

		atomic_store_explicit(&r->dropped, n + 1, memory_order_relaxed);
		return;
	}
	access_entry_pack(e, room);
	ring_commit(r->ring);
	if (atomic_load(&r->log->asleep) &&
	    atomic_exchange(&r->log->asleep, false))
		wake_writer(r->log);
}

uint64_t
access_log_dropped(const struct access_log *log)
{
	uint64_t sum;

	CHECK_OBJ(log, ACCESS_LOG_MAGIC);
	sum = access_file_lost(&log->file);
	for (unsigned i = 0; i < log->nrings; i++)
		sum += atomic_load_explicit(
		    &log->rings[i].dropped, memory_order_relaxed);
	return sum;
}

static void
target_free(struct target *t)
{
	if (t == NULL)
		return;
	access_file_close(t->fd);
	free(t->path);
	free(t);
}

/* NULL with errno set. */
static struct target *
target_new(const struct access_log_settings *s)
{
	struct target *t = calloc(1, sizeof *t);

	if (t == NULL)
		return NULL;
	t->fd = -1;
	t->format = s->format;
	if (s->path == NULL)
		return t;
	t->path = strdup(s->path);
	if (t->path == NULL)
		goto fail;
	t->fd = access_file_open(t->path);
	if (t->fd < 0)
		goto fail;
	return t;
fail:
	target_free(t);
	return NULL;
}

/* A turn of one ring. */
static enum look
take_some(struct access_log *log, struct ring *ring)
{
	struct access_entry e;
	struct span packed;
	unsigned n = 0;

	for (; n < TURN_MAX && ring_peek(ring, &packed); n++) {
		char *room = access_file_room(&log->file, ACCESS_LINE_MAX);

		if (room == NULL)
			return LOOK_STALLED;
		access_entry_unpack(packed, &e);
		access_file_add(
		    &log->file, access_format_line(&log->format, &e, room));
		ring_pop(ring);
	}
	return n == TURN_MAX ? LOOK_MORE : n > 0 ? LOOK_SOME : LOOK_EMPTY;
}

/* Writes what is in the rings. Without a file they are left alone. */
static enum look
look(struct access_log *log)
{
	enum look most = LOOK_EMPTY;

	if (log->file.fd < 0)
		return LOOK_EMPTY;
	if (!access_file_flush(&log->file))
		return LOOK_STALLED;
	for (unsigned i = 0; i < log->nrings; i++) {
		enum look found = take_some(log, log->rings[i].ring);

		if (found == LOOK_STALLED)
			return found;
		if (found > most)
			most = found;
	}
	return access_file_flush(&log->file) ? most : LOOK_STALLED;
}

static void
give_up(struct access_log *log)
{
	struct span packed;

	access_file_give_up(&log->file);
	for (unsigned i = 0; i < log->nrings; i++)
		while (ring_peek(log->rings[i].ring, &packed)) {
			ring_pop(log->rings[i].ring);
			access_file_lose(&log->file, 1);
		}
}

/* Until the rings are empty; what the file does not take in time is lost. */
static void
finish(struct access_log *log)
{
	uint64_t end = clock_now_us() + END_US, now;
	enum look found;

	while ((found = look(log)) != LOOK_EMPTY) {
		if (found != LOOK_STALLED)
			continue;
		now = clock_now_us();
		if (now >= end) {
			give_up(log);
			return;
		}
		access_file_wait(&log->file, (int)((end - now) / 1000) + 1);
	}
}

/* Tells of lost entries, not too often; returns how long to wait, in ms. */
static int
report(struct access_log *log, bool last)
{
	uint64_t dropped = access_log_dropped(log), now;

	if (dropped == log->reported)
		return -1;
	now = clock_now_us();
	if (now < log->report_due_us && !last)
		return (int)((log->report_due_us - now) / 1000) + 1;
	log_warn("access log %s: %llu entries dropped: %s",
	    log->path != NULL ? log->path : "(off)",
	    (unsigned long long)(dropped - log->reported),
	    log->file.error != 0 ? strerror(log->file.error)
				 : "they are not taken fast enough");
	log->reported = dropped;
	log->report_due_us = now + REPORT_US;
	log->file.error = 0;
	return -1;
}

static void
take_target(struct access_log *log, struct target *t)
{
	if (t->path == NULL)
		finish(log);
	report(log, true);
	access_file_switch(&log->file, t->fd);
	access_format_init(&log->format, t->format);
	free(log->path);
	log->path = t->path;
	free(t);
}

static void
reopen(struct access_log *log)
{
	int fd;

	if (log->path == NULL)
		return;
	fd = access_file_open(log->path);
	if (fd < 0) {
		log_error("access log %s: cannot be reopened, the old file "
			  "goes on: %s",
		    log->path, strerror(errno));
		return;
	}
	access_file_switch(&log->file, fd);
	log_info("access log %s: reopened", log->path);
}

static struct target *
next_target(struct access_log *log)
{
	struct target *t;

	pthread_mutex_lock(&log->lock);
	t = STAILQ_FIRST(&log->targets);
	if (t != NULL)
		STAILQ_REMOVE_HEAD(&log->targets, link);
	pthread_mutex_unlock(&log->lock);
	return t;
}

static void
take_orders(struct access_log *log)
{
	struct target *t;

	while ((t = next_target(log)) != NULL)
		take_target(log, t);
	if (atomic_exchange(&log->reopen, false))
		reopen(log);
}

/* Until an order or an entry comes, the stalled file takes more, or so long. */
static void
pause_writer(struct access_log *log, int ms, bool stalled)
{
	struct pollfd p[] = {{.fd = log->wake, .events = POLLIN},
	    {.fd = stalled ? log->file.fd : -1, .events = POLLOUT}};
	uint64_t count;

	if (poll(p, 2, ms) > 0 && p[0].revents != 0 &&
	    read(log->wake, &count, sizeof count) < 0 && errno != EAGAIN)
		WRONG("eventfd cannot be read");
}

/* Nothing was found: says so, and looks once more before it sleeps. */
static void
sleep_writer(struct access_log *log, int ms)
{
	if (!atomic_load(&log->asleep))
		atomic_store(&log->asleep, true);
	else
		pause_writer(log, ms, false);
}

static void *
writer_main(void *arg)
{
	struct access_log *log = arg;

	CHECK_OBJ(log, ACCESS_LOG_MAGIC);
	pthread_setname_np(pthread_self(), "access-log");
	while (!atomic_load(&log->stop)) {
		enum look found;
		int report_ms;

		take_orders(log);
		found = look(log);
		report_ms = report(log, false);
		if (found != LOOK_EMPTY)
			atomic_store(&log->asleep, false);
		if (found == LOOK_EMPTY)
			sleep_writer(log, report_ms);
		else if (found == LOOK_SOME)
			pause_writer(log, PAUSE_MS, false);
		else if (found == LOOK_STALLED)
			pause_writer(log, STALL_MS, true);
	}
	take_orders(log);
	finish(log);
	report(log, true);
	return NULL;
}

/* What main asks for. */

static int
writer_start(struct access_log *log)
{
	sigset_t all, before;
	int error;

	/* signals are main's */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	error = pthread_create(&log->thread, NULL, writer_main, log);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	errno = error;
	log->started = error == 0;
	return error == 0 ? 0 : -1;
}

static int
rings_open(struct access_log *log, unsigned n)
{
	log->rings = calloc(n, sizeof *log->rings);
	if (log->rings == NULL)
		return -1;
	for (; log->nrings < n; log->nrings++) {
		struct access_ring *r = &log->rings[log->nrings];

		r->magic = ACCESS_RING_MAGIC;
		r->log = log;
		r->ring = ring_new(RING_SIZE);
		if (r->ring == NULL)
			return -1;
	}
	return 0;
}

struct access_log *
access_log_new(unsigned nworkers)
{
	struct access_log *log = calloc(1, sizeof *log);
	int error;

	if (log == NULL)
		return NULL;
	log->magic = ACCESS_LOG_MAGIC;
	log->file.fd = -1;
	STAILQ_INIT(&log->targets);
	pthread_mutex_init(&log->lock, NULL);
	log->wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (log->wake < 0 || rings_open(log, nworkers) < 0 ||
	    writer_start(log) < 0)
		goto fail;
	return log;
fail:
	error = errno;
	access_log_free(log);
	errno = error;
	return NULL;
}

void
access_log_free(struct access_log *log)
{
	if (log == NULL)
		return;
	CHECK_OBJ(log, ACCESS_LOG_MAGIC);
	if (log->started) {
		atomic_store(&log->stop, true);
		wake_writer(log);
		pthread_join(log->thread, NULL);
	}
	access_log_cancel(log);
	pthread_mutex_destroy(&log->lock);
	access_file_close(log->file.fd);
	free(log->path);
	for (unsigned i = 0; i < log->nrings; i++)
		ring_free(log->rings[i].ring);
	free(log->rings);
	if (log->wake >= 0)
		close(log->wake);
	free(log->now.path);
	log->magic = 0;
	free(log);
}

struct access_ring *
access_log_ring(struct access_log *log, unsigned worker)
{
	CHECK_OBJ(log, ACCESS_LOG_MAGIC);
	CHECK(worker < log->nrings);
	return &log->rings[worker];
}

static bool
settings_eq(
    const struct access_log_settings *a, const struct access_log_settings *b)
{
	if (a->path == NULL || b->path == NULL)
		return a->path == b->path;
	return a->format == b->format && strcmp(a->path, b->path) == 0;
}

int
access_log_prepare(struct access_log *log, const struct access_log_settings *s,
    char *why, size_t why_size)
{
	CHECK_OBJ(log, ACCESS_LOG_MAGIC);
	CHECK(log->prepared == NULL);
	if (settings_eq(s, &log->now))
		return 0;
	log->later = (struct access_log_settings){.format = s->format};
	if (s->path != NULL) {
		log->later.path = strdup(s->path);
		if (log->later.path == NULL) {
			snprintf(why, why_size, "access_log: out of memory");
			return -1;
		}
	}
	log->prepared = target_new(s);
	if (log->prepared == NULL) {
		snprintf(why, why_size, "access_log: %s: %s",
		    s->path != NULL ? s->path : "(off)", strerror(errno));
		access_log_cancel(log);
		return -1;
	}
	return 0;
}

void
access_log_commit(struct access_log *log)
{
	CHECK_OBJ(log, ACCESS_LOG_MAGIC);
	if (log->prepared == NULL)
		return;
	free(log->now.path);
	log->now = log->later;
	log->later.path = NULL;
	pthread_mutex_lock(&log->lock);
	STAILQ_INSERT_TAIL(&log->targets, log->prepared, link);
	pthread_mutex_unlock(&log->lock);
	log->prepared = NULL;
	wake_writer(log);
}

void
access_log_cancel(struct access_log *log)
{
	CHECK_OBJ(log, ACCESS_LOG_MAGIC);
	target_free(log->prepared);
	log->prepared = NULL;
	free(log->later.path);
	log->later.path = NULL;
}

void
access_log_reopen(struct access_log *log)
{
	CHECK_OBJ(log, ACCESS_LOG_MAGIC);
	atomic_store(&log->reopen, true);
	wake_writer(log);
}
