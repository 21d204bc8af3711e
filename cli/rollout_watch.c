/* Asking again and again, and a line that says how it stands. */
#include "cli/rollout_watch.h"

#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "admin/document.h"
#include "admin/rollout_document.h"
#include "base/clock.h"
#include "cli/admin_client.h"
#include "cli/options.h"
#include "cli/rollout_words.h"

#define ASK_EVERY_NS (200L * 1000 * 1000)
/* A restart takes less, also one that drains. */
#define AWAY_MAX_US 60000000u
#define PATH_SIZE   1024u
#define WHY_SIZE    512u

#define LINE_BEGIN "\r"
#define LINE_END   "\x1b[K"

/* One signal handler, one flag: the process watches one rollout. */
static volatile sig_atomic_t left;

static void
on_signal(int number)
{
	(void)number;
	left = 1;
}

struct watch {
	const struct invocation *in;
	const char *service;
	uint64_t id;
	enum rollout_phase wanted;
	bool live; /* a terminal, for people */
	bool away; /* shunt does not answer, and that was said */
	bool past; /* the path is that of the history */
	uint64_t heard_us;
	struct rollout_said said;
	char path[PATH_SIZE];
};

/* The line on the terminal is for something else now. */
static void
clear_line(const struct watch *w)
{
	if (!w->live)
		return;
	printf(LINE_BEGIN LINE_END);
	fflush(stdout);
}

static void
show_line(const struct watch *w, char *line)
{
	struct winsize size = {0};

	if (w->in->output == OUTPUT_JSON)
		return;
	if (!w->live) {
		printf("%s\n", line);
		fflush(stdout);
		return;
	}
	/* one that wraps could not be written anew */
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 1)
		rollout_words_cut(line, size.ws_col - 1u);
	printf(LINE_BEGIN "%s" LINE_END, line);
	fflush(stdout);
}

static void
show(struct watch *w, const struct rollout_row *r)
{
	char words[ROLLOUT_WORDS_MAX], line[ROLLOUT_WORDS_MAX + 128], took[32];

	if (!rollout_words_new(&w->said, r, clock_now_us()) && !w->live)
		return;
	rollout_words(r, words, sizeof words);
	rollout_words_time(r->took_ms, took, sizeof took);
	snprintf(line, sizeof line, "%6s  %s: %s", took, w->service, words);
	show_line(w, line);
}

void
rollout_watch_tell(const char *service, const struct rollout_row *r)
{
	char took[32], paused[48] = "", time[32];

	rollout_words_time(r->took_ms, took, sizeof took);
	rollout_words_time(r->paused_ms, time, sizeof time);
	if (r->paused_ms > 0)
		snprintf(paused, sizeof paused, ", %s of it paused", time);
	if (r->phase == ROLLOUT_DONE)
		printf("%s: %s is the stable version now", service, r->to);
	else if (r->phase == ROLLOUT_ROLLED_BACK)
		printf(
		    "%s: rolled back to %s: %s", service, r->from, r->reason);
	else
		printf("%s: the release of %s failed: %s", service, r->to,
		    r->reason);
	printf(" (rollout %" PRIu64 ", %s%s)\n", r->id, took, paused);
}

/* The exit status of a rollout that is over. */
static int
finish(const struct watch *w, const struct rollout_row *r)
{
	char *text;

	clear_line(w);
	if (w->in->output == OUTPUT_TABLE) {
		rollout_watch_tell(w->service, r);
	} else {
		text = rollout_row_text(r);
		printf("%s\n", text != NULL ? text : "null");
		free(text);
	}
	return r->phase == w->wanted ? EXIT_OK : EXIT_FAILED;
}

static int __attribute__((format(printf, 2, 3)))
give_up(const struct watch *w, const char *fmt, ...)
{
	va_list args;

	clear_line(w);
	fprintf(stderr, "shunt: ");
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fprintf(stderr, "\n");
	return EXIT_FAILED;
}

/* -1: it goes on, or the exit status. */
static int
on_silence(struct watch *w, const char *why)
{
	char line[WHY_SIZE + 64];

	if (clock_now_us() - w->heard_us > AWAY_MAX_US)
		return give_up(w,
		    "no answer from shunt for %u s: %s; whether the rollout "
		    "goes on is not known",
		    AWAY_MAX_US / 1000000u, why);
	if (!w->away) {
		snprintf(line, sizeof line,
		    "%s: shunt does not answer, waiting for it", w->service);
		show_line(w, line);
		w->away = true;
	}
	return -1;
}

/* The same. */
static int
on_rows(struct watch *w, const struct rollout_document *d)
{
	for (size_t i = 0; i < d->n; i++) {
		const struct rollout_row *r = &d->rows[i];

		if (r->id != w->id)
			continue;
		if (rollout_phase_over(r->phase))
			return finish(w, r);
		show(w, r);
		return -1;
	}
	/* another one has taken its place */
	if (!w->past && admin_service_path(w->service, "/rollouts?limit=1000",
			    w->path, sizeof w->path)) {
		w->past = true;
		return -1;
	}
	return give_up(w,
	    "shunt knows nothing of rollout %" PRIu64
	    " any more: was it restarted without `state`?",
	    w->id);
}

static int
on_answer(struct watch *w, const struct admin_answer *answer)
{
	struct rollout_document *d;
	char why[WHY_SIZE];
	int status;

	if (answer->status == 503)
		return on_silence(w, "it is shutting down");
	if (answer->status != 200) {
		if (!document_error(answer->body, why, sizeof why))
			snprintf(why, sizeof why, "the admin API answered %d",
			    answer->status);
		return give_up(w, "%s", why);
	}
	w->heard_us = clock_now_us();
	w->away = false;
	d = rollout_document_read(answer->body, why, sizeof why);
	if (d == NULL)
		return give_up(w, "%s", why);
	status = on_rows(w, d);
	rollout_document_free(d);
	return status;
}

static int
ask(struct watch *w)
{
	struct admin_answer answer;
	char why[WHY_SIZE];
	int status;

	if (admin_request(w->in->socket, ADMIN_TIMEOUT_S, "GET", w->path, NULL,
		&answer, why, sizeof why) != 0)
		return on_silence(w, why);
	status = on_answer(w, &answer);
	admin_answer_free(&answer);
	return status;
}

static int
leave(const struct watch *w)
{
	if (w->live)
		printf("\n");
	fflush(stdout);
	fprintf(stderr,
	    "shunt: rollout %" PRIu64 " goes on without being watched; "
	    "`shunt rollout status %s` shows it, `shunt rollout abort %s` "
	    "ends it\n",
	    w->id, w->service, w->service);
	return EXIT_FAILED;
}

void
rollout_watch_prepare(void)
{
	const struct sigaction action = {.sa_handler = on_signal};

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
}

int
rollout_watch(const struct invocation *in, const char *service, uint64_t id,
    enum rollout_phase wanted)
{
	const struct timespec pause = {0, ASK_EVERY_NS};
	struct watch w = {
	    .in = in,
	    .service = service,
	    .id = id,
	    .wanted = wanted,
	    .live = in->output == OUTPUT_TABLE && isatty(STDOUT_FILENO),
	    .heard_us = clock_now_us(),
	};
	int status = -1;

	if (!admin_service_path(service, "/rollout", w.path, sizeof w.path))
		return EXIT_USAGE;
	for (;;) {
		if (!left)
			status = ask(&w);
		if (status >= 0)
			return status;
		if (left)
			return leave(&w);
		nanosleep(&pause, NULL);
	}
}
