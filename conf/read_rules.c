/* The option tables and readers of what looks at a request: routes, rules. */
#include <arpa/inet.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "conf/tables.h"
#include "router/match.h"

#define HOST_BYTES_MAX	253u
#define LABEL_BYTES_MAX 63u

static option_reader read_host, read_path, read_path_text;

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

const struct option rule_options[] = {
    {
	.key = "match",
	.read = read_match,
	.type = "a map of tests, or a list of such maps",
	.help = "Tests of the request that must all hold, at least one; of "
		"a list, those of one map.",
	.required = true,
	.shape = OPTION_MAP,
	.sub = match_options,
	OPTION_FIELD(struct rule_spec, match),
    },
    {
	.key = "version",
	.read = option_read_later,
	.type = "the name of a version",
	.absent = "`weights` of the rule",
	.help = "Where requests that match go.",
    },
    {
	.key = "weights",
	.read = option_read_later,
	.type = "a map from versions to weights",
	.absent = "`version` of the rule",
	.help = "Shares of what the rule matches, instead of `version`.",
    },
    {
	.key = "empty",
	.read = option_read_word,
	.words = empty_words,
	.absent = "that of the service",
	.help = "Who answers when the version of the rule has no pod that is "
		"up.",
	OPTION_FIELD(struct rule_spec, empty_stable),
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
		r->regex = read_pattern(e, value, PATTERN_REGEX);
		if (r->regex == NULL)
			return;
	} else if (!valid_path(text)) {
		option_refuse(e, o, value);
		return;
	}
	r->path = read_copy(e, text);
}

bool
read_single_key(
    struct errors *e, const struct option *table, const struct node *map)
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
		 read_single_key(e, path_options, value))
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

/* A key that is of no use may well be the one that is missing. */
static bool
all_known(const struct node *rule)
{
	for (const struct node *m = rule->first; m != NULL; m = m->next) {
		const struct option *o = rule_options;

		while (o->key != NULL && strcmp(o->key, m->key->text) != 0)
			o++;
		if (o->key == NULL)
			return false;
	}
	return true;
}

static void
read_rule(struct errors *e, const struct option *o, const struct node *value,
    struct rule_spec *r)
{
	bool version = node_get(value, "version") != NULL;
	const struct node *weights = node_get(value, "weights");

	option_walk(e, o->sub, value, r);
	r->own_empty = node_get(value, "empty") != NULL;
	if (version && weights != NULL)
		errors_add(e, weights->key->at,
		    "expected either \"version\" or \"weights\", found both");
	else if (!version && weights == NULL && value->kind == NODE_MAP &&
		 all_known(value))
		errors_add(
		    e, value->at, "missing key \"version\" or \"weights\"");
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
		read_rule(e, o, m, &s->rules[s->nrules++]);
}
