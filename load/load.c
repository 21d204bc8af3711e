/* A run from its options to its report: threads, signals, progress. */
#include "load/load.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"
#include "load/count.h"
#include "load/marks.h"
#include "load/metrics.h"
#include "load/progress.h"
#include "load/report.h"
#include "load/result.h"
#include "load/runner.h"
#include "load/trial.h"

#define RUN_MAGIC 0x10ad0006u
/* What the threads have to get ready before the first request is due. */
#define HEAD_START_US 20000u
#define MS_NS	      1000000ull
/* Descriptors beside those of connections. */
#define OWN_FILES    16u
#define THREAD_FILES 4u

struct run {
	unsigned magic;
	const struct trial *trial;
	struct event_base *base;
	struct runner **runners;
	size_t n, over;
	int done_fd;
	uint64_t start_us, started_us; /* monotonic, wall clock */
	bool interrupted;
	struct event *done, *interrupt, *terminate;
	struct progress *progress;
	struct metrics *metrics;
	struct marks_follower *marks;
};

static bool
render_requests(struct trial *t)
{
	for (size_t i = 0; i < t->profiles.n; i++)
		if (!request_render(&t->requests[i], &t->profiles.list[i],
			&t->target, t->options.users > 0))
			return false;
	return true;
}

/* What each option alone cannot say. */
static bool
check_together(const struct trial *t, char *why, size_t why_size)
{
	const struct load_options *o = &t->options;

	if (o->closed && (o->rate != NULL || o->ramp_ms > 0))
		snprintf(why, why_size,
		    "--closed: its rate is what the server makes of it; "
		    "expected no --rate and no --ramp");
	else if (o->threads > o->connections)
		snprintf(why, why_size,
		    "--threads: expected at most one per connection, of which "
		    "there are %" PRIu64,
		    o->connections);
	else if (o->users > 0 && o->users < o->threads * t->profiles.n)
		snprintf(why, why_size,
		    "--users: expected at least one per thread and profile, "
		    "%" PRIu64,
		    o->threads * t->profiles.n);
	else if (t->options.ramp_ms > 0 && t->schedule.from == t->schedule.to)
		snprintf(why, why_size,
		    "--ramp: expected a rate that changes, as 100..2000");
	else if (t->schedule.from != t->schedule.to && o->ramp_ms == 0 &&
		 o->duration_ms == 0)
		snprintf(why, why_size,
		    "--rate: how long it takes to change is told by "
		    "--duration or --ramp");
	else
		return true;
	return false;
}

static bool
read_schedule(struct trial *t, char *why, size_t why_size)
{
	const struct load_options *o = &t->options;
	const char *rate = o->rate != NULL ? o->rate : LOAD_RATE;
	char text[256];

	if (!schedule_read_rate(
		span_of(rate), &t->schedule, text, sizeof text)) {
		snprintf(why, why_size, "--rate: %s", text);
		return false;
	}
	if (!check_together(t, why, why_size))
		return false;
	t->requests_max = o->requests > 0 ? o->requests : UINT64_MAX;
	t->duration_ns = UINT64_MAX;
	if (o->duration_ms > 0)
		t->duration_ns = o->duration_ms * MS_NS;
	else if (o->requests == 0)
		t->duration_ns = LOAD_DURATION_MS * MS_NS;
	schedule_settle(&t->schedule,
	    o->ramp_ms > 0 ? o->ramp_ms * MS_NS : o->duration_ms * MS_NS,
	    t->duration_ns, t->requests_max);
	return true;
}

struct trial *
load_prepare(const struct load_options *options, char *why, size_t why_size)
{
	struct trial *t = calloc(1, sizeof *t);

	snprintf(why, why_size, "out of memory");
	if (t == NULL)
		return NULL;
	t->magic = TRIAL_MAGIC;
	t->options = *options;
	if (profiles_read(&t->profiles, options, why, why_size) &&
	    judge_read(&t->judge, options->version_from, &options->ok_when, why,
		why_size) &&
	    expect_read(&t->expectations, &options->expect, why, why_size) &&
	    read_schedule(t, why, why_size) &&
	    target_read(
		&t->target, options->url, options->connect, why, why_size) &&
	    render_requests(t))
		return t;
	load_forget(t);
	return NULL;
}

void
load_forget(struct trial *t)
{
	if (t == NULL)
		return;
	CHECK_OBJ(t, TRIAL_MAGIC);
	for (size_t i = 0; i < t->profiles.n; i++)
		request_free(&t->requests[i]);
	profiles_free(&t->profiles);
	target_free(&t->target);
	t->magic = 0;
	free(t);
}

static void
run_on_done(evutil_socket_t fd, short what, void *arg)
{
	struct run *run = arg;
	uint64_t n;

	(void)what;
	CHECK_OBJ(run, RUN_MAGIC);
	if (read(fd, &n, sizeof n) != sizeof n)
		return;
	run->over += n;
	if (run->over == run->n)
		event_base_loopbreak(run->base);
}

static void
run_on_signal(evutil_socket_t number, short what, void *arg)
{
	struct run *run = arg;

	(void)number;
	(void)what;
	CHECK_OBJ(run, RUN_MAGIC);
	run->interrupted = true;
	for (size_t i = 0; i < run->n; i++)
		runner_stop(run->runners[i]);
}

/*
 * Every connection is a descriptor; the default limit is small. Without enough
 * of them servers would be blamed for connections that nobody asked them for.
 */
static bool
raise_limit(const struct load_options *o, char *why, size_t why_size)
{
	uint64_t own = OWN_FILES + o->threads * THREAD_FILES;
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0 ||
	    limit.rlim_cur >= o->connections + own + 256)
		return true;
	limit.rlim_cur = o->connections + own + 256;
	if (limit.rlim_cur > limit.rlim_max)
		limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	if (limit.rlim_cur >= o->connections + own)
		return true;
	snprintf(why, why_size,
	    "--connections: %" PRIu64 " of them need %" PRIu64
	    " open files, expected no more than the limit allows (ulimit -n), "
	    "%" PRIu64,
	    o->connections, o->connections + own, (uint64_t)limit.rlim_cur);
	return false;
}

/* A report that has no place is told of before the run, not after it. */
static bool
can_write(const char *path, char *why, size_t why_size)
{
	struct stat old;
	int fd;

	/* who reads a pipe must not see it end */
	if (stat(path, &old) == 0 && !S_ISREG(old.st_mode))
		return true;
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
	if (fd < 0) {
		snprintf(why, why_size, "--html: cannot write %s: %s", path,
		    strerror(errno));
		return false;
	}
	close(fd);
	return true;
}

static bool
make_runners(struct run *run, char *why, size_t why_size)
{
	const struct load_options *o = &run->trial->options;

	run->runners = calloc(o->threads, sizeof *run->runners);
	run->done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (run->runners == NULL || run->done_fd < 0)
		return false;
	for (; run->n < o->threads; run->n++) {
		run->runners[run->n] = runner_new(run->trial, (unsigned)run->n,
		    run->start_us * 1000, run->done_fd, why, why_size);
		if (run->runners[run->n] == NULL)
			return false;
	}
	return true;
}

static bool
make_events(struct run *run)
{
	run->done = event_new(
	    run->base, run->done_fd, EV_READ | EV_PERSIST, run_on_done, run);
	run->interrupt = evsignal_new(run->base, SIGINT, run_on_signal, run);
	run->terminate = evsignal_new(run->base, SIGTERM, run_on_signal, run);
	return run->done != NULL && run->interrupt != NULL &&
	       run->terminate != NULL && event_add(run->done, NULL) == 0 &&
	       event_add(run->interrupt, NULL) == 0 &&
	       event_add(run->terminate, NULL) == 0;
}

static bool
run_make(struct run *run, char *why, size_t why_size)
{
	const struct load_options *o = &run->trial->options;

	if (!raise_limit(o, why, why_size) ||
	    (o->html != NULL && !can_write(o->html, why, why_size)))
		return false;
	snprintf(why, why_size, "out of memory");
	run->base = event_base_new();
	run->start_us = clock_now_us() + HEAD_START_US;
	run->started_us = clock_wall_us() + HEAD_START_US;
	if (run->base == NULL || !make_runners(run, why, why_size) ||
	    !make_events(run))
		return false;
	if (o->metrics != NULL) {
		run->metrics = metrics_serve(run->base, o->metrics, run->trial,
		    run->runners, run->n, why, why_size);
		if (run->metrics == NULL)
			return false;
	}
	if (o->admin != NULL) {
		run->marks = marks_follow(
		    run->base, o->admin, run->start_us * 1000, why, why_size);
		if (run->marks == NULL)
			return false;
	}
	run->progress =
	    progress_new(run->base, run->runners, run->n, run->start_us);
	return true;
}

static void
run_unmake(struct run *run)
{
	progress_free(run->progress);
	metrics_free(run->metrics);
	marks_unfollow(run->marks);
	if (run->done != NULL)
		event_free(run->done);
	if (run->interrupt != NULL)
		event_free(run->interrupt);
	if (run->terminate != NULL)
		event_free(run->terminate);
	for (size_t i = 0; i < run->n; i++)
		runner_free(run->runners[i]);
	free(run->runners);
	if (run->done_fd >= 0)
		close(run->done_fd);
	if (run->base != NULL)
		event_base_free(run->base);
}

/* False when not even one thread could be started. */
static bool
run_threads(struct run *run, char *why, size_t why_size)
{
	size_t started = 0;
	int error = 0;

	while (started < run->n && error == 0) {
		error = runner_start(run->runners[started]);
		started += error == 0;
	}
	if (error != 0) {
		snprintf(why, why_size, "cannot start a thread: %s",
		    strerror(error));
		for (size_t i = 0; i < started; i++) {
			runner_stop(run->runners[i]);
			runner_join(run->runners[i]);
		}
		return false;
	}
	event_base_dispatch(run->base);
	for (size_t i = 0; i < run->n; i++)
		runner_join(run->runners[i]);
	return true;
}

static bool
write_html(const struct result *r)
{
	const char *path = r->trial->options.html;
	FILE *f = fopen(path, "w");
	bool good = f != NULL && report_html(r, f);

	if (f != NULL)
		good = fclose(f) == 0 && good;
	if (!good)
		fprintf(stderr, "shunt load: cannot write %s: %s\n", path,
		    strerror(errno));
	return good;
}

static bool
judge(const struct result *r)
{
	const struct expectations *all = &r->trial->expectations;
	char found[EXPECT_FOUND_MAX];
	bool good = true;

	for (size_t i = 0; i < all->n; i++) {
		if (expect_met(&all->list[i], r, found))
			continue;
		fprintf(stderr, "shunt load: expected %s, found %s\n",
		    all->list[i].text, found);
		good = false;
	}
	if (count_get(&r->total.score->latency.n) > 0)
		return good;
	fprintf(stderr, "shunt load: no request was answered\n");
	return false;
}

static int
run_report(const struct run *run)
{
	struct result *r = result_new(run->trial, run->runners, run->n,
	    run->started_us, marks_of(run->marks), run->interrupted);
	bool good = r != NULL;

	if (r == NULL) {
		fprintf(stderr, "shunt load: out of memory\n");
		return 1;
	}
	if (run->trial->options.json)
		good = report_json(r, stdout);
	else
		report_text(r, stdout);
	if (run->trial->options.html != NULL)
		good = write_html(r) && good;
	good = judge(r) && good;
	result_free(r);
	return good ? 0 : 1;
}

int
load_run(const struct trial *trial)
{
	struct run run = {.magic = RUN_MAGIC, .trial = trial, .done_fd = -1};
	char why[512];
	int status = 1;

	CHECK_OBJ(trial, TRIAL_MAGIC);
	signal(SIGPIPE, SIG_IGN);
	if (run_make(&run, why, sizeof why) &&
	    run_threads(&run, why, sizeof why)) {
		progress_end(run.progress);
		status = run_report(&run);
	} else {
		fprintf(stderr, "shunt load: %s\n", why);
	}
	run_unmake(&run);
	return status;
}
