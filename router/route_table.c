/*
 * One hash table holds both steps of a look-up: a host leads to a scope (the
 * routes of that host pattern), a scope and a path lead to the few routes
 * that differ only by their methods.
 */
#include "router/route_table.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "router/route.h"

#define ROUTE_TABLE_MAGIC 0x20b1e001u
#define HOST_MAX	  255u /* RFC 1035 2.3.4 */
#define SCOPE_HOSTS	  0u   /* the scope in which hosts are keys */
#define SCOPE_ANY	  1u   /* the routes without a host */
#define SCOPE_FIRST	  2u
#define FNV_START	  14695981039346656037ull
#define FNV_PRIME	  1099511628211ull

enum key_kind {
	KEY_NONE, /* an empty entry */
	KEY_HOST,
	KEY_WILDCARD, /* the host without "*" */
	KEY_EXACT,
	KEY_PREFIX, /* without a slash at its end */
	KEY_REGEX,
};

/* A route of a host and path: those with a method stand before the others. */
struct leaf {
	struct leaf *next;
	const struct route *route;
	size_t len;
	char method[]; /* empty: any */
};

/* A key and what it leads to: leaves for exact paths and prefixes. */
struct entry {
	enum key_kind kind;
	uint32_t scope;
	size_t value; /* hosts: the scope; regex: the index in it */
	struct leaf *leaves;
	size_t len;
	char *text;
};

struct regex_route {
	struct pattern *pattern;
	struct leaf *leaves;
};

/* The routes that have the same host. */
struct scope {
	size_t nexact, nprefix, nregex;
	size_t prefix_max; /* bytes of the longest */
	struct regex_route *regex;
};

struct route_table {
	unsigned magic;
	int refs; /* main only */
	struct scope *scopes;
	uint32_t nscopes;
	size_t wildcard_max; /* bytes of the longest; 0: there is none */
	struct entry *entries;
	size_t mask; /* entries - 1, a power of two minus one */
	struct route *routes;
	size_t nroutes;
};

/* FNV-1a: a path is hashed once for all of its prefixes. */
static uint64_t
hash_byte(uint64_t h, char c)
{
	return (h ^ (unsigned char)c) * FNV_PRIME;
}

static uint64_t
hash_start(enum key_kind kind, uint32_t scope)
{
	uint64_t h = FNV_START ^ ((uint64_t)scope << 8 | (uint64_t)kind);

	return h * FNV_PRIME;
}

static uint64_t
hash_text(enum key_kind kind, uint32_t scope, struct span text)
{
	uint64_t h = hash_start(kind, scope);

	for (size_t i = 0; i < text.n; i++)
		h = hash_byte(h, text.p[i]);
	return h;
}

/* The entry of that key, or the empty one where it would be. */
static struct entry *
find_hashed(const struct route_table *t, enum key_kind kind, uint32_t scope,
    struct span text, uint64_t hash)
{
	/* The low bits of FNV alone see little of the last bytes. */
	for (size_t i = hash ^ hash >> 32;; i++) {
		struct entry *e = &t->entries[i & t->mask];

		if (e->kind == KEY_NONE ||
		    (e->kind == kind && e->scope == scope &&
			span_eq((struct span){e->text, e->len}, text)))
			return e;
	}
}

static struct entry *
find(const struct route_table *t, enum key_kind kind, uint32_t scope,
    struct span text)
{
	return find_hashed(t, kind, scope, text, hash_text(kind, scope, text));
}

static struct entry *
insert(struct route_table *t, enum key_kind kind, uint32_t scope,
    struct span text, size_t value)
{
	struct entry *e = find(t, kind, scope, text);

	if (e->kind != KEY_NONE)
		return e;
	e->text = strndup(text.p, text.n);
	if (e->text == NULL)
		return NULL;
	e->kind = kind;
	e->scope = scope;
	e->value = value;
	e->len = text.n;
	return e;
}

/* Lower case, without the dot of a fully qualified name. */
static struct span
normal_host(struct span host, char buf[HOST_MAX])
{
	if (host.n > 0 && host.p[host.n - 1] == '.')
		host.n--;
	if (host.n > HOST_MAX)
		return SPAN_NONE;
	for (size_t i = 0; i < host.n; i++) {
		char c = host.p[i];

		buf[i] = c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
	}
	return (struct span){buf, host.n};
}

static struct span
normal_prefix(const char *path)
{
	struct span s = span_of(path);

	while (s.n > 0 && s.p[s.n - 1] == '/')
		s.n--;
	return s;
}

/* The scope of a route's host, made when it is the first one of it. */
static struct scope *
scope_of(struct route_table *t, const char *host, uint32_t *number)
{
	char buf[HOST_MAX];
	struct span name;
	enum key_kind kind = KEY_HOST;
	struct entry *e;

	*number = SCOPE_ANY;
	if (host == NULL)
		return &t->scopes[SCOPE_ANY];
	if (host[0] == '*') {
		kind = KEY_WILDCARD;
		host++;
	}
	name = normal_host(span_of(host), buf);
	if (kind == KEY_WILDCARD && name.n > t->wildcard_max)
		t->wildcard_max = name.n;
	e = insert(t, kind, SCOPE_HOSTS, name, t->nscopes);
	if (e == NULL)
		return NULL;
	if (e->value == t->nscopes)
		t->nscopes++;
	*number = (uint32_t)e->value;
	return &t->scopes[*number];
}

static bool
same_method(const struct leaf *l, const char *method)
{
	return strcmp(l->method, method) == 0;
}

/* Behind those that go before it. -1 without memory. */
static int
add_leaf(struct leaf **at, const struct route *route, const char *method)
{
	size_t n = strlen(method);
	struct leaf *l = malloc(sizeof *l + n + 1);

	if (l == NULL)
		return -1;
	l->route = route;
	l->len = n;
	memcpy(l->method, method, n + 1);
	while (*at != NULL && (n == 0 || (*at)->len > 0))
		at = &(*at)->next;
	l->next = *at;
	*at = l;
	return 0;
}

/* The pattern becomes the scope's, unless that has the same one already. */
static struct leaf **
regex_leaves(struct route_table *t, uint32_t scope, struct route_spec *r)
{
	struct scope *s = &t->scopes[scope];
	struct entry *e =
	    insert(t, KEY_REGEX, scope, span_of(r->path), s->nregex);
	struct regex_route *regex;

	CHECK(r->regex != NULL);
	if (e == NULL)
		return NULL;
	if (e->value < s->nregex)
		return &s->regex[e->value].leaves;
	regex = reallocarray(s->regex, s->nregex + 1, sizeof *regex);
	if (regex == NULL)
		return NULL;
	s->regex = regex;
	s->regex[s->nregex] = (struct regex_route){.pattern = r->regex};
	r->regex = NULL;
	return &s->regex[s->nregex++].leaves;
}

/* Where the leaves of that route's host and path are; NULL: no memory. */
static struct leaf **
leaves_of(struct route_table *t, struct route_spec *r)
{
	uint32_t number;
	struct scope *s = scope_of(t, r->host, &number);
	struct span path;
	struct entry *e;

	if (s == NULL)
		return NULL;
	if (r->kind == PATH_REGEX)
		return regex_leaves(t, number, r);
	if (r->kind == PATH_EXACT) {
		e = insert(t, KEY_EXACT, number, span_of(r->path), 0);
		s->nexact++;
	} else {
		path = normal_prefix(r->path);
		e = insert(t, KEY_PREFIX, number, path, 0);
		s->nprefix++;
		if (path.n > s->prefix_max)
			s->prefix_max = path.n;
		if (r->action != NULL)
			r->action->prefix = path.n;
	}
	return e != NULL ? &e->leaves : NULL;
}

/* The spec keeps its own. -1 without memory. */
static int
copy_names(struct route *route, const struct route_spec *r)
{
	route->kind = r->kind;
	route->path = strdup(r->path);
	if (r->host != NULL)
		route->host = strdup(r->host);
	route->methods = calloc(r->nmethods + 1, sizeof route->methods[0]);
	if (route->path == NULL || route->methods == NULL ||
	    (r->host != NULL && route->host == NULL))
		return -1;
	for (; route->nmethods < r->nmethods; route->nmethods++) {
		char *method = strdup(r->methods[route->nmethods]);

		if (method == NULL)
			return -1;
		route->methods[route->nmethods] = method;
	}
	return 0;
}

/* NULL without memory. */
static const struct route *
new_route(struct route_table *t, struct route_spec *r, size_t service)
{
	struct route *route = &t->routes[t->nroutes++];

	*route = (struct route){.service = service, .action = r->action};
	r->action = NULL;
	return copy_names(route, r) == 0 ? route : NULL;
}

/* *taken: the service that has this route; -1 only without memory. */
static int
add_route(
    struct route_table *t, struct route_spec *r, size_t service, size_t *taken)
{
	struct leaf **leaves = leaves_of(t, r);
	const struct route *route;
	size_t i = 0;

	*taken = service;
	if (leaves == NULL)
		return -1;
	route = new_route(t, r, service);
	if (route == NULL)
		return -1;
	do { /* once, for any method, or for each */
		const char *method = r->nmethods > 0 ? r->methods[i] : "";

		for (struct leaf *l = *leaves; l != NULL; l = l->next)
			if (r->kind != PATH_REGEX && same_method(l, method))
				*taken = l->route->service;
		if (*taken == service && add_leaf(leaves, route, method) != 0)
			return -1;
	} while (*taken == service && ++i < r->nmethods);
	return 0;
}

static int
add_service(struct route_table *t, struct spec *spec, size_t service, char *why,
    size_t why_size)
{
	struct service_spec *s = &spec->services[service];

	for (size_t i = 0; i < s->nroutes; i++) {
		struct route_spec *r = &s->routes[i];
		size_t taken;

		if (r->host != NULL && strlen(r->host) > HOST_MAX) {
			snprintf(why, why_size,
			    "a host of service \"%s\" is longer than %u bytes",
			    s->name, HOST_MAX);
			return -1;
		}
		if (add_route(t, r, service, &taken) != 0) {
			snprintf(why, why_size, "out of memory");
			return -1;
		}
		if (taken == service)
			continue;
		snprintf(why, why_size,
		    "route %s%s of service \"%s\" already leads to service "
		    "\"%s\"",
		    r->host != NULL ? r->host : "", r->path, s->name,
		    spec->services[taken].name);
		return -1;
	}
	return 0;
}

/* Room for every route's host and path, at most half full. */
static int
make_room(struct route_table *t, const struct spec *spec)
{
	size_t nroutes = 0, size = 8;

	for (size_t i = 0; i < spec->nservices; i++)
		nroutes += spec->services[i].nroutes;
	while (size < 4 * nroutes)
		size *= 2;
	t->mask = size - 1;
	t->nscopes = SCOPE_FIRST;
	t->entries = calloc(size, sizeof t->entries[0]);
	t->scopes = calloc(SCOPE_FIRST + nroutes, sizeof t->scopes[0]);
	t->routes = calloc(nroutes + 1, sizeof t->routes[0]);
	return t->entries != NULL && t->scopes != NULL && t->routes != NULL
		   ? 0
		   : -1;
}

static void
free_leaves(struct leaf *l)
{
	while (l != NULL) {
		struct leaf *next = l->next;

		free(l);
		l = next;
	}
}

static void
free_route(struct route *r)
{
	for (size_t i = 0; i < r->nmethods; i++)
		free(r->methods[i]);
	free(r->methods);
	free(r->host);
	free(r->path);
	route_action_free(r->action);
}

static void
free_scope(struct scope *s)
{
	for (size_t i = 0; i < s->nregex; i++) {
		pattern_free(s->regex[i].pattern);
		free_leaves(s->regex[i].leaves);
	}
	free(s->regex);
}

static void
free_table(struct route_table *t)
{
	for (size_t i = 0; t->entries != NULL && i <= t->mask; i++) {
		free_leaves(t->entries[i].leaves);
		free(t->entries[i].text);
	}
	for (size_t i = 0; t->scopes != NULL && i < t->nscopes; i++)
		free_scope(&t->scopes[i]);
	for (size_t i = 0; i < t->nroutes; i++)
		free_route(&t->routes[i]);
	free(t->entries);
	free(t->scopes);
	free(t->routes);
	t->magic = 0;
	free(t);
}

struct route_table *
route_table_new(struct spec *spec, char *why, size_t why_size)
{
	struct route_table *t = calloc(1, sizeof *t);

	snprintf(why, why_size, "out of memory");
	if (t == NULL)
		return NULL;
	t->magic = ROUTE_TABLE_MAGIC;
	t->refs = 1;
	if (make_room(t, spec) != 0)
		goto fail;
	for (size_t i = 0; i < spec->nservices; i++)
		if (add_service(t, spec, i, why, why_size) != 0)
			goto fail;
	return t;
fail:
	free_table(t);
	return NULL;
}

struct route_table *
route_table_hold(struct route_table *t)
{
	CHECK_OBJ(t, ROUTE_TABLE_MAGIC);
	t->refs++;
	return t;
}

void
route_table_drop(struct route_table *t)
{
	if (t == NULL)
		return;
	CHECK_OBJ(t, ROUTE_TABLE_MAGIC);
	CHECK(t->refs > 0);
	if (--t->refs == 0)
		free_table(t);
}

/* The first of them that takes the method. */
static const struct route *
leaf_route(const struct leaf *l, struct span method)
{
	for (; l != NULL; l = l->next)
		if (l->len == 0 ||
		    span_eq((struct span){l->method, l->len}, method))
			return l->route;
	return NULL;
}

/*
 * Walks the path once, from the root to its longest prefix, and looks up
 * what ends at a segment's end; the last hit is the longest.
 */
static const struct route *
find_prefix(
    const struct route_table *t, uint32_t scope, const struct request *r)
{
	size_t max = t->scopes[scope].prefix_max;
	uint64_t hash = hash_start(KEY_PREFIX, scope);
	const struct route *found = NULL, *here;
	struct span path = r->path;

	for (size_t i = 0; i <= path.n && i <= max; i++) {
		if (i == 0 || i == path.n || path.p[i] == '/') {
			const struct entry *e = find_hashed(t, KEY_PREFIX,
			    scope, (struct span){path.p, i}, hash);

			here = leaf_route(e->leaves, r->method);
			if (here != NULL)
				found = here;
		}
		if (i < path.n)
			hash = hash_byte(hash, path.p[i]);
	}
	return found;
}

static const struct route *
find_path(const struct route_table *t, uint32_t number, const struct request *r)
{
	const struct scope *s = &t->scopes[number];
	const struct route *found = NULL;

	if (s->nexact > 0)
		found = leaf_route(
		    find(t, KEY_EXACT, number, r->path)->leaves, r->method);
	if (found == NULL && s->nprefix > 0)
		found = find_prefix(t, number, r);
	for (size_t i = 0; found == NULL && i < s->nregex; i++) {
		found = leaf_route(s->regex[i].leaves, r->method);
		if (found != NULL &&
		    !pattern_test(s->regex[i].pattern, r->path))
			found = NULL;
	}
	return found;
}

/* Every wildcard that covers the host, the longest first. */
static const struct route *
find_wildcard(
    const struct route_table *t, struct span host, const struct request *r)
{
	const struct route *found = NULL;

	if (t->wildcard_max == 0)
		return NULL;
	for (size_t i = 1; found == NULL && i < host.n; i++) {
		struct span suffix = {host.p + i, host.n - i};
		const struct entry *e;

		if (suffix.p[0] != '.' || suffix.n > t->wildcard_max)
			continue;
		e = find(t, KEY_WILDCARD, SCOPE_HOSTS, suffix);
		if (e->kind != KEY_NONE)
			found = find_path(t, (uint32_t)e->value, r);
	}
	return found;
}

const struct route *
route_table_find(const struct route_table *t, const struct request *r)
{
	char buf[HOST_MAX];
	struct span host = normal_host(r->host, buf);
	const struct route *found = NULL;
	const struct entry *e;

	CHECK_OBJ(t, ROUTE_TABLE_MAGIC);
	if (host.n > 0) {
		e = find(t, KEY_HOST, SCOPE_HOSTS, host);
		if (e->kind != KEY_NONE)
			found = find_path(t, (uint32_t)e->value, r);
		if (found == NULL)
			found = find_wildcard(t, host, r);
	}
	return found != NULL ? found : find_path(t, SCOPE_ANY, r);
}
