/*
 * Which service a host and path lead to, as a table; and the same look-ups
 * against a plain search through thousands of random routes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <time.h>

#include "router/route.h"
#include "router/route_table.h"
#include "tests/unit/router/build_spec.h"

/* The name of the service, "" when there is no route. */
static const char *
find_by(const struct route_table *t, const struct spec *spec,
    const char *method, const char *host, const char *path)
{
	struct request r = {
	    .method = span_of(method),
	    .host = host != NULL ? span_of(host) : SPAN_NONE,
	    .path = span_of(path),
	};
	const struct route *route = route_table_find(t, &r);

	if (route == NULL)
		return "";
	assert_true(route->service < spec->nservices);
	return spec->services[route->service].name;
}

static const char *
find(const struct route_table *t, const struct spec *spec, const char *host,
    const char *path)
{
	return find_by(t, spec, "GET", host, path);
}

static struct route_table *
make(struct spec *spec)
{
	char why[128];
	struct route_table *t = route_table_new(spec, why, sizeof why);

	if (t == NULL)
		fail_msg("%s", why);
	return t;
}

struct route_row {
	const char *service, *host;
	enum path_kind kind;
	const char *path;
};

static const struct route_row routes[] = {
    {"root", "shop.example.com", PATH_PREFIX, "/"},
    {"cart", "shop.example.com", PATH_PREFIX, "/cart"},
    {"pay", "shop.example.com", PATH_PREFIX, "/cart/pay/"},
    {"exact", "shop.example.com", PATH_EXACT, "/cart/pay/now"},
    {"slash", "shop.example.com", PATH_EXACT, "/cart/"},
    {"never", "shop.example.com", PATH_REGEX, "^/cart"},
    {"api", "api.example.com", PATH_PREFIX, "/v1"},
    {"regex1", "api.example.com", PATH_REGEX, "^/v[0-9]+/users$"},
    {"regex2", "api.example.com", PATH_REGEX, "^/v[0-9]+/"},
    {"wild", "*.example.com", PATH_PREFIX, "/"},
    {"wild2", "*.eu.example.com", PATH_PREFIX, "/"},
    {"wild3", "*.us.example.com", PATH_EXACT, "/only"},
    {"any", NULL, PATH_PREFIX, "/public"},
    {"anyrx", NULL, PATH_REGEX, "\\.png$"},
};

static const struct {
	const char *host, *path, *service;
} lookups[] = {
    {"shop.example.com", "/", "root"},
    {"shop.example.com", "", "root"},
    {"shop.example.com", "*", "root"},
    {"shop.example.com", "/other", "root"},
    {"shop.example.com", "/cart", "cart"},
    {"shop.example.com", "/cart/", "slash"},
    {"shop.example.com", "/cart/x", "cart"},
    {"shop.example.com", "/cart//x", "cart"},
    {"shop.example.com", "/carts", "root"},
    {"shop.example.com", "/car", "root"},
    {"shop.example.com", "/Cart", "root"},
    {"shop.example.com", "/cart/pay", "pay"},
    {"shop.example.com", "/cart/pay/", "pay"},
    {"shop.example.com", "/cart/pay/later", "pay"},
    {"shop.example.com", "/cart/pay/now", "exact"},
    {"shop.example.com", "/cart/pay/now/", "pay"},
    {"shop.example.com", "/cart/payment", "cart"},
    {"shop.example.com", "/x/cart/pay", "root"},
    /* hosts compare without case; a full stop at the end is none */
    {"SHOP.Example.COM", "/cart", "cart"},
    {"shop.example.com.", "/cart", "cart"},
    /* prefix before regex, regex in file order */
    {"api.example.com", "/v1/users", "api"},
    {"api.example.com", "/v2/users", "regex1"},
    {"api.example.com", "/v2/users/7", "regex2"},
    /* where the exact host has no path, the next best host decides */
    {"api.example.com", "/other", "wild"},
    {"x.us.example.com", "/only", "wild3"},
    {"x.us.example.com", "/else", "wild"},
    /* the longest wildcard; one or more labels */
    {"a.example.com", "/", "wild"},
    {"a.b.example.com", "/public", "wild"},
    {"a.eu.example.com", "/", "wild2"},
    {"a.b.eu.example.com", "/", "wild2"},
    {"A.B.EU.example.com", "/", "wild2"},
    {"eu.example.com", "/", "wild"},
    /* any host */
    {"example.com", "/", ""},
    {"example.com", "/public", "any"},
    {"badexample.com", "/public/x", "any"},
    {"example.com", "/a.png", "anyrx"},
    {".example.com", "/public", "any"},
    {NULL, "/public", "any"},
    {"", "/x.png", "anyrx"},
    {NULL, "/", ""},
    {"example.com", "/publicity", ""},
};

static void
test_lookups(void **state)
{
	struct spec *spec = spec_new();
	struct route_table *t;

	(void)state;
	for (size_t i = 0; i < sizeof routes / sizeof routes[0]; i++) {
		build_service(spec, routes[i].service);
		build_route(
		    spec, routes[i].host, routes[i].kind, routes[i].path);
	}
	t = make(spec);
	for (size_t i = 0; i < sizeof lookups / sizeof lookups[0]; i++) {
		const char *got =
		    find(t, spec, lookups[i].host, lookups[i].path);

		if (strcmp(got, lookups[i].service) != 0)
			fail_msg("%s%s: \"%s\", expected \"%s\"",
			    lookups[i].host, lookups[i].path, got,
			    lookups[i].service);
	}
	/* The regex objects are the table's now. */
	spec_free(spec);
	assert_ptr_equal(route_table_hold(t), t);
	route_table_drop(t);
	route_table_drop(t);
	route_table_drop(NULL);
}

/* In the order of the file; the service has the name of its row. */
static const struct {
	struct route_row route;
	const char *methods[3];
} by_method[] = {
    {{"any", "m.x", PATH_PREFIX, "/a"}, {NULL}},
    {{"get", "m.x", PATH_PREFIX, "/a/"}, {"GET", "HEAD"}},
    {{"put", "m.x", PATH_PREFIX, "/a"}, {"PUT"}},
    {{"deep", "m.x", PATH_PREFIX, "/a/b"}, {"GET"}},
    {{"exact", "m.x", PATH_EXACT, "/a/b/c"}, {"POST"}},
    {{"rx-any", "m.x", PATH_REGEX, "^/r"}, {NULL}},
    {{"rx-get", "m.x", PATH_REGEX, "^/r"}, {"GET"}},
    {{"rx-late", "m.x", PATH_REGEX, "^/r.*"}, {"PUT"}},
    {{"wild", "*.x", PATH_PREFIX, "/"}, {"PATCH"}},
    {{"rest", NULL, PATH_PREFIX, "/"}, {"TRACE", "get"}},
};

static const struct {
	const char *method, *path, *service;
} method_lookups[] = {
    /* of the same path, a route with a method goes before one without */
    {"GET", "/a", "get"},
    {"HEAD", "/a/x", "get"},
    {"PUT", "/a", "put"},
    {"POST", "/a", "any"},
    /* methods have case */
    {"Get", "/a", "any"},
    {"GETS", "/a", "any"},
    {"GE", "/a", "any"},
    /* the better path wins, whatever has a method; where that does not take
     * the request, the next best does */
    {"GET", "/a/b", "deep"},
    {"POST", "/a/b", "any"},
    {"POST", "/a/b/c", "exact"},
    {"GET", "/a/b/c", "deep"},
    {"PUT", "/a/b/c", "put"},
    {"DELETE", "/a/b/c", "any"},
    /* regex: the order of the file first; one of the same text is the same */
    {"GET", "/r", "rx-get"},
    {"PUT", "/r", "rx-any"},
    /* where no route of the host takes the method, the next best host */
    {"PATCH", "/z", "wild"},
    {"TRACE", "/z", "rest"},
    {"get", "/z", "rest"},
    {"GET", "/z", ""},
};

static void
test_methods(void **state)
{
	struct spec *spec = spec_new();
	struct route_table *t;

	(void)state;
	for (size_t i = 0; i < sizeof by_method / sizeof by_method[0]; i++) {
		const struct route_row *r = &by_method[i].route;

		build_service(spec, r->service);
		build_route(spec, r->host, r->kind, r->path);
		for (int j = 0; by_method[i].methods[j] != NULL; j++)
			build_method(spec, by_method[i].methods[j]);
	}
	t = make(spec);
	for (size_t i = 0; i < sizeof method_lookups / sizeof method_lookups[0];
	     i++) {
		const char *got = find_by(t, spec, method_lookups[i].method,
		    "m.x", method_lookups[i].path);

		if (strcmp(got, method_lookups[i].service) != 0)
			fail_msg("%s %s: \"%s\", expected \"%s\"",
			    method_lookups[i].method, method_lookups[i].path,
			    got, method_lookups[i].service);
	}
	route_table_drop(t);
	spec_free(spec);
}

/* Of the same in one service the first of the file counts. */
static void
test_first_of_equals(void **state)
{
	const struct request r = {.method = SPAN("GET"), .path = SPAN("/a/b")};
	struct spec *spec = spec_new();
	struct route_action *actions[3];
	const struct route *found;
	struct route_table *t;

	(void)state;
	build_service(spec, "s");
	for (int i = 0; i < 3; i++) {
		build_route(spec, NULL, PATH_PREFIX, i == 0 ? "/a/" : "/a");
		if (i > 0)
			build_method(spec, "GET");
		actions[i] = route_action_new();
		assert_non_null(actions[i]);
		build_last(spec)->routes[i].action = actions[i];
	}
	t = make(spec);
	spec_free(spec); /* they are the table's now */
	found = route_table_find(t, &r);
	assert_non_null(found);
	assert_ptr_equal(found->action, actions[1]);
	assert_int_equal(found->action->prefix, 2);
	route_table_drop(t);
}

static void
test_taken_methods(void **state)
{
	static const struct {
		const char *a, *b; /* NULL: any */
		bool taken;
	} rows[] = {
	    {"GET", "PUT", false},
	    {"GET", NULL, false},
	    {NULL, "GET", false},
	    {"GET", "GET", true},
	    {NULL, NULL, true},
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		const char *methods[] = {rows[i].a, rows[i].b};
		struct spec *spec = spec_new();
		struct route_table *t;
		char why[128];

		for (int j = 0; j < 2; j++) {
			build_service(spec, j == 0 ? "a" : "b");
			build_route(spec, "h.x", PATH_PREFIX, "/");
			if (methods[j] != NULL) {
				build_method(spec, "OWN");
				build_last(spec)->routes[0].methods[0][0] =
				    j == 0 ? 'A' : 'B';
				build_method(spec, methods[j]);
			}
		}
		t = route_table_new(spec, why, sizeof why);
		assert_int_equal(t == NULL, rows[i].taken);
		if (t == NULL)
			assert_string_equal(why,
			    "route h.x/ of service \"b\" already leads to "
			    "service \"a\"");
		route_table_drop(t);
		spec_free(spec);
	}
}

static void
test_host_lengths(void **state)
{
	struct spec *spec = spec_new();
	struct route_table *t;
	char host[400], why[128];

	(void)state;
	memset(host, 'a', sizeof host);
	host[255] = '\0';
	build_service(spec, "long");
	build_route(spec, host, PATH_PREFIX, "/");
	t = make(spec);
	assert_string_equal(find(t, spec, host, "/"), "long");
	host[255] = 'a';
	host[399] = '\0';
	assert_string_equal(find(t, spec, host, "/"), "");
	route_table_drop(t);

	build_route(spec, host, PATH_PREFIX, "/");
	assert_null(route_table_new(spec, why, sizeof why));
	assert_string_equal(
	    why, "a host of service \"long\" is longer than 255 bytes");
	spec_free(spec);
}

static void
test_taken_routes(void **state)
{
	static const struct {
		struct route_row a, b;
		const char *why; /* NULL: fine */
	} rows[] = {
	    {{"a", NULL, PATH_PREFIX, "/x"}, {"b", NULL, PATH_PREFIX, "/x/"},
		"route /x/ of service \"b\" already leads to service \"a\""},
	    {{"a", "h.x", PATH_EXACT, "/"}, {"b", "h.x", PATH_EXACT, "/"},
		"route h.x/ of service \"b\" already leads to service \"a\""},
	    {{"a", "*.x", PATH_PREFIX, "/"}, {"b", "*.x", PATH_PREFIX, "/"},
		"route *.x/ of service \"b\" already leads to service \"a\""},
	    {{"a", "h.x", PATH_EXACT, "/"}, {"b", "h.x", PATH_PREFIX, "/"},
		NULL},
	    {{"a", "h.x", PATH_EXACT, "/"}, {"b", "h.y", PATH_EXACT, "/"},
		NULL},
	    {{"a", NULL, PATH_REGEX, "/"}, {"b", NULL, PATH_REGEX, "/"}, NULL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct spec *spec = spec_new();
		const struct route_row *both[] = {&rows[i].a, &rows[i].b};
		struct route_table *t;
		char why[128] = "";

		for (int j = 0; j < 2; j++) {
			build_service(spec, both[j]->service);
			build_route(
			    spec, both[j]->host, both[j]->kind, both[j]->path);
			/* Twice the same in one service does no harm. */
			build_route(
			    spec, both[j]->host, both[j]->kind, both[j]->path);
		}
		t = route_table_new(spec, why, sizeof why);
		assert_int_equal(t == NULL, rows[i].why != NULL);
		if (rows[i].why != NULL)
			assert_string_equal(why, rows[i].why);
		route_table_drop(t);
		spec_free(spec);
	}
}

static void
test_no_routes(void **state)
{
	struct spec *spec = spec_new();
	struct route_table *t = make(spec);

	(void)state;
	assert_string_equal(find(t, spec, "shop.example.com", "/"), "");
	assert_string_equal(find(t, spec, NULL, ""), "");
	route_table_drop(t);
	spec_free(spec);
}

static uint64_t seed = 88172645463325252ull;

static unsigned
chance(unsigned below)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (unsigned)(seed % below);
}

/* Few letters, so that routes and requests meet often. */
static void
random_host(char *buf, size_t size, bool wildcard)
{
	size_t used = 0, labels = 1 + chance(4);

	buf[0] = '\0';
	for (size_t i = 0; i < labels; i++)
		used += (size_t)snprintf(buf + used, size - used, "%s%s",
		    i == 0 ? (wildcard ? "*." : "") : ".",
		    chance(2) ? "a" : "bb");
}

static void
random_path(char *buf, size_t size)
{
	size_t used = 0, segments = chance(6);

	snprintf(buf, size, "/");
	for (size_t i = 0; i < segments; i++)
		used += (size_t)snprintf(
		    buf + used, size - used, "/%s", chance(3) ? "p" : "qq");
	if (segments > 0 && chance(4) == 0)
		snprintf(buf + used, size - used, "/");
}

/* How well a route fits, by the letter of the contract; 0: it does not. */
static size_t
rank_host(const char *route, const char *host)
{
	size_t n = strlen(host), m;

	if (route == NULL)
		return 1;
	if (route[0] != '*')
		return strcmp(route, host) == 0 ? 1000 : 0;
	m = strlen(route + 1);
	return n > m && strcmp(host + n - m, route + 1) == 0 ? 1 + m : 0;
}

static size_t
rank_path(const struct route_spec *r, const char *path)
{
	size_t n = strlen(r->path);

	if (r->kind == PATH_EXACT)
		return strcmp(r->path, path) == 0 ? 1000 : 0;
	while (n > 0 && r->path[n - 1] == '/')
		n--;
	if (strncmp(r->path, path, n) != 0)
		return 0;
	return n == 0 || path[n] == '/' || path[n] == '\0' ? 1 + n : 0;
}

/* One or no method per route. */
static size_t
rank_method(const struct route_spec *r, const char *method)
{
	if (r->nmethods == 0)
		return 1;
	return strcmp(r->methods[0], method) == 0 ? 2 : 0;
}

static const char *
find_plainly(const struct spec *spec, const char *method, const char *host,
    const char *path)
{
	const char *name = "";
	size_t best = 0;

	for (size_t i = 0; i < spec->nservices; i++) {
		const struct service_spec *s = &spec->services[i];

		for (size_t j = 0; j < s->nroutes; j++) {
			size_t h = rank_host(s->routes[j].host, host);
			size_t p = rank_path(&s->routes[j], path);
			size_t m = rank_method(&s->routes[j], method);
			size_t rank = (h * 10000 + p) * 10 + m;

			if (h > 0 && p > 0 && m > 0 && rank > best) {
				best = rank;
				name = s->name;
			}
		}
	}
	return name;
}

/* It is taken already. */
static void
forget_route(struct service_spec *s)
{
	struct route_spec *r = &s->routes[0];

	for (size_t i = 0; i < r->nmethods; i++)
		free(r->methods[i]);
	free(r->methods);
	free(r->host);
	free(r->path);
	s->nroutes = 0;
}

static void
test_random_routes(void **state)
{
	static const char *const methods[] = {"GET", "PUT", "POST"};

	(void)state;
	for (int round = 0; round < 60; round++) {
		struct spec *spec = spec_new();
		struct route_table *t;
		char host[64], path[64], name[16], why[128];
		unsigned nroutes = 1 + chance(60);

		for (unsigned i = 0; i < nroutes; i++) {
			snprintf(name, sizeof name, "s%u", i);
			build_service(spec, name);
			random_host(host, sizeof host, chance(2));
			random_path(path, sizeof path);
			build_route(spec, chance(5) ? host : NULL,
			    chance(2) ? PATH_EXACT : PATH_PREFIX, path);
			if (chance(2))
				build_method(spec, methods[chance(2)]);
			t = route_table_new(spec, why, sizeof why);
			if (t == NULL)
				forget_route(build_last(spec));
			route_table_drop(t);
		}
		t = make(spec);
		for (int i = 0; i < 300; i++) {
			const char *method = methods[chance(3)];

			random_host(host, sizeof host, false);
			random_path(path, sizeof path);
			assert_string_equal(
			    find_by(t, spec, method, host, path),
			    find_plainly(spec, method, host, path));
		}
		route_table_drop(t);
		spec_free(spec);
	}
}

static double
seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* The time of look-ups among so many routes, the least of several runs. */
static double
cost(unsigned nroutes)
{
	struct spec *spec = spec_new();
	struct route_table *t;
	double least = 1e9;

	for (unsigned i = 0; i < nroutes; i++) {
		char host[64], path[64];

		if (i % 100 == 0) {
			snprintf(host, sizeof host, "s%u", i);
			build_service(spec, host);
		}
		snprintf(host, sizeof host, "h%u.example.com", i % 50);
		snprintf(path, sizeof path, "/p/%u", i);
		build_route(spec, host, PATH_PREFIX, path);
	}
	t = make(spec);
	for (int run = 0; run < 7; run++) {
		double start = seconds();

		for (int i = 0; i < 20000; i++)
			find(t, spec, "h7.example.com", "/p/7/x");
		if (seconds() - start < least)
			least = seconds() - start;
	}
	assert_string_equal(find(t, spec, "h7.example.com", "/p/7/x"), "s0");
	route_table_drop(t);
	spec_free(spec);
	return least;
}

static void
test_cost_is_flat(void **state)
{
	double few = cost(10), many = cost(10000);

	(void)state;
	/* Thousandfold, were it linear; caches may cost a little. */
	assert_true(many < 10 * few);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_lookups),
	    cmocka_unit_test(test_methods),
	    cmocka_unit_test(test_first_of_equals),
	    cmocka_unit_test(test_taken_methods),
	    cmocka_unit_test(test_host_lengths),
	    cmocka_unit_test(test_taken_routes),
	    cmocka_unit_test(test_no_routes),
	    cmocka_unit_test(test_random_routes),
	    cmocka_unit_test(test_cost_is_flat),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
