/* shunt rollout: releases, begun, steered and shown. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin/rollout_document.h"
#include "cli/admin_client.h"
#include "cli/options.h"
#include "cli/rollout_watch.h"
#include "cli/rollout_words.h"
#include "cli/subcommands.h"
#include "cli/table.h"
#include "strategies/strategy.h"

#define PATH_SIZE 1024u

static const struct option_row rows[] = {
    {.name = "to",
	.value = "VERSION",
	.help = "start: the version to release",
	.offset = offsetof(struct invocation, to)},
    {.name = "strategy",
	.value = "STRATEGY",
	.help = "start: recreate, rolling, blue_green, canary or ab; default: "
		"release.strategy of the config",
	.offset = offsetof(struct invocation, strategy)},
    {.name = "full",
	.help = "promote: all steps, not only the next",
	.offset = offsetof(struct invocation, full)},
    {.name = "wait",
	.help = "start, resume, promote, abort, undo: follow it to its end; "
		"Ctrl-C leaves it running",
	.offset = offsetof(struct invocation, wait)},
    ROW_OUTPUT,
    ROW_SOCKET,
    {.name = NULL},
};

static const char *const history_titles[] = {
    ">ID", "STRATEGY", "RELEASE", "OUTCOME", "STARTED", ">TOOK", "REASON"};
static const char *const decision_titles[] = {"TIME", "DECISION", "REASON"};

#define COLUMNS(titles) (sizeof titles / sizeof titles[0])

static void
print_history(const struct invocation *in, const struct rollout_document *d)
{
	struct table *t = table_new(history_titles, COLUMNS(history_titles));
	char way[ROLLOUT_WORDS_MAX], took[32];

	if (d->n == 0)
		printf("%s: nothing was ever released\n", in->words[1]);
	for (size_t i = 0; t != NULL && i < d->n; i++) {
		const struct rollout_row *r = &d->rows[i];

		rollout_words_way(r, way, sizeof way);
		rollout_words_time(r->took_ms, took, sizeof took);
		table_cell(t, "%" PRIu64, r->id);
		table_cell(t, "%s", r->strategy);
		table_cell(t, "%s", way);
		table_cell(t, "%s", rollout_phase_name(r->phase));
		table_cell(t, "%s", r->started);
		table_cell(t, "%s", took);
		table_cell(t, "%s", r->reason);
	}
	if (t != NULL && d->n > 0)
		table_print(t, 0, stdout);
	table_free(t);
}

static void
print_decisions(const struct rollout_row *r)
{
	struct table *t = table_new(decision_titles, COLUMNS(decision_titles));

	for (size_t i = 0; t != NULL && i < r->ndecisions; i++) {
		const struct decision_row *d = &r->decisions[i];

		table_cell(t, "%s", d->time);
		table_cell(t, "%s", d->action);
		table_cell(t, "%s", d->reason);
	}
	if (t != NULL) {
		printf("\n");
		table_print(t, 2, stdout);
	}
	table_free(t);
}

/* One line, as after a verb. */
static void
print_line(const struct invocation *in, const struct rollout_document *d)
{
	char words[ROLLOUT_WORDS_MAX];

	if (d->n == 0) {
		printf("%s: nothing was ever released\n", in->words[1]);
		return;
	}
	rollout_words(&d->rows[0], words, sizeof words);
	printf("%s: rollout %" PRIu64 ", %s\n", in->words[1], d->rows[0].id,
	    words);
}

static void
print_status(const struct invocation *in, const struct rollout_document *d)
{
	const struct rollout_row *r = d->rows;
	char time[32];

	print_line(in, d);
	if (d->n == 0)
		return;
	rollout_words_time(r->took_ms, time, sizeof time);
	printf("  started %s, %s%s%s%s", r->started,
	    r->ended[0] != '\0' ? "ended " : "", r->ended,
	    r->ended[0] != '\0' ? ", took " : "", time);
	printf("%s", r->ended[0] != '\0' ? "" : " ago");
	rollout_words_time(r->paused_ms, time, sizeof time);
	if (r->paused_ms > 0)
		printf(", %s of it paused", time);
	printf("\n");
	print_decisions(r);
}

/* What ended otherwise was not aborted: there was nothing to abort. */
static void
print_abort(const struct invocation *in, const struct rollout_document *d)
{
	if (d->n > 0 && rollout_phase_over(d->rows[0].phase) &&
	    d->rows[0].phase != ROLLOUT_ROLLED_BACK)
		printf("%s: nothing is under way\n", in->words[1]);
	print_line(in, d);
}

struct verb {
	const char *name, *method;
	const char *rest; /* of the path */
	void (*print)(
	    const struct invocation *in, const struct rollout_document *d);
	bool waits;		   /* knows --wait, */
	enum rollout_phase wanted; /* and what for */
};

static const struct verb verbs[] = {
    {"start", "POST", "/rollouts", print_line, true, ROLLOUT_DONE},
    {"status", "GET", "/rollout", print_status, false, 0},
    {"pause", "POST", "/rollout/pause", print_line, false, 0},
    {"resume", "POST", "/rollout/resume", print_line, true, ROLLOUT_DONE},
    {"promote", "POST", "/rollout/promote", print_line, true, ROLLOUT_DONE},
    {"abort", "POST", "/rollout/abort", print_abort, true, ROLLOUT_ROLLED_BACK},
    {"undo", "POST", "/rollout/undo", print_line, true, ROLLOUT_DONE},
    {"history", "GET", "/rollouts", print_history, false, 0},
};

#define VERBS (sizeof verbs / sizeof verbs[0])

static const struct verb *
find_verb(const char *name)
{
	for (size_t i = 0; i < VERBS; i++)
		if (strcmp(verbs[i].name, name) == 0)
			return &verbs[i];
	return NULL;
}

static bool
is(const struct verb *verb, const char *name)
{
	return strcmp(verb->name, name) == 0;
}

/* NULL when all is well, else what is wrong with the command line. */
static const char *
misused(const struct invocation *in, const struct verb *verb)
{
	if (is(verb, "start") && in->to == NULL)
		return "start needs --to VERSION";
	if (!is(verb, "start") && in->to != NULL)
		return "--to is for start";
	if (!is(verb, "start") && in->strategy != NULL)
		return "--strategy is for start";
	if (!is(verb, "promote") && in->full)
		return "--full is for promote";
	if (!verb->waits && in->wait)
		return "--wait is for start, resume, promote, abort and undo";
	return NULL;
}

static int
unknown_strategy(const struct invocation *in)
{
	char quoted[OPT_QUOTE_MAX], known[128];

	opt_quote(span_of(in->strategy), quoted, sizeof quoted);
	strategy_names(known, sizeof known);
	return options_wrong(in->subcommand,
	    "there is no strategy %s; there is: %s", quoted, known);
}

/* False when there is no memory, or a word is no UTF-8. */
static bool
make_body(const struct invocation *in, const struct verb *verb, char **body)
{
	*body = NULL;
	if (is(verb, "start"))
		*body = rollout_document_start(in->to, in->strategy);
	else if (is(verb, "promote"))
		*body = rollout_document_promote(in->full);
	else
		return true;
	return *body != NULL;
}

/* The exit status. */
static int
tell(const struct invocation *in, const struct verb *verb, struct span text)
{
	char why[512];
	struct rollout_document *d =
	    rollout_document_read(text, why, sizeof why);
	uint64_t id = 0;

	if (d == NULL) {
		fprintf(stderr, "shunt: %s\n", why);
		return EXIT_FAILED;
	}
	/* an abort without anything to abort has nothing to wait for */
	if (in->wait && d->n > 0 &&
	    (verb->wanted == ROLLOUT_DONE ||
		!rollout_phase_over(d->rows[0].phase)))
		id = d->rows[0].id;
	if (in->output == OUTPUT_TABLE)
		verb->print(in, d);
	else if (id == 0)
		printf("%.*s", SPAN_ARG(text));
	if (d->warning != NULL)
		fprintf(stderr, "shunt: warning: %s\n", d->warning);
	rollout_document_free(d);
	fflush(stdout);
	return id == 0 ? EXIT_OK
		       : rollout_watch(in, in->words[1], id, verb->wanted);
}

static int
run(const struct invocation *in)
{
	const struct verb *verb = find_verb(in->words[0]);
	const char *wrong = verb != NULL ? misused(in, verb) : NULL;
	struct admin_answer answer;
	char path[PATH_SIZE], *body;
	int status = EXIT_FAILED;

	if (verb == NULL)
		return options_wrong(in->subcommand,
		    "expected start, status, pause, resume, promote, abort, "
		    "undo or history");
	if (wrong != NULL)
		return options_wrong(in->subcommand, "%s", wrong);
	if (in->strategy != NULL && strategy_find(in->strategy) == NULL)
		return unknown_strategy(in);
	if (!admin_service_path(in->words[1], verb->rest, path, sizeof path) ||
	    !make_body(in, verb, &body))
		return options_wrong(
		    in->subcommand, "a word is too long, or no UTF-8");
	if (in->wait)
		rollout_watch_prepare();
	if (admin_fetch(in, verb->method, path, body, &answer) == 0) {
		status = tell(in, verb, answer.body);
		admin_answer_free(&answer);
	}
	free(body);
	return status;
}

const struct subcommand subcommand_rollout = {
    .name = "rollout",
    .words = "start|status|pause|resume|promote|abort|undo|history SERVICE",
    .min_words = 2,
    .max_words = 2,
    .help = "release a version: start, steer and show it",
    .rows = rows,
    .run = run,
};
