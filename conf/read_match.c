/* The option tables and readers of a match: what is tested, and how. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/cidr.h"
#include "conf/tables.h"
#include "router/match.h"

#define WHY_MAX 256u

static option_reader read_named, read_plain, read_client, read_text,
    read_present, read_not, read_not_client;

/* In the order of enum pattern_kind, and what turns one round. */
static const struct option pattern_options[] = {
    [PATTERN_EXACT] =
	{
	    .key = "exact",
	    .read = read_text,
	    .type = "a string",
	    .help = "The value is this; the same as a plain string.",
	},
    [PATTERN_PREFIX] =
	{
	    .key = "prefix",
	    .read = read_text,
	    .type = "a string",
	    .help = "The value begins with this.",
	},
    [PATTERN_CONTAINS] =
	{
	    .key = "contains",
	    .read = read_text,
	    .type = "a string",
	    .help = "This occurs in the value.",
	},
    [PATTERN_REGEX] =
	{
	    .key = "regex",
	    .read = read_text,
	    .type = "a regular expression",
	    .help = "Perl-compatible expression that is found in the value.",
	},
    [PATTERN_PRESENT] =
	{
	    .key = "present",
	    .read = read_present,
	    .type = "true or false",
	    .help = "Whether it is there, with any value.",
	},
    {
	.key = "not",
	.read = read_not,
	.type = "a value, or a list of them",
	.help = "The value is not this, or it is not there.",
    },
    {.key = NULL},
};

static const struct option client_options[] = {
    {
	.key = "not",
	.read = read_not_client,
	.type = "an address or block, or a list of them",
	.help = "The address is none of these.",
	.required = true,
    },
    {.key = NULL},
};

#define VALUE_TYPE "a value, or a list of which one must hold"

const struct option match_options[] = {
    {
	.key = "header",
	.read = read_named,
	.type = "a map from header names to values",
	.absent = "no test of headers",
	.help = "A value is a string, a list of which one must hold, or a "
		"map with one of the keys below.",
	.shape = OPTION_NAMED,
	.sub = pattern_options,
    },
    {
	.key = "cookie",
	.read = read_named,
	.type = "a map from cookie names to values",
	.absent = "no test of cookies",
	.help = "Values of cookies, as they were sent.",
	.shape = OPTION_NAMED,
	.sub = pattern_options,
    },
    {
	.key = "query",
	.read = read_named,
	.type = "a map from parameter names to values",
	.absent = "no test of the query",
	.help = "Values of query parameters, with %XX and + decoded.",
	.shape = OPTION_NAMED,
	.sub = pattern_options,
    },
    {
	.key = "method",
	.read = read_plain,
	.type = VALUE_TYPE,
	.absent = "any method",
	.help = "The method of the request.",
	.shape = OPTION_MAP,
	.sub = pattern_options,
    },
    {
	.key = "path",
	.read = read_plain,
	.type = VALUE_TYPE,
	.absent = "any path",
	.help = "The path of the request as it was sent, without query.",
	.shape = OPTION_MAP,
	.sub = pattern_options,
    },
    {
	.key = "client",
	.read = read_client,
	.type = "an address or block, or a list of them",
	.absent = "any client",
	.help = "Where the request comes from, behind trusted proxies by "
		"X-Forwarded-For.",
	.shape = OPTION_MAP,
	.sub = client_options,
    },
    {
	.key = "user_agent",
	.read = read_plain,
	.type = VALUE_TYPE,
	.absent = "any User-Agent",
	.help = "Short for the header User-Agent.",
	.shape = OPTION_MAP,
	.sub = pattern_options,
    },
    {.key = NULL},
};

/* What the rows of match_options look at. */
static const struct tested {
	enum match_source source;
	const char *what;
	const char *name; /* where the file names none */
} tested[] = {
    {MATCH_HEADER, "header", NULL},
    {MATCH_COOKIE, "cookie", NULL},
    {MATCH_QUERY, "query parameter", NULL},
    {MATCH_METHOD, "method", NULL},
    {MATCH_PATH, "path", NULL},
    {MATCH_CLIENT, "client", NULL},
    {MATCH_HEADER, "User-Agent", "User-Agent"},
};

/* A value as it is being read. */
struct reading {
	const struct tested *tested;
	bool listed; /* in a list, whose members cannot be negated */
	bool negated;
	struct pattern **patterns; /* or, of a client, blocks */
	struct cidr *blocks;
	size_t n;
};

struct pattern *
read_pattern(struct errors *e, const struct node *value, enum pattern_kind kind)
{
	char why[WHY_MAX] = "out of memory";
	struct pattern *p = pattern_new(kind, value->text, why, sizeof why);

	if (p == NULL)
		errors_add(e, value->at, "%s", why);
	return p;
}

/* Consumes the pattern; NULL was reported. */
static void
add_pattern(struct errors *e, struct reading *r, struct pattern *p)
{
	struct pattern **grown;

	if (p == NULL)
		return;
	grown = reallocarray(r->patterns, r->n + 1, sizeof(struct pattern *));
	if (grown == NULL) {
		pattern_free(p);
		errors_no_memory(e);
		return;
	}
	r->patterns = grown;
	r->patterns[r->n++] = p;
}

/* Methods have case, and those in use are in capitals. */
static bool
valid_method(const char *s)
{
	for (const char *p = s; *p != '\0'; p++)
		if (islower((unsigned char)*p))
			return false;
	return read_token(s);
}

/* Refuses what no request could ever have. */
static bool
possible(struct errors *e, const struct reading *r, enum pattern_kind kind,
    const struct node *value)
{
	const struct option method = {
	    .type = "a method in capitals such as GET",
	};
	const struct option path = {
	    .type = "a path that begins with /, without query",
	};
	const char *text = value->text;

	if (r->tested->source == MATCH_METHOD && kind == PATTERN_EXACT &&
	    !valid_method(text)) {
		option_refuse(e, &method, value);
		return false;
	}
	if (r->tested->source == MATCH_PATH &&
	    (kind == PATTERN_EXACT || kind == PATTERN_PREFIX) &&
	    (text[0] != '/' || strpbrk(text, "?#") != NULL)) {
		option_refuse(e, &path, value);
		return false;
	}
	return true;
}

static void
read_text(struct errors *e, const struct option *o, const struct node *value,
    void *field)
{
	enum pattern_kind kind = (enum pattern_kind)(o - pattern_options);
	struct reading *r = field;
	const char *text = option_text(e, o, value);

	if (text == NULL)
		return;
	if (kind != PATTERN_EXACT && text[0] == '\0')
		errors_add(e, value->at, "expected at least one character");
	else if (possible(e, r, kind, value))
		add_pattern(e, r, read_pattern(e, value, kind));
}

/* What stands for more than a text cannot be one of several. */
static bool
alone(struct errors *e, const struct reading *r, const struct node *value)
{
	if (r->listed)
		errors_add(e, value->key->at,
		    "\"%s\" cannot stand in a list of values",
		    value->key->text);
	return !r->listed;
}

static void
read_present(struct errors *e, const struct option *o, const struct node *value,
    void *field)
{
	struct reading *r = field;
	const char *text = option_text(e, o, value);
	bool absent = text != NULL && strcmp(text, "false") == 0;

	if (text == NULL || !alone(e, r, value))
		return;
	if (!absent && strcmp(text, "true") != 0) {
		option_refuse(e, o, value);
		return;
	}
	r->negated ^= absent;
	add_pattern(e, r, read_pattern(e, value, PATTERN_PRESENT));
}

/* A string, or a map with exactly one of the keys of a pattern. */
static void
read_one(struct errors *e, const struct node *value, struct reading *r)
{
	const struct option either = {
	    .type = r->listed ? "a string or a map with one of exact, prefix, "
				"contains, regex"
			      : "a string, a list, or a map with one of exact, "
				"prefix, contains, regex, present, not",
	};

	if (value->kind == NODE_SCALAR && !node_nothing(value))
		read_text(e, &pattern_options[PATTERN_EXACT], value, r);
	else if (option_kind(e, &either, value, NODE_MAP) &&
		 read_single_key(e, pattern_options, value))
		option_walk(e, pattern_options, value, r);
}

static void
read_value(struct errors *e, const struct node *value, struct reading *r)
{
	if (value->kind != NODE_LIST) {
		read_one(e, value, r);
		return;
	}
	if (value->n == 0)
		errors_add(e, value->at, "expected at least one value");
	r->listed = true;
	for (const struct node *m = value->first; m != NULL; m = m->next)
		read_one(e, m, r);
}

static void
read_not(struct errors *e, const struct option *o, const struct node *value,
    void *field)
{
	struct reading *r = field;

	(void)o;
	if (!alone(e, r, value))
		return;
	r->negated = !r->negated;
	read_value(e, value, r);
}

/* One test of the match; nothing was added where the value was wrong. */
static void
add_value(struct errors *e, const struct tested *t, const char *name,
    const struct node *value, struct match *match)
{
	struct reading r = {.tested = t};

	read_value(e, value, &r);
	if (r.n > 0 &&
	    match_add(match, t->source, name, r.patterns, r.n, r.negated) != 0)
		errors_no_memory(e);
	free(r.patterns);
}

static void
read_named(struct errors *e, const struct option *o, const struct node *value,
    void *field)
{
	const struct tested *t = &tested[o - match_options];

	if (!option_kind(e, o, value, NODE_MAP))
		return;
	if (value->n == 0)
		errors_add(e, value->at, "expected at least one %s", t->what);
	for (const struct node *m = value->first; m != NULL; m = m->next) {
		const char *name = m->key->text;
		char found[OPT_QUOTE_MAX];

		if (t->source == MATCH_QUERY ? name[0] == '\0'
					     : !read_token(name)) {
			opt_quote(span_of(name), found, sizeof found);
			errors_add(e, m->key->at,
			    "expected the name of a %s, found %s", t->what,
			    found);
		}
		add_value(e, t, name, m, field);
	}
}

static void
read_plain(struct errors *e, const struct option *o, const struct node *value,
    void *field)
{
	const struct tested *t = &tested[o - match_options];

	add_value(e, t, t->name, value, field);
}

static void
add_block(struct errors *e, const struct node *value, struct reading *r)
{
	struct cidr *grown;

	grown = reallocarray(r->blocks, r->n + 1, sizeof *r->blocks);
	if (grown == NULL) {
		errors_no_memory(e);
		return;
	}
	r->blocks = grown;
	r->n += read_block(e, value, &r->blocks[r->n]);
}

static void
read_blocks(struct errors *e, const struct node *value, struct reading *r)
{
	if (value->kind == NODE_MAP) {
		option_walk(e, client_options, value, r);
	} else if (value->kind == NODE_LIST) {
		if (value->n == 0)
			errors_add(
			    e, value->at, "expected at least one address");
		for (const struct node *m = value->first; m != NULL;
		     m = m->next)
			add_block(e, m, r);
	} else {
		add_block(e, value, r);
	}
}

static void
read_not_client(struct errors *e, const struct option *o,
    const struct node *value, void *field)
{
	struct reading *r = field;

	(void)o;
	r->negated = !r->negated;
	read_blocks(e, value, r);
}

static void
read_client(struct errors *e, const struct option *o, const struct node *value,
    void *field)
{
	struct reading r = {.tested = &tested[o - match_options]};

	read_blocks(e, value, &r);
	if (r.n > 0 && match_add_client(field, r.blocks, r.n, r.negated) != 0)
		errors_no_memory(e);
	free(r.blocks);
}

/* The tests of one alternative. */
static void
read_tests(struct errors *e, const struct option *o, const struct node *value,
    struct match *match)
{
	match_or(match);
	option_walk(e, o->sub, value, match);
	if (value->kind == NODE_MAP && value->n == 0)
		errors_add(e, value->at, "expected at least one test");
}

void
read_match(struct errors *e, const struct option *o, const struct node *value,
    void *field)
{
	struct match **match = field;

	if (value->kind != NODE_LIST && !option_kind(e, o, value, NODE_MAP))
		return;
	*match = match_new();
	if (*match == NULL) {
		errors_no_memory(e);
	} else if (value->kind == NODE_MAP) {
		read_tests(e, o, value, *match);
	} else {
		if (value->n == 0)
			errors_add(
			    e, value->at, "expected at least one map of tests");
		for (const struct node *m = value->first; m != NULL;
		     m = m->next)
			read_tests(e, o, m, *match);
	}
}

void
read_headers(struct errors *e, const struct option *o, const struct node *value,
    void *field)
{
	struct match **match = field;
	const struct option *header = &match_options[0];

	if (value->kind != NODE_LIST && !option_kind(e, o, value, NODE_MAP))
		return;
	*match = match_new();
	if (*match == NULL) {
		errors_no_memory(e);
		return;
	}
	if (value->kind == NODE_LIST && value->n == 0)
		errors_add(e, value->at, "expected at least one map");
	if (value->kind == NODE_MAP)
		read_named(e, header, value, *match);
	for (const struct node *m = value->first;
	     value->kind == NODE_LIST && m != NULL; m = m->next) {
		match_or(*match);
		read_named(e, header, m, *match);
	}
}
