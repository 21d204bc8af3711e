/* shunt weight: shifts a service's weights while it runs. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin/document.h"
#include "cli/admin_client.h"
#include "cli/options.h"
#include "cli/subcommands.h"
#include "cli/table.h"
#include "router/plan.h"
#include "router/split.h"

static const struct option_row rows[] = {
    {
	.name = "void-sticky",
	.help = "cookies of versions set to 0 are void: nobody sticks to them",
	.offset = offsetof(struct invocation, void_sticky),
    },
    ROW_OUTPUT,
    ROW_SOCKET,
    {.name = NULL},
};

static const char *const titles[] = {"VERSION", ">WEIGHT"};

/* Cuts the word at its '='; false with why. */
static bool
read_change(
    char *word, struct weight_change *change, char *why, size_t why_size)
{
	char *equals = strchr(word, '=');
	char quoted[OPT_QUOTE_MAX], what[OPT_QUOTE_MAX + 128];

	if (equals == NULL || equals == word) {
		opt_quote(span_of(word), quoted, sizeof quoted);
		snprintf(why, why_size,
		    "expected VERSION=WEIGHT such as v2=20, found %s", quoted);
		return false;
	}
	*equals = '\0';
	change->version = word;
	if (opt_read(OPT_WEIGHT, span_of(equals + 1), 0, WEIGHT_MAX,
		&change->weight, what, sizeof what))
		return true;
	opt_quote(span_of(word), quoted, sizeof quoted);
	snprintf(why, why_size, "version %s: %s", quoted, what);
	return false;
}

static bool
read_changes(char **words, size_t n, struct weight_change *changes, char *why,
    size_t why_size)
{
	char quoted[OPT_QUOTE_MAX];

	for (size_t i = 0; i < n; i++) {
		if (!read_change(words[i], &changes[i], why, why_size))
			return false;
		for (size_t k = 0; k < i; k++) {
			if (strcmp(changes[k].version, changes[i].version) != 0)
				continue;
			opt_quote(
			    span_of(changes[i].version), quoted, sizeof quoted);
			snprintf(
			    why, why_size, "version %s is given twice", quoted);
			return false;
		}
	}
	return true;
}

static int
print_weights(struct span text)
{
	struct document *d;
	struct table *t = table_new(titles, 2);
	char why[512] = "out of memory";
	int rc = -1;

	d = t != NULL ? document_read(text, why, sizeof why) : NULL;
	if (d != NULL && d->nservices == 1) {
		const struct service_view *s = &d->services[0];

		for (size_t i = 0; i < s->nversions; i++) {
			table_cell(t, "%s", s->versions[i].name);
			table_cell(t, "%.2f%%", s->versions[i].weight * 100);
		}
		printf("%s\n", s->name);
		table_print(t, 2, stdout);
		rc = 0;
	} else
		fprintf(stderr, "shunt: %s\n", why);
	document_free(d);
	table_free(t);
	return rc;
}

static int
send_weights(const struct invocation *in, const char *path,
    const struct weight_change *changes, size_t n)
{
	struct admin_answer answer;
	char *body = document_weights(changes, n), warning[512];
	int rc = 0;

	if (body == NULL) {
		fprintf(stderr, "shunt: a version's name is not UTF-8\n");
		return -1;
	}
	if (admin_fetch(in, "PUT", path, body, &answer) != 0) {
		free(body);
		return -1;
	}
	free(body);
	if (in->output == OUTPUT_JSON)
		printf("%.*s", SPAN_ARG(answer.body));
	else
		rc = print_weights(answer.body);
	if (document_warning(answer.body, warning, sizeof warning))
		fprintf(stderr, "shunt: warning: %s\n", warning);
	admin_answer_free(&answer);
	return rc;
}

static int
run(const struct invocation *in)
{
	struct weight_change *changes;
	char path[1024], why[1024] = "out of memory";
	size_t n = in->nwords - 1;
	int status = EXIT_FAILED;

	if (!admin_service_path(in->words[0],
		in->void_sticky ? "/weights?void_sticky=1" : "/weights", path,
		sizeof path))
		return options_wrong(
		    in->subcommand, "the service's name is too long");
	changes = calloc(n, sizeof *changes);
	if (changes == NULL)
		fprintf(stderr, "shunt: %s\n", why);
	else if (!read_changes(in->words + 1, n, changes, why, sizeof why))
		status = options_wrong(in->subcommand, "%s", why);
	else if (send_weights(in, path, changes, n) == 0)
		status = EXIT_OK;
	free(changes);
	return status;
}

const struct subcommand subcommand_weight = {
    .name = "weight",
    .words = "SERVICE VERSION=WEIGHT...",
    .min_words = 2,
    .max_words = SIZE_MAX,
    .help = "shift weights now; returns when every worker has them",
    .rows = rows,
    .run = run,
};
