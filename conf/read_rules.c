/* The option tables and readers of what looks at a request: routes, rules. */
#include <arpa/inet.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "conf/tables.h"
#include "router/match.h"

#define HOST_BYTES_MAX	253u
#define LABEL_BYTES_MAX 63u
#define WHY_MAX		256u

static option_reader read_host, read_path, read_path_text, read_match,
    read_tests, read_pattern_text;

/* In the order of enum path_kind. */
static const struct option path_options[] = {
    [PATH_PREFIX] =
	{
	    .key = "prefix",
	    .read = read_path_text,
	    .type = "a path that begins with /",
	    .help = "The path or, by whole segments, anything below it; "
		    "the same as a plain string.",
	},
    [PATH_EXACT] =
	{
	    .key = "exact",
	    .read = read_path_text,
	    .type = "a path that begins with /",
	    .help = "This path only.",
	},
    [PATH_REGEX] =
	{
	    .key = "regex",
	    .read = read_path_text,
	    .type = "a regular expression",
	    .help = "Perl-compatible expression that is found in the path.",
	},
    {.key = NULL},
};

const struct option route_options[] = {
    {
	.key = "host",
	.read = read_host,
	.type = "a host such as shop.example.com or *.example.com",
	.absent = "any host",
	.help = "Host of the request, without port and case; *. in front "
		"stands for one or more labels.",
	OPTION_FIELD(struct route_spec, host),
    },
    {
	.key = "path",
	.read = read_path,
	.type = "a path that begins with /, or a map with one of prefix, "
		"exact, regex",
	.absent = "any path",
	.help = "Path of the request, without query.",
	.shape = OPTION_MAP,
	.sub = path_options,
    },
    {.key = NULL},
};

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

bool
read_labels(const char *s)
{
	size_t label = 0;

	for (; *s != '\0'; s++) {
		bool dot = *s == '.';

		if (dot ? label == 0
			: !isalnum((unsigned char)*s) && *s != '-' && *s != '_')
			return false;
		label = dot ? 0 : label + 1;
		if (label > LABEL_BYTES_MAX)
			return false;
	}
	return label > 0;
}

static bool
valid_host(const char *host)
{
	char ip[INET6_ADDRSTRLEN];
	uint8_t address[16];
	size_t n = strlen(host);

	if (host[0] == '[' && n > 2 && n - 2 < sizeof ip) {
		memcpy(ip, host + 1, n - 2);
		ip[n - 2] = '\0';
		return host[n - 1] == ']' &&
		       inet_pton(AF_INET6, ip, address) == 1;
	}
	if (n > HOST_BYTES_MAX)
		return false;
	return read_labels(strncmp(host, "*.", 2) == 0 ? host + 2 : host);
}

static void
read_host(struct errors *e, const struct option *o, const struct node *value,
    void *field)
{
	char **host = field;
	const char *text = option_text(e, o, value);

	if (text == NULL)
		return;
	if (!valid_host(text)) {
		option_refuse(e, o, value);
		return;
	}
	*host = read_copy(e, text);
	for (char *p = *host; p != NULL && *p != '\0'; p++)
		*p = (char)tolower((unsigned char)*p);
}

static struct pattern *
compile(struct errors *e, const struct node *value, enum pattern_kind kind)
{
	char why[WHY_MAX] = "out of memory";
	struct pattern *p = pattern_new(kind, value->text, why, sizeof why);

	if (p == NULL)
		errors_add(e, value->at, "%s", why);
	return p;
}

/* A path as it can stand in a request: no query, fragment or space. */
static bool
valid_path(const char *path)
{
	if (path[0] != '/')
		return false;
	for (; *path != '\0'; path++)
		if (!isgraph((unsigned char)*path) || *path == '?' ||
		    *path == '#')
			return false;
	return true;
}

static void
read_path_text(struct errors *e, const struct option *o,
    const struct node *value, void *field)
{
	struct route_spec *r = field;
	const char *text = option_text(e, o, value);

	if (text == NULL)
		return;
	r->kind = (enum path_kind)(o - path_options);
	if (r->kind == PATH_REGEX) {
		r->regex = compile(e, value, PATTERN_REGEX);
		if (r->regex == NULL)
			return;
	} else if (!valid_path(text)) {
		option_refuse(e, o, value);
		return;
	}
	r->path = read_copy(e, text);
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
read_path(struct errors *e, const struct option *o, const struct node *value,
    void *field)
{
	if (value->kind == NODE_SCALAR)
		read_path_text(e, &path_options[PATH_PREFIX], value, field);
	else if (option_kind(e, o, value, NODE_MAP) &&
		 single_key(e, path_options, value))
		option_walk(e, path_options, value, field);
}

static void
read_route(struct errors *e, const struct option *o, const struct node *value,
    struct route_spec *r)
{
	option_walk(e, o->sub, value, r);
	if (node_get(value, "path") == NULL) {
		r->kind = PATH_PREFIX;
		r->path = read_copy(e, "/");
	}
}

void
read_routes(struct errors *e, const struct option *o, const struct node *value,
    void *field)
{
	struct service_spec *s = field;

	if (!option_kind(e, o, value, NODE_LIST))
		return;
	if (value->n == 0)
		errors_add(e, value->at, "expected at least one route");
	s->routes = read_alloc(e, value, sizeof *s->routes);
	if (s->routes == NULL)
		return;
	for (const struct node *m = value->first; m != NULL; m = m->next)
		read_route(e, o, m, &s->routes[s->nroutes++]);
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
