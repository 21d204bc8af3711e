/* shunt status: versions, their shares and error rates, and their pods. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "admin/document.h"
#include "admin/name_document.h"
#include "cli/admin_client.h"
#include "cli/name_table.h"
#include "cli/options.h"
#include "cli/rollout_words.h"
#include "cli/subcommands.h"
#include "cli/table.h"

static const struct option_row rows[] = {
    ROW_OUTPUT,
    ROW_SOCKET,
    {.name = NULL},
};

static const char *const version_titles[] = {"VERSION", ">WEIGHT", ">SHARE",
    ">REQUESTS", ">ERRORS", ">ERROR %", ">P50", ">P99", ">PODS"};
static const char *const pod_titles[] = {
    "POD", "VERSION", "STATE", ">INFLIGHT", "REASON"};

#define COLUMNS(titles) (sizeof titles / sizeof titles[0])

static void
version_row(struct table *t, const struct version_view *v)
{
	table_cell(t, "%s", v->name);
	table_cell(t, "%.2f%%", v->weight * 100);
	table_cell(t, "%.2f%%", v->share * 100);
	table_cell(t, "%" PRIu64, v->requests);
	table_cell(t, "%" PRIu64, v->errors);
	table_cell(t, "%.2f", v->error_ratio * 100);
	table_cell(t, "%.1f ms", v->p50_ms);
	table_cell(t, "%.1f ms", v->p99_ms);
	table_cell(
	    t, "%zu/%zu%s", v->npods_up, v->npods, v->panic ? " panic" : "");
}

static void
pod_rows(struct table *t, const struct version_view *v)
{
	for (size_t i = 0; i < v->npods; i++) {
		const struct pod_view *p = &v->pods[i];

		table_cell(t, "%s", p->address);
		table_cell(t, "%s", v->name);
		table_cell(t, "%s", p->state);
		table_cell(t, "%" PRIu64, p->inflight);
		table_cell(t, "%s", p->reason);
	}
}

/* Why there are fewer pods of a version than shunt is to run. */
static void
print_failures(const struct service_view *s)
{
	bool any = false;

	for (size_t i = 0; i < s->nversions; i++) {
		const struct version_view *v = &s->versions[i];

		if (v->failed == 0 || v->failure == NULL)
			continue;
		any = true;
		printf("  %s: %" PRIu64 " starts failed: %s\n", v->name,
		    v->failed, v->failure);
	}
	if (any)
		printf("\n");
}

/* Nothing where there are none. */
static int
print_names(const struct service_view *s)
{
	struct table *t = name_table_new();
	size_t n = 0;

	if (t == NULL)
		return -1;
	for (size_t i = 0; i < s->nversions; i++) {
		const struct version_view *v = &s->versions[i];

		for (size_t k = 0; k < v->nnames; k++, n++)
			name_table_add(t, v->name, &v->names[k]);
	}
	if (n > 0) {
		printf("\n");
		table_print(t, 2, stdout);
	}
	table_free(t);
	return 0;
}

static int
print_service(const struct service_view *s)
{
	struct table *versions, *pods;
	char words[ROLLOUT_WORDS_MAX];
	int rc = -1;

	versions = table_new(version_titles, COLUMNS(version_titles));
	pods = table_new(pod_titles, COLUMNS(pod_titles));
	if (versions == NULL || pods == NULL)
		goto fail;
	for (size_t i = 0; i < s->nversions; i++) {
		version_row(versions, &s->versions[i]);
		pod_rows(pods, &s->versions[i]);
	}
	printf("%s (stable: %s)", s->name, s->stable);
	if (s->closed)
		printf(" closed, %" PRIu64 " parked", s->parked);
	if (s->retries_refused)
		printf(", its retry budget is spent");
	printf("\n");
	if (s->rollout.id > 0) {
		rollout_words(&s->rollout, words, sizeof words);
		printf("  rollout %" PRIu64 ": %s\n", s->rollout.id, words);
	}
	table_print(versions, 2, stdout);
	printf("\n");
	print_failures(s);
	table_print(pods, 2, stdout);
	rc = print_names(s);
fail:
	table_free(versions);
	table_free(pods);
	return rc;
}

static int
print_services(const struct document *d)
{
	if (d->nservices == 0)
		printf("no services\n");
	for (size_t i = 0; i < d->nservices; i++) {
		if (i > 0)
			printf("\n");
		if (print_service(&d->services[i]) != 0)
			return -1;
	}
	return 0;
}

static int
print_table(struct span text)
{
	struct document *d;
	char why[512] = "out of memory";
	int rc = -1;

	d = document_read(text, why, sizeof why);
	if (d != NULL)
		rc = print_services(d);
	document_free(d);
	if (rc != 0)
		fprintf(stderr, "shunt: %s\n", why);
	return rc;
}

static int
run(const struct invocation *in)
{
	struct admin_answer answer;
	char path[1024] = "/api/v1/services";
	int rc = 0;

	if (in->nwords > 0 &&
	    !admin_service_path(in->words[0], "", path, sizeof path))
		return options_wrong(
		    in->subcommand, "the service's name is too long");
	if (admin_fetch(in, "GET", path, NULL, &answer) != 0)
		return EXIT_FAILED;
	if (in->output == OUTPUT_JSON)
		printf("%.*s", SPAN_ARG(answer.body));
	else
		rc = print_table(answer.body);
	admin_answer_free(&answer);
	return rc == 0 ? EXIT_OK : EXIT_FAILED;
}

const struct subcommand subcommand_status = {
    .name = "status",
    .words = "[SERVICE]",
    .max_words = 1,
    .help = "versions, weights wanted and measured, error rates, pods, rollout",
    .rows = rows,
    .run = run,
};
