/* Reading command lines by their tables. */
#include "cli/options.h"

#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "load/load.h"

#define ROWS_MAX 40u

/* What getopt_long returns for row i; above every letter. */
#define ROW_VALUE(i) (256 + (int)(i))
#define HELP_VALUE   ROW_VALUE(ROWS_MAX)

#define CONFIG_HERE   "shunt.yaml"
#define CONFIG_SYSTEM "/etc/shunt/shunt.yaml"
#define SOCKET_SYSTEM "/run/shunt/admin.sock"

const char *const option_outputs[] = {"table", "json", NULL};

static void
set_defaults(const struct subcommand *s, struct invocation *in)
{
	const char *socket = getenv("SHUNT_SOCKET");

	memset(in, 0, sizeof *in);
	in->subcommand = s;
	in->config = CONFIG_HERE;
	if (access(CONFIG_HERE, F_OK) != 0 && access(CONFIG_SYSTEM, F_OK) == 0)
		in->config = CONFIG_SYSTEM;
	in->socket = SOCKET_SYSTEM;
	if (socket != NULL && socket[0] != '\0')
		in->socket = socket;
	in->output = OUTPUT_TABLE;
	in->timeout_ms = TIMEOUT_NONE;
	in->weight = 1;
	in->log_level = LOG_LEVEL_INFO;
	in->app.version = "1";
	in->app.address = "127.0.0.1";
	in->app.fail_rate = OPT_PERCENT_MAX;
	in->app.fail_status = 200;
	in->load.connections = LOAD_CONNECTIONS;
	in->load.threads = 1;
	in->load.timeout_ms = LOAD_TIMEOUT_MS;
	in->load.queue = LOAD_QUEUE;
}

static void
print_usage(FILE *out, const struct subcommand *s)
{
	fprintf(out, "usage: shunt %s%s%s%s\n", s->name,
	    s->rows->name != NULL ? " [OPTION]..." : "",
	    s->words[0] != '\0' ? " " : "", s->words);
}

void
options_help(const struct subcommand *s)
{
	print_usage(stdout, s);
	printf("%s\n", s->help);
	for (const struct option_row *r = s->rows; r->name != NULL; r++) {
		char head[64];

		snprintf(head, sizeof head, "%c%c%s --%s%s%s",
		    r->letter != 0 ? '-' : ' ',
		    r->letter != 0 ? r->letter : ' ',
		    r->letter != 0 ? "," : " ", r->name,
		    r->value != NULL ? " " : "",
		    r->value != NULL ? r->value : "");
		printf(
		    "%s  %-25s %s\n", r == s->rows ? "\n" : "", head, r->help);
	}
}

int
options_wrong(const struct subcommand *s, const char *fmt, ...)
{
	va_list args;

	fprintf(stderr, "shunt %s: ", s->name);
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fprintf(stderr, "\n");
	print_usage(stderr, s);
	return EXIT_USAGE;
}

static bool
read_choice(const struct option_row *r, const char *text, uint64_t *value,
    char *why, size_t why_size)
{
	char quoted[OPT_QUOTE_MAX];

	for (*value = 0; r->choices[*value] != NULL; ++*value)
		if (strcmp(r->choices[*value], text) == 0)
			return true;
	opt_quote(span_of(text), quoted, sizeof quoted);
	snprintf(why, why_size, "expected %s, found %s", r->value, quoted);
	return false;
}

static bool
add_word(struct option_list *list, const char *text, char *why, size_t why_size)
{
	if (list->n == OPTION_LIST_MAX) {
		snprintf(
		    why, why_size, "given more than %d times", OPTION_LIST_MAX);
		return false;
	}
	list->words[list->n++] = text;
	return true;
}

/* Stores one option's value where its row says. */
static bool
read_value(const struct option_row *r, const char *text, struct invocation *in,
    char *why, size_t why_size)
{
	void *target = (char *)in + r->offset;

	if (r->many)
		return add_word(target, text, why, why_size);
	if (r->value == NULL) {
		*(bool *)target = true;
		return true;
	}
	if (r->choices != NULL)
		return read_choice(r, text, target, why, why_size);
	if (r->max > 0)
		return opt_read(r->kind, span_of(text), r->min, r->max, target,
		    why, why_size);
	*(const char **)target = text;
	return true;
}

/* The table in getopt's own words. */
static void
prepare(const struct subcommand *s, struct option *longs, char *letters)
{
	size_t n = 0;

	*letters++ = 'h';
	for (const struct option_row *r = s->rows; r->name != NULL; r++, n++) {
		CHECK(n < ROWS_MAX);
		longs[n] = (struct option){r->name,
		    r->value != NULL ? required_argument : no_argument, NULL,
		    ROW_VALUE(n)};
		if (r->letter == 0)
			continue;
		*letters++ = r->letter;
		if (r->value != NULL)
			*letters++ = ':';
	}
	longs[n] = (struct option){"help", no_argument, NULL, HELP_VALUE};
	longs[n + 1] = (struct option){NULL, 0, NULL, 0};
	*letters = '\0';
}

static const struct option_row *
find_row(const struct subcommand *s, int value)
{
	size_t n = 0;

	for (const struct option_row *r = s->rows; r->name != NULL; r++, n++)
		if (value == ROW_VALUE(n) ||
		    (value < 256 && value == r->letter))
			return r;
	return NULL;
}

/* In the words of the usage, of which the last may stand for several. */
static void
say_empty(const struct subcommand *s, size_t i)
{
	const char *word = s->words, *next;
	size_t n;

	while (i-- > 0 && (next = strchr(word, ' ')) != NULL)
		word = next + 1;
	word += *word == '[';
	n = strcspn(word, " ].");
	options_wrong(s, "expected %.*s, found \"\"", (int)n, word);
}

static bool
take_words(
    const struct subcommand *s, int argc, char **argv, struct invocation *in)
{
	in->words = argv + optind;
	in->nwords = (size_t)(argc - optind);
	if (in->nwords > s->max_words) {
		options_wrong(
		    s, "what is \"%s\" for?", argv[optind + (int)s->max_words]);
		return false;
	}
	if (in->nwords < s->min_words) {
		options_wrong(s, "something is missing");
		return false;
	}
	for (size_t i = 0; i < in->nwords; i++)
		if (in->words[i][0] == '\0') {
			say_empty(s, i);
			return false;
		}
	return true;
}

bool
options_read(const struct subcommand *s, int argc, char **argv,
    struct invocation *in, int *status)
{
	struct option longs[ROWS_MAX + 2];
	char letters[2 * ROWS_MAX + 2], name[64], why[OPT_QUOTE_MAX + 128];
	int value;

	prepare(s, longs, letters);
	set_defaults(s, in);
	/* getopt puts it in front of its messages. */
	snprintf(name, sizeof name, "shunt %s", s->name);
	argv[0] = name;
	*status = EXIT_USAGE;
	while ((value = getopt_long(argc, argv, letters, longs, NULL)) != -1) {
		const struct option_row *r = find_row(s, value);

		if (value == HELP_VALUE || value == 'h') {
			options_help(s);
			*status = EXIT_OK;
			return false;
		}
		if (r == NULL) {
			print_usage(stderr, s);
			return false;
		}
		if (!read_value(r, optarg, in, why, sizeof why)) {
			options_wrong(s, "--%s: %s", r->name, why);
			return false;
		}
	}
	return take_words(s, argc, argv, in);
}
