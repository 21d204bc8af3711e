/* The option tables and readers of rules. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "conf/tables.h"
#include "router/match.h"

#define WHY_MAX 256u

static option_reader read_match, read_tests, read_pattern_text;

/* In the order of enum pattern_kind. */
static const struct option pattern_options[] = {
    [PATTERN_EXACT] =
	{
	    .key = "exact",
	    .read = read_pattern_text,
	    .type = "a string",
	    .help = "The value is this; the same as a plain string.",
	},
    [PATTERN_PREFIX] =
	{
	    .key = "prefix",
	    .read = read_pattern_text,
	    .type = "a string",
	    .help = "The value begins with this.",
	},
    [PATTERN_CONTAINS] =
	{
	    .key = "contains",
	    .read = read_pattern_text,
	    .type = "a string",
	    .help = "This occurs in the value.",
	},
    [PATTERN_REGEX] =
	{
	    .key = "regex",
	    .read = read_pattern_text,
	    .type = "a regular expression",
	    .help = "Perl-compatible expression that is found in the value.",
	},
    [PATTERN_PRESENT] =
	{
	    .key = "present",
	    .read = read_pattern_text,
	    .type = "true",
	    .help = "It is there, with any value.",
	},
    {.key = NULL},
};

static const struct option match_options[] = {
    {
	.key = "header",
	.read = read_tests,
	.type = "a map from header names to values",
	.absent = "no test of headers",
	.help = "A value is a string, or a map with one of the keys below.",
	.shape = OPTION_NAMED,
	.sub = pattern_options,
    },
    {
	.key = "cookie",
	.read = read_tests,
	.type = "a map from cookie names to values",
	.absent = "no test of cookies",
	.help = "A value is a string, or a map with one of the keys below.",
	.shape = OPTION_NAMED,
	.sub = pattern_options,
    },
    {.key = "query"},
    {.key = NULL},
};

const struct option rule_options[] = {
    {
	.key = "match",
	.read = read_match,
	.help = "Tests of the request that must all hold, at least one.",
	.required = true,
	.shape = OPTION_MAP,
	.sub = match_options,
	OPTION_FIELD(struct rule_spec, match),
    },
    {
	.key = "version",
	.read = option_read_later,
	.type = "the name of a version",
	.help = "Where requests that match go.",
	.required = true,
    },
    {.key = NULL},
};

static struct pattern *
compile(struct errors *e, const struct node *value, enum pattern_kind kind)
{
	char why[WHY_MAX] = "out of memory";
	struct pattern *p = pattern_new(kind, value->text, why, sizeof why);

	if (p == NULL)
		errors_add(e, value->at, "%s", why);
	return p;
}

/* A map that must have one of the table's keys and no other. */
static bool
single_key(struct errors *e, const struct option *table, const struct node *map)
{
	char list[128] = "";
	size_t used = 0;

	if (map->n == 1)
		return true;
	for (; table->key != NULL && used < sizeof list; table++)
		used += (size_t)snprintf(list + used, sizeof list - used,
		    "%s%s", used > 0 ? ", " : "", table->key);
	errors_add(
	    e, map->at, "expected exactly one of %s, found %zu", list, map->n);
	return false;
}

static void
read_pattern_text(struct errors *e, const struct option *o,
    const struct node *value, void *field)
{
	enum pattern_kind kind = (enum pattern_kind)(o - pattern_options);
	struct pattern **pattern = field;
	const char *text = option_text(e, o, value);

	if (text == NULL)
		return;
	if (kind == PATTERN_PRESENT && strcmp(text, "true") != 0)
		option_refuse(e, o, value);
	else if (kind != PATTERN_EXACT && text[0] == '\0')
		errors_add(e, value->at, "expected at least one character");
	else
		*pattern = compile(e, value, kind);
}

/* NULL, reported, when it is none. The caller frees. */
static struct pattern *
read_pattern(struct errors *e, const struct node *value)
{
	const struct option either = {
	    .type = "a string or a map with one of exact, prefix, contains, "
		    "regex, present",
	};
	struct pattern *p = NULL;

	if (value->kind == NODE_SCALAR && !node_nothing(value))
		read_pattern_text(
		    e, &pattern_options[PATTERN_EXACT], value, &p);
	else if (option_kind(e, &either, value, NODE_MAP) &&
		 single_key(e, pattern_options, value))
		option_walk(e, pattern_options, value, &p);
	return p;
}

/* A token of RFC 9110 5.6.2: what header and cookie names are made of. */
static bool
valid_token(const char *s)
{
	if (*s == '\0')
		return false;
	for (; *s != '\0'; s++)
		if (!isalnum((unsigned char)*s) &&
		    strchr("!#$%&'*+-.^_`|~", *s) == NULL)
			return false;
	return true;
}

static void
read_test(struct errors *e, const struct option *o, const struct node *value,
    struct match *match)
{
	char found[OPT_QUOTE_MAX];
	struct pattern *p = read_pattern(e, value);
	const char *name = value->key->text;
	bool cookie = strcmp(o->key, "cookie") == 0;

	if (!valid_token(name)) {
		opt_quote(span_of(name), found, sizeof found);
		errors_add(e, value->key->at,
		    "expected the name of a %s, found %s", o->key, found);
		pattern_free(p);
		return;
	}
	if (p == NULL)
		return;
	if (cookie ? match_add_cookie(match, name, p) != 0
		   : match_add_header(match, name, p) != 0)
		errors_no_memory(e);
}

static void
read_tests(struct errors *e, const struct option *o, const struct node *value,
    void *field)
{
	struct match **match = field;

	if (!option_kind(e, o, value, NODE_MAP))
		return;
	if (value->n == 0)
		errors_add(e, value->at, "expected at least one %s", o->key);
	for (const struct node *m = value->first; m != NULL; m = m->next)
		read_test(e, o, m, *match);
}

static void
read_match(struct errors *e, const struct option *o, const struct node *value,
    void *field)
{
	struct match **match = field;

	if (!option_kind(e, o, value, NODE_MAP))
		return;
	if (value->n == 0)
		errors_add(
		    e, value->at, "expected at least one header or cookie");
	*match = match_new();
	if (*match == NULL)
		errors_no_memory(e);
	else
		option_walk(e, o->sub, value, match);
}

void
read_rules(struct errors *e, const struct option *o, const struct node *value,
    void *field)
{
	struct service_spec *s = field;

	if (!option_kind(e, o, value, NODE_LIST))
		return;
	s->rules = read_alloc(e, value, sizeof *s->rules);
	if (s->rules == NULL)
		return;
	for (const struct node *m = value->first; m != NULL; m = m->next)
		option_walk(e, o->sub, m, &s->rules[s->nrules++]);
}
