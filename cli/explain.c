/* shunt explain: where a request would go now, and why. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin/document_explain.h"
#include "cli/admin_client.h"
#include "cli/options.h"
#include "cli/subcommands.h"
#include "cli/table.h"
#include "control/question.h"

static const struct option_row rows[] = {
    {
	.letter = 'X',
	.name = "method",
	.value = "METHOD",
	.help = "of the request; default: GET",
	.offset = offsetof(struct invocation, method),
    },
    {
	.letter = 'H',
	.name = "header",
	.value = "'NAME: VALUE'",
	.help = "a header of it; may be given several times",
	.offset = offsetof(struct invocation, headers),
	.many = true,
    },
    {
	.name = "client",
	.value = "ADDRESS",
	.help = "who connects to the proxy; default: " QUESTION_CLIENT,
	.offset = offsetof(struct invocation, client),
    },
    ROW_OUTPUT,
    ROW_SOCKET,
    {.name = NULL},
};

static const char *const pod_titles[] = {"POD", "STATE", "CANDIDATE", "REASON"};

#define COLUMNS(titles) (sizeof titles / sizeof titles[0])

/* Cuts the word at its ':'; the field points into the copy at *p. */
static bool
read_header(const char *word, char **p, struct question_field *f)
{
	const char *colon = strchr(word, ':'), *value;
	size_t n = strlen(word);

	if (colon == NULL || colon == word)
		return false;
	value = colon + 1 + strspn(colon + 1, " \t");
	memcpy(*p, word, n + 1);
	(*p)[colon - word] = '\0';
	*f = (struct question_field){*p, *p + (value - word)};
	*p += n + 1;
	return true;
}

/* Room for all words of a list; NULL without memory. */
static char *
room_for(const struct option_list *list)
{
	size_t room = 1;

	for (size_t i = 0; i < list->n; i++)
		room += strlen(list->words[i]) + 1;
	return malloc(room);
}

static void
print_route(const struct explain_view *v)
{
	printf("route    ");
	for (size_t i = 0; i < v->nmethods; i++)
		printf("%s%s", i > 0 ? "," : "", v->methods[i]);
	printf("%s%s %s (%s)\n", v->nmethods > 0 ? " " : "", v->host, v->path,
	    v->kind);
}

static int
print_pods(const struct explain_view *v)
{
	struct table *t = table_new(pod_titles, COLUMNS(pod_titles));

	if (t == NULL) {
		fprintf(stderr, "shunt: out of memory\n");
		return -1;
	}
	for (size_t i = 0; i < v->npods; i++) {
		const struct explain_pod_view *p = &v->pods[i];

		table_cell(t, "%s", p->address);
		table_cell(t, "%s", p->state);
		table_cell(t, "%s", p->candidate ? "yes" : "no");
		table_cell(t, "%s", p->reason);
	}
	printf("\n");
	table_print(t, 2, stdout);
	table_free(t);
	return 0;
}

/* What played no part is not there. */
static int
print_view(const struct explain_view *v)
{
	printf("%s\n\n", v->reason);
	printf("service  %s\n", v->service != NULL ? v->service : "-");
	if (v->path != NULL)
		print_route(v);
	if (v->rule >= 0)
		printf("rule     %d: %s\n", v->rule, v->match);
	if (v->bucket >= 0)
		printf("bucket   %.6f\n", v->bucket);
	if (v->version == NULL)
		return 0;
	printf("version  %s\n", v->version);
	return v->npods > 0 ? print_pods(v) : 0;
}

static int
print_answer(const struct invocation *in, struct span text)
{
	struct explain_view *v;
	char why[512];
	int rc;

	if (in->output == OUTPUT_JSON) {
		printf("%.*s", SPAN_ARG(text));
		return 0;
	}
	v = document_explain(text, why, sizeof why);
	if (v == NULL) {
		fprintf(stderr, "shunt: %s\n", why);
		return -1;
	}
	rc = print_view(v);
	document_explain_free(v);
	return rc;
}

/* The exit status. */
static int
ask(const struct invocation *in, const struct question *q)
{
	struct admin_answer answer;
	struct asked asked;
	char why[512];
	char *body;
	int rc = -1;

	/* The API would say so, too, but this is a wrong command line. */
	if (!question_read(q, &asked, why, sizeof why)) {
		asked_clear(&asked);
		return options_wrong(in->subcommand, "%s", why);
	}
	asked_clear(&asked);
	body = document_question(q);
	if (body == NULL)
		return options_wrong(in->subcommand, "a word is not UTF-8");
	if (admin_fetch(in, "POST", "/api/v1/explain", body, &answer) == 0) {
		rc = print_answer(in, answer.body);
		admin_answer_free(&answer);
	}
	free(body);
	return rc == 0 ? EXIT_OK : EXIT_FAILED;
}

static int
run(const struct invocation *in)
{
	struct question_field fields[OPTION_LIST_MAX];
	struct question q = {
	    .url = in->words[0],
	    .method = in->method,
	    .client = in->client,
	    .fields = fields,
	};
	char *copies = room_for(&in->headers), *p = copies;
	char quoted[OPT_QUOTE_MAX];
	int status = EXIT_FAILED;

	if (copies == NULL) {
		fprintf(stderr, "shunt: out of memory\n");
		return EXIT_FAILED;
	}
	for (; q.nfields < in->headers.n; q.nfields++) {
		const char *word = in->headers.words[q.nfields];

		if (read_header(word, &p, &fields[q.nfields]))
			continue;
		opt_quote(span_of(word), quoted, sizeof quoted);
		status = options_wrong(in->subcommand,
		    "--header: expected 'NAME: VALUE', found %s", quoted);
		break;
	}
	if (q.nfields == in->headers.n)
		status = ask(in, &q);
	free(copies);
	return status;
}

const struct subcommand subcommand_explain = {
    .name = "explain",
    .words = "URL",
    .min_words = 1,
    .max_words = 1,
    .help = "which service, rule, version and pods a request gets, and why",
    .rows = rows,
    .run = run,
};
