/* shunt diff: where what is in force differs from the config file. */
#include <stdio.h>
#include <string.h>

#include "admin/diff_document.h"
#include "cli/admin_client.h"
#include "cli/options.h"
#include "cli/subcommands.h"
#include "cli/table.h"

/* As diff does: 1 is an answer, so trouble is another. */
enum {
	EXIT_DIFFERENT = 1,
	EXIT_TROUBLE = 2,
};

static const struct option_row rows[] = {
    ROW_OUTPUT,
    ROW_SOCKET,
    {.name = NULL},
};

static const char *const titles[] = {
    "SERVICE", "WHAT", "VERSION", "POD", "FILE", "RUNNING"};

/* As in the API, but for people. */
static const char *
kind_words(const char *kind)
{
	static const char *const words[][2] = {
	    {"pod_added", "pod added"},
	    {"pod_removed", "pod removed"},
	    {"pod_order", "pod ordered"},
	};

	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
		if (strcmp(words[i][0], kind) == 0)
			return words[i][1];
	return kind;
}

static const char *
or_dash(const char *text)
{
	return text[0] != '\0' ? text : "-";
}

static void
print_file(const struct diff_document *d)
{
	const char *line = diff_document_error(d, 0);

	if (!d->changed)
		return;
	printf("%s has changed since it was loaded%s\n", d->path,
	    line != NULL ? ", and cannot be loaded:"
			 : "; a reload would put it in force");
	for (size_t i = 0; (line = diff_document_error(d, i)) != NULL; i++)
		printf("  %s\n", line);
}

static void
print_rows(const struct diff_document *d)
{
	struct table *t = table_new(titles, sizeof titles / sizeof titles[0]);

	for (size_t i = 0; t != NULL && i < d->n; i++) {
		const struct difference_row *r = &d->rows[i];

		table_cell(t, "%s", r->service);
		table_cell(t, "%s", kind_words(r->kind));
		table_cell(t, "%s", or_dash(r->version));
		table_cell(t, "%s", or_dash(r->pod));
		table_cell(t, "%s", or_dash(r->filed));
		table_cell(t, "%s", or_dash(r->running));
	}
	if (t != NULL)
		table_print(t, 0, stdout);
	table_free(t);
}

/* The exit status. */
static int
tell(const struct invocation *in, struct span text)
{
	char why[512];
	struct diff_document *d = diff_document_read(text, why, sizeof why);
	int status;

	if (d == NULL) {
		fprintf(stderr, "shunt: %s\n", why);
		return EXIT_TROUBLE;
	}
	status = d->same ? EXIT_OK : EXIT_DIFFERENT;
	if (in->output == OUTPUT_JSON) {
		printf("%.*s", SPAN_ARG(text));
	} else {
		print_file(d);
		if (d->n > 0)
			print_rows(d);
	}
	diff_document_free(d);
	return status;
}

static int
run(const struct invocation *in)
{
	struct admin_answer answer;
	int status;

	if (admin_fetch(in, "GET", "/api/v1/diff", NULL, &answer) != 0)
		return EXIT_TROUBLE;
	status = tell(in, answer.body);
	admin_answer_free(&answer);
	return status;
}

const struct subcommand subcommand_diff = {
    .name = "diff",
    .words = "",
    .help = "what is in force and not so in the config file; exit status 1 "
	    "when there is any",
    .rows = rows,
    .run = run,
};
