/* The option tables and readers of routes: what they take, what they do. */
#include <arpa/inet.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "conf/tables.h"
#include "router/match.h"
#include "router/route.h"

#define HOST_BYTES_MAX	253u
#define LABEL_BYTES_MAX 63u
#define PATH_BYTES_MAX	1024u
#define WHY_MAX		256u

static option_reader read_host, read_path, read_path_text, read_methods,
    read_rewrite, read_pod_host, read_new_path, read_redirect_to, read_new_host,
    read_scheme, read_status, read_request_edits, read_response_edits;

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

#define PREFIX_ROW                                                          \
	{                                                                   \
		.key = "prefix", .read = read_new_path,                     \
		.type = "a path that begins with /, or \"\"",               \
		.absent = "the prefix stays",                               \
		.help = "Stands for what the route's prefix matched; / or " \
			"\"\" strips it.",                                  \
	}
#define PATH_ROW                                                       \
	{                                                              \
		.key = "path", .read = read_new_path,                  \
		.type = "a path that begins with /",                   \
		.absent = "the path stays",                            \
		.help = "Stands for the whole path; the query stays.", \
	}

static const struct option rewrite_options[] = {
    PREFIX_ROW,
    PATH_ROW,
    {
	.key = "host",
	.read = read_pod_host,
	.type = "a host such as shop.example.com, perhaps with a port",
	.absent = "the client's",
	.help = "Host that the pod is told; X-Forwarded-Host has the "
		"client's.",
    },
    {.key = NULL},
};

static const struct option redirect_options[] = {
    {
	.key = "scheme",
	.read = read_scheme,
	.type = "http or https",
	.absent = "that of the request",
	.help = "Scheme of the new address.",
    },
    {
	.key = "host",
	.read = read_new_host,
	.type = "a host such as shop.example.com",
	.absent = "that of the request",
	.help = "Host of the new address.",
    },
    {
	.key = "port",
	.read = option_read_value,
	.kind = OPT_COUNT,
	.min = 1,
	.max = 65535,
	.absent = "that of the request where scheme and host stay, else "
		  "that of the scheme",
	.help = "Port of the new address.",
	OPTION_FIELD(struct route_action, port),
    },
    PREFIX_ROW,
    PATH_ROW,
    {
	.key = "status",
	.read = read_status,
	.type = "one of 301, 302, 303, 307, 308",
	.fallback = "302",
	.help = "Status of the answer.",
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
    {
	.key = "method",
	.read = read_methods,
	.type = "a method such as GET, in upper case, or a list of methods",
	.absent = "any method",
	.help = "Method of the request.",
    },
    {
	.key = "rewrite",
	.read = read_rewrite,
	.absent = "pods get path and host as they are",
	.help = "Another path or host for the pod.",
	.shape = OPTION_MAP,
	.sub = rewrite_options,
	.apart = true,
    },
    {
	.key = "redirect",
	.read = read_redirect_to,
	.absent = "requests go to a pod",
	.help = "The proxy answers with another address.",
	.shape = OPTION_MAP,
	.sub = redirect_options,
	.apart = true,
    },
    {
	.key = "request_headers",
	.read = read_request_edits,
	.absent = "as the client sent them",
	.help = "Changes of the headers that the pod gets.",
	.shape = OPTION_MAP,
	.sub = edit_options,
	.apart = true,
    },
    {
	.key = "response_headers",
	.read = read_response_edits,
	.absent = "as the pod sent them",
	.help = "Changes of the headers that the client gets.",
	.shape = OPTION_MAP,
	.sub = edit_options,
	.apart = true,
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

static char *
copy_lower(struct errors *e, const char *text)
{
	char *copy = read_copy(e, text);

	for (char *p = copy; p != NULL && *p != '\0'; p++)
		*p = (char)tolower((unsigned char)*p);
	return copy;
}

static void
read_host(struct errors *e, const struct option *o, const struct node *value,
    void *field)
{
	char **host = field;
	const char *text = option_text(e, o, value);

	if (text == NULL)
		return;
	if (!valid_host(text))
		option_refuse(e, o, value);
	else
		*host = copy_lower(e, text);
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
	char why[WHY_MAX] = "out of memory";

	if (text == NULL)
		return;
	r->kind = (enum path_kind)(o - path_options);
	if (r->kind == PATH_REGEX) {
		r->regex = pattern_new(PATTERN_REGEX, text, why, sizeof why);
		if (r->regex == NULL) {
			errors_add(e, value->at, "%s", why);
			return;
		}
	} else if (!valid_path(text)) {
		option_refuse(e, o, value);
		return;
	}
	r->path = read_copy(e, text);
}

static void
read_path(struct errors *e, const struct option *o, const struct node *value,
    void *field)
{
	if (value->kind == NODE_SCALAR)
		read_path_text(e, &path_options[PATH_PREFIX], value, field);
	else if (!option_kind(e, o, value, NODE_MAP))
		return;
	else if (value->n != 1)
		errors_add(e, value->at,
		    "expected exactly one of prefix, exact, regex, found %zu",
		    value->n);
	else
		option_walk(e, path_options, value, field);
}

/* Methods have case (RFC 9110 9.1); lower case is a slip. */
static bool
valid_method(const char *s)
{
	for (const char *p = s; *p != '\0'; p++)
		if (islower((unsigned char)*p))
			return false;
	return read_token(s);
}

static void
read_method(struct errors *e, const struct option *o, const struct node *value,
    struct route_spec *r)
{
	const char *text = option_text(e, o, value);

	if (text == NULL)
		return;
	if (!valid_method(text)) {
		option_refuse(e, o, value);
		return;
	}
	r->methods[r->nmethods] = read_copy(e, text);
	if (r->methods[r->nmethods] != NULL)
		r->nmethods++;
}

static void
read_methods(struct errors *e, const struct option *o, const struct node *value,
    void *field)
{
	const struct option item = {
	    .type = "a method such as GET, in upper case"};
	struct route_spec *r = field;

	if (value->kind != NODE_SCALAR && !option_kind(e, o, value, NODE_LIST))
		return;
	if (value->kind == NODE_LIST && value->n == 0)
		errors_add(e, value->at, "expected at least one method");
	r->methods =
	    calloc(value->kind == NODE_LIST ? value->n + 1 : 1, sizeof(char *));
	if (r->methods == NULL)
		errors_no_memory(e);
	else if (value->kind == NODE_SCALAR)
		read_method(e, o, value, r);
	else
		for (const struct node *m = value->first; m != NULL;
		     m = m->next)
			read_method(e, &item, m, r);
}

/* The route's, made when it is the first that it does; NULL: no memory. */
static struct route_action *
action_of(struct errors *e, struct route_spec *r)
{
	if (r->action == NULL)
		r->action = route_action_new();
	if (r->action == NULL)
		errors_no_memory(e);
	return r->action;
}

static void
read_new_path(struct errors *e, const struct option *o,
    const struct node *value, void *field)
{
	struct route_action *a = field;
	const char *text = option_text(e, o, value);
	bool prefix = strcmp(o->key, "prefix") == 0;
	size_t n;

	if (text == NULL)
		return;
	n = strlen(text);
	if (!valid_path(text) && !(prefix && n == 0)) {
		option_refuse(e, o, value);
		return;
	}
	if (n > PATH_BYTES_MAX) {
		errors_add(e, value->at, "expected at most %u bytes, found %zu",
		    PATH_BYTES_MAX, n);
		return;
	}
	free(a->path); /* of both only one is good, and that is told */
	a->path = read_copy(e, text);
	a->change = a->path == NULL ? PATH_KEEP
		    : prefix	    ? PATH_SWAP_PREFIX
				    : PATH_SWAP;
	while (a->path != NULL && prefix && n > 0 && a->path[n - 1] == '/')
		a->path[--n] = '\0';
}

/* "prefix" and "path" exclude each other. */
static void
check_new_path(struct errors *e, const struct node *map)
{
	const struct node *prefix = node_get(map, "prefix");

	if (prefix != NULL && node_get(map, "path") != NULL)
		errors_add(e, prefix->key->at,
		    "expected one of prefix and path, found both");
}

void
read_authority(struct errors *e, const struct option *o,
    const struct node *value, void *field)
{
	char **authority = field;
	const char *text = option_text(e, o, value), *colon;
	uint64_t port = 80;
	char *host;

	if (text == NULL)
		return;
	host = read_copy(e, text);
	if (host == NULL)
		return;
	colon = strrchr(text, ':');
	if (colon != NULL && strchr(colon, ']') == NULL) {
		host[colon - text] = '\0';
		if (!span_to_u64(span_of(colon + 1), &port))
			port = 0;
	}
	if (host[0] == '*' || !valid_host(host) || port == 0 || port > 65535)
		option_refuse(e, o, value);
	else if (*authority == NULL)
		*authority = read_copy(e, text);
	free(host);
}

static void
read_pod_host(struct errors *e, const struct option *o,
    const struct node *value, void *field)
{
	struct route_action *a = field;

	read_authority(e, o, value, &a->host);
}

static void
read_rewrite(struct errors *e, const struct option *o, const struct node *value,
    void *field)
{
	struct route_action *a;

	if (!option_kind(e, o, value, NODE_MAP))
		return;
	if (value->n == 0)
		errors_add(
		    e, value->at, "expected one of prefix, path and host");
	a = action_of(e, field);
	if (a == NULL)
		return;
	option_walk(e, o->sub, value, a);
	check_new_path(e, value);
}

static void
read_new_host(struct errors *e, const struct option *o,
    const struct node *value, void *field)
{
	struct route_action *a = field;
	const char *text = option_text(e, o, value);

	if (text == NULL)
		return;
	if (text[0] == '*' || !valid_host(text))
		option_refuse(e, o, value);
	else if (a->host == NULL) /* with a rewrite, too, which is told */
		a->host = copy_lower(e, text);
}

static void
read_scheme(struct errors *e, const struct option *o, const struct node *value,
    void *field)
{
	struct route_action *a = field;
	const char *text = option_text(e, o, value);

	if (text == NULL)
		return;
	if (strcmp(text, "http") != 0 && strcmp(text, "https") != 0)
		option_refuse(e, o, value);
	else
		a->scheme = read_copy(e, text);
}

static void
read_status(struct errors *e, const struct option *o, const struct node *value,
    void *field)
{
	static const int statuses[] = {301, 302, 303, 307, 308};
	struct route_action *a = field;
	const char *text = option_text(e, o, value);
	uint64_t n = 0;

	if (text == NULL)
		return;
	span_to_u64(span_of(text), &n);
	for (size_t i = 0; i < sizeof statuses / sizeof statuses[0]; i++)
		if (n == (uint64_t)statuses[i]) {
			a->redirect = statuses[i];
			return;
		}
	option_refuse(e, o, value);
}

/* `redirect` of a route; that of a listener is read_redirect(). */
static void
read_redirect_to(struct errors *e, const struct option *o,
    const struct node *value, void *field)
{
	struct route_action *a;

	if (!option_kind(e, o, value, NODE_MAP))
		return;
	if (value->n == (node_get(value, "status") != NULL ? 1u : 0u))
		errors_add(e, value->at,
		    "expected one of scheme, host, port, prefix and path");
	a = action_of(e, field);
	if (a == NULL)
		return;
	a->redirect = 302;
	option_walk(e, o->sub, value, a);
	check_new_path(e, value);
}

static void
read_request_edits(struct errors *e, const struct option *o,
    const struct node *value, void *field)
{
	struct route_action *a = action_of(e, field);

	if (a != NULL)
		read_edits(e, o, value, &a->request);
}

static void
read_response_edits(struct errors *e, const struct option *o,
    const struct node *value, void *field)
{
	struct route_action *a = action_of(e, field);

	if (a != NULL)
		read_edits(e, o, value, &a->response);
}

/* What only all keys of a route together can tell. */
static void
check_route(
    struct errors *e, const struct node *route, const struct route_spec *r)
{
	const struct node *rewrite = node_get(route, "rewrite");
	const struct node *redirect = node_get(route, "redirect");
	const struct node *changes = rewrite != NULL ? rewrite : redirect;

	if (rewrite != NULL && redirect != NULL)
		errors_add(e, redirect->key->at,
		    "expected one of rewrite and redirect, found both");
	else if (r->action != NULL && r->action->change == PATH_SWAP_PREFIX &&
		 r->kind != PATH_PREFIX)
		errors_add(e, node_get(changes, "prefix")->key->at,
		    "the path of this route is no prefix");
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
	check_route(e, value, r);
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
