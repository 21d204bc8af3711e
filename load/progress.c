/* The live line: time, rate, versions, failures, latency. */
#include "load/progress.h"

#include <event2/event.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"
#include "load/count.h"
#include "load/runner.h"

#define PROGRESS_MAGIC 0x10ad0007u
#define EVERY_USEC     250000
#define LINE_MAX_BYTES 512u
#define COLUMNS	       80
#define CLEAR_LINE     "\r\x1b[K"

struct progress {
	unsigned magic;
	struct runner *const *runners;
	size_t n;
	uint64_t start_us, last_us;
	struct event *timer;
	uint64_t requests, failures; /* when the last line was written */
	uint64_t before[BOARD_VERSIONS];
	struct board *names;
};

/* All that was counted until now. */
struct sums {
	uint64_t requests, failures, in_flight;
	uint64_t versions[BOARD_VERSIONS];
};

static void
add_runner(struct progress *p, struct sums *s, const struct runner *runner)
{
	struct runner_view view;

	runner_look(runner, &view);
	s->in_flight += view.in_flight;
	for (unsigned v = 0; v < board_versions(view.board); v++) {
		unsigned at =
		    board_version(p->names, span_of(view.board->names[v]));

		for (unsigned i = 0; i < view.board->nprofiles; i++) {
			const struct score *score =
			    board_look(view.board, v, i);

			if (score == NULL)
				continue;
			s->requests += count_get(&score->requests);
			s->versions[at] += count_get(&score->requests);
			s->failures += score_failures(score);
		}
	}
}

static size_t
columns(void)
{
	struct winsize size;

	if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0)
		return COLUMNS;
	return size.ws_col;
}

/* Shares since the last line, of versions that had a part in it. */
static void
add_shares(struct progress *p, const struct sums *s, char *line, size_t size)
{
	uint64_t all = s->requests - p->requests;
	size_t n = strlen(line);

	for (unsigned v = 0; v < board_versions(p->names) && n < size; v++) {
		uint64_t part = s->versions[v] - p->before[v];

		p->before[v] = s->versions[v];
		if (part > 0)
			n += (size_t)snprintf(line + n, size - n, "  %s %.1f%%",
			    p->names->names[v],
			    100 * (double)part / (double)all);
	}
}

static void
progress_on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct progress *p = arg;
	struct sums s = {0};
	uint64_t now = clock_now_us();
	char line[LINE_MAX_BYTES];

	(void)fd;
	(void)what;
	CHECK_OBJ(p, PROGRESS_MAGIC);
	for (size_t i = 0; i < p->n; i++)
		add_runner(p, &s, p->runners[i]);
	if (now <= p->last_us)
		return;
	snprintf(line, sizeof line,
	    "%.1f s  %.0f/s  %" PRIu64 " requests, %" PRIu64 " failed (%" PRIu64
	    " now), %" PRIu64 " in flight",
	    (double)(now - p->start_us) / 1e6,
	    (double)(s.requests - p->requests) * 1e6 /
		(double)(now - p->last_us),
	    s.requests, s.failures, s.failures - p->failures, s.in_flight);
	add_shares(p, &s, line, sizeof line);
	fprintf(stderr, CLEAR_LINE "%.*s", (int)columns() - 1, line);
	fflush(stderr);
	p->requests = s.requests;
	p->failures = s.failures;
	p->last_us = now;
}

struct progress *
progress_new(struct event_base *base, struct runner *const *runners, size_t n,
    uint64_t start_us)
{
	const struct timeval every = {0, EVERY_USEC};
	struct progress *p;

	if (!isatty(STDERR_FILENO))
		return NULL;
	p = calloc(1, sizeof *p);
	if (p == NULL)
		return NULL;
	p->magic = PROGRESS_MAGIC;
	p->runners = runners;
	p->n = n;
	p->start_us = p->last_us = start_us;
	p->names = board_new(1);
	p->timer = event_new(base, -1, EV_PERSIST, progress_on_timer, p);
	if (p->names == NULL || p->timer == NULL ||
	    event_add(p->timer, &every) != 0) {
		progress_free(p);
		return NULL;
	}
	return p;
}

void
progress_end(struct progress *p)
{
	if (p != NULL)
		fprintf(stderr, CLEAR_LINE);
}

void
progress_free(struct progress *p)
{
	if (p == NULL)
		return;
	CHECK_OBJ(p, PROGRESS_MAGIC);
	if (p->timer != NULL)
		event_free(p->timer);
	board_free(p->names);
	p->magic = 0;
	free(p);
}
