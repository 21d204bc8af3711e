/* shunt pod: the pods of a version, listed, added, ordered about, removed. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin/name_document.h"
#include "admin/pod_document.h"
#include "cli/admin_client.h"
#include "cli/name_table.h"
#include "cli/options.h"
#include "cli/subcommands.h"
#include "cli/table.h"
#include "router/draw.h"

#define TIMEOUT_MAX_MS (24u * 3600000u)
/* Longer than the longest drain timeout. */
#define WAIT_S	  (25u * 3600u)
#define PATH_SIZE 2048u

static const struct option_row rows[] = {
    {.name = "wait",
	.help = "drain, maint, remove: return when nothing is in flight, or "
		"at the timeout",
	.offset = offsetof(struct invocation, wait)},
    {.name = "timeout",
	.value = "DURATION",
	.help = "for what is in flight; default: timeouts.drain",
	.offset = offsetof(struct invocation, timeout_ms),
	.kind = OPT_DURATION,
	.max = TIMEOUT_MAX_MS},
    {.name = "weight",
	.value = "N",
	.help = "add: compared with the version's other pods; default: 1",
	.offset = offsetof(struct invocation, weight),
	.kind = OPT_COUNT,
	.min = 1,
	.max = POD_WEIGHT_MAX},
    ROW_OUTPUT,
    ROW_SOCKET,
    {.name = NULL},
};

struct verb {
	const char *name, *method;
	bool takes_address; /* and then it is in the path, except for add */
	bool empties;	    /* knows --wait and --timeout */
};

static const struct verb verbs[] = {
    {"list", "GET", false, false},
    {"add", "POST", true, false},
    {"remove", "DELETE", true, true},
    {"drain", "PATCH", true, true},
    {"ready", "PATCH", true, false},
    {"maint", "PATCH", true, true},
};

#define VERBS (sizeof verbs / sizeof verbs[0])

static const char *const titles[] = {
    "POD", "STATE", ">INFLIGHT", ">WEIGHT", "SOURCE", "REASON"};

static const struct verb *
find_verb(const char *name)
{
	for (size_t i = 0; i < VERBS; i++)
		if (strcmp(verbs[i].name, name) == 0)
			return &verbs[i];
	return NULL;
}

/* Nothing where there are none. */
static int
print_names(const struct pod_document *d, const char *version)
{
	struct table *t = d->nnames > 0 ? name_table_new() : NULL;

	if (t == NULL)
		return d->nnames > 0 ? -1 : 0;
	for (size_t i = 0; i < d->nnames; i++)
		name_table_add(t, version, &d->names[i]);
	printf("\n");
	table_print(t, 0, stdout);
	table_free(t);
	return 0;
}

static int
print_list(const struct pod_document *d, const char *version)
{
	struct table *t = table_new(titles, sizeof titles / sizeof titles[0]);

	if (t == NULL)
		return -1;
	for (size_t i = 0; i < d->n; i++) {
		const struct pod_row *r = &d->rows[i];

		table_cell(t, "%s", r->address);
		table_cell(t, "%s", r->state);
		table_cell(t, "%" PRIu64, r->inflight);
		table_cell(t, "%" PRIu64, r->weight);
		table_cell(t, "%s",
		    strcmp(r->source, "run_time") == 0 ? "run time"
						       : r->source);
		table_cell(t, "%s", r->reason);
	}
	table_print(t, 0, stdout);
	table_free(t);
	return print_names(d, version);
}

/* What became of the pod, in a line. */
static void
print_pod(const struct pod_document *d)
{
	const struct pod_row *r = &d->rows[0];
	bool timeout = d->result != NULL && strcmp(d->result, "timeout") == 0;

	printf(
	    "%s %s, %" PRIu64 " in flight", r->address, r->state, r->inflight);
	if (timeout)
		printf(", time is over");
	if (d->cut > 0)
		printf(", %" PRIu64 " cut", d->cut);
	printf("%s%s\n", r->reason[0] != '\0' ? ": " : "", r->reason);
	if (d->warning != NULL)
		fprintf(stderr, "shunt: warning: %s\n", d->warning);
}

/* The exit status: who waits wants to know whether it is empty. */
static int
print_answer(
    const struct invocation *in, const struct verb *verb, struct span text)
{
	char why[512];
	struct pod_document *d = pod_document_read(text, why, sizeof why);
	int status = EXIT_OK;

	if (d == NULL) {
		fprintf(stderr, "shunt: %s\n", why);
		return EXIT_FAILED;
	}
	if (in->output == OUTPUT_JSON)
		printf("%.*s", SPAN_ARG(text));
	else if (!verb->takes_address)
		status =
		    print_list(d, in->words[2]) == 0 ? EXIT_OK : EXIT_FAILED;
	else
		print_pod(d);
	if (verb->empties && in->wait && d->rows[0].inflight > 0)
		status = EXIT_FAILED;
	pod_document_free(d);
	return status;
}

static bool
make_path(const struct invocation *in, const struct verb *verb, char *path)
{
	struct admin_path p = {.buf = path, .size = PATH_SIZE};

	admin_path_add(&p, "/api/v1/services/");
	admin_path_encode(&p, in->words[1]);
	admin_path_add(&p, "/versions/");
	admin_path_encode(&p, in->words[2]);
	admin_path_add(&p, "/pods");
	if (!verb->takes_address || strcmp(verb->name, "add") == 0)
		return admin_path_fits(&p);
	admin_path_add(&p, "/");
	admin_path_encode(&p, in->words[3]);
	if (verb->empties) {
		char query[64] = "?wait=0";

		if (in->wait)
			query[6] = '1';
		if (in->timeout_ms != TIMEOUT_NONE)
			snprintf(query + 7, sizeof query - 7,
			    "&timeout=%" PRIu64 "ms", in->timeout_ms);
		admin_path_add(&p, query);
	}
	return admin_path_fits(&p);
}

/* False when there is no memory, or a word is no UTF-8. */
static bool
make_body(const struct invocation *in, const struct verb *verb, char **body)
{
	*body = NULL;
	if (strcmp(verb->method, "POST") == 0)
		*body = pod_document_add(in->words[3], in->weight);
	else if (strcmp(verb->method, "PATCH") == 0)
		*body = pod_document_order(verb->name);
	else
		return true;
	return *body != NULL;
}

static int
run(const struct invocation *in)
{
	const struct verb *verb = find_verb(in->words[0]);
	unsigned patience = in->wait ? WAIT_S : ADMIN_TIMEOUT_S;
	struct admin_answer answer;
	char path[PATH_SIZE], *body;
	int status = EXIT_FAILED;

	if (verb == NULL)
		return options_wrong(in->subcommand,
		    "expected list, add, remove, drain, ready or maint");
	if (in->nwords != (verb->takes_address ? 4 : 3))
		return options_wrong(in->subcommand,
		    verb->takes_address ? "%s needs an address"
					: "%s takes no address",
		    verb->name);
	if (!verb->empties && (in->wait || in->timeout_ms != TIMEOUT_NONE))
		return options_wrong(in->subcommand,
		    "%s knows neither --wait nor --timeout", verb->name);
	if (!make_path(in, verb, path) || !make_body(in, verb, &body))
		return options_wrong(
		    in->subcommand, "a word is too long, or no UTF-8");
	if (admin_fetch_within(
		in, patience, verb->method, path, body, &answer) == 0) {
		status = print_answer(in, verb, answer.body);
		admin_answer_free(&answer);
	}
	free(body);
	return status;
}

const struct subcommand subcommand_pod = {
    .name = "pod",
    .words = "list|add|remove|drain|ready|maint SERVICE VERSION [ADDRESS]",
    .min_words = 3,
    .max_words = 4,
    .help = "the pods of a version: list, add, remove, drain, ready, maint",
    .rows = rows,
    .run = run,
};
