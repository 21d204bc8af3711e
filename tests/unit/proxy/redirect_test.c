/* The Location of a redirect, from requests in each form of target. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "proxy/http.h"
#include "proxy/redirect.h"

static const struct {
	const char *method, *target, *host;
	uint16_t port;
	const char *location;
} rows[] = {
    {"GET", "/", "a.test", 443, "https://a.test/"},
    {"GET", "/a//b/../c?d=e&f", "a.test", 443,
	"https://a.test/a//b/../c?d=e&f"},
    {"GET", "/?", "a.test", 443, "https://a.test/?"},
    {"GET", "/a??b", "a.test", 443, "https://a.test/a??b"},
    {"GET", "/%41;x", "A.test:80", 443, "https://A.test/%41;x"},
    {"POST", "/x", "a.test:8080", 8443, "https://a.test:8443/x"},
    {"GET", "/x", "a.test", 65535, "https://a.test:65535/x"},
    {"GET", "/x", "a.test:443", 1, "https://a.test:1/x"},
    {"GET", "/x", "[::1]", 443, "https://[::1]/x"},
    {"GET", "/x", "[2001:db8::7]:80", 444, "https://[2001:db8::7]:444/x"},
    {"GET", "http://a.test", "a.test", 443, "https://a.test/"},
    {"GET", "http://a.test:80?q", "a.test:80", 443, "https://a.test/?q"},
    {"OPTIONS", "*", "a.test:80", 443, "https://a.test"},
};

static void
test_locations(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct field fields[4];
		struct h1_head h;
		struct request r;
		char text[256], *buf;
		size_t n;

		snprintf(text, sizeof text,
		    "%s %s HTTP/1.1\r\nHost: %s\r\n\r\n", rows[i].method,
		    rows[i].target, rows[i].host);
		h1_head_init(&h, fields, 4);
		assert_int_equal(h1_parse_request(span_of(text), &h), H1_DONE);
		assert_int_equal(http_read_request(&h, &r), ERR_NONE);
		buf = malloc(redirect_size(&r));
		assert_non_null(buf);
		n = redirect_write(buf, &r, rows[i].port);
		assert_in_range(n, 1, redirect_size(&r));
		assert_int_equal(n, strlen(rows[i].location));
		assert_memory_equal(buf, rows[i].location, n);
		free(buf);
	}
}

static const struct {
	bool tls;
	const char *host, *target;
	/* of the route; the path for "/a", PATH_SWAP_PREFIX with "~" in front
	 */
	const char *to_scheme, *to_host, *to_path;
	unsigned port;
	const char *location; /* "": it is there already */
} route_rows[] = {
    {false, "a.x", "/a?q", "https", NULL, NULL, 0, "https://a.x/a?q"},
    {false, "a.x:8080", "/a", "https", NULL, NULL, 0, "https://a.x/a"},
    {false, "a.x:8080", "/a", "https", NULL, NULL, 8443, "https://a.x:8443/a"},
    {true, "a.x:8443", "/a", "https", NULL, NULL, 0, ""},
    {true, "a.x", "/a", "https", NULL, NULL, 443, ""},
    {true, "a.x", "/a", "https", NULL, NULL, 8443, "https://a.x:8443/a"},
    {true, "a.x", "/a", "http", NULL, NULL, 0, "http://a.x/a"},
    {false, "a.x:8080", "/a", NULL, "b.x", NULL, 0, "http://b.x/a"},
    {true, "a.x:8443", "/a?", NULL, "b.x", NULL, 0, "https://b.x/a?"},
    {false, "A.x", "/a", NULL, "a.x", NULL, 0, ""},
    {false, "a.x", "/a", NULL, "b.x", NULL, 80, "http://b.x/a"},
    {false, "a.x", "/a", NULL, NULL, NULL, 81, "http://a.x:81/a"},
    {false, "a.x:81", "/a", NULL, NULL, NULL, 81, ""},
    {false, "[::1]:81", "/a", NULL, NULL, "/b", 0, "http://[::1]:81/b"},
    {false, "a.x:8080", "/a/b?q", NULL, NULL, "/n", 0, "http://a.x:8080/n?q"},
    {false, "a.x", "/n", NULL, NULL, "/n", 0, ""},
    {false, "a.x", "/n?q", NULL, NULL, "/n", 0, ""},
    {false, "a.x", "/a/b", NULL, NULL, "~/n", 0, "http://a.x/n/b"},
    {false, "a.x", "/a//evil.x", NULL, NULL, "~", 0, "http://a.x//evil.x"},
    {false, "a.x", "/a", NULL, NULL, "~", 0, "http://a.x/"},
    {false, "a.x:", "/a", NULL, "b.x", NULL, 0, "http://b.x/a"},
    {false, "", "/a", NULL, "b.x", NULL, 0, "http://b.x/a"},
    {false, "a.x", "*", "https", NULL, "/n", 0, "https://a.x"},
};

static void
test_routes(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof route_rows / sizeof route_rows[0]; i++) {
		struct span host = span_of(route_rows[i].host);
		const char *path = route_rows[i].to_path;
		struct route_action *a = route_action_new();
		struct request r = {.authority = host, .host = host};
		const char *colon = strrchr(route_rows[i].host, ':');
		size_t size, n;
		char *buf;

		assert_non_null(a);
		if (colon != NULL)
			r.host.n = (size_t)(colon - host.p);
		r.query = span_of(route_rows[i].target);
		r.path = span_cut(&r.query, '?');
		a->redirect = 302;
		a->scheme = (char *)route_rows[i].to_scheme;
		a->host = (char *)route_rows[i].to_host;
		a->port = route_rows[i].port;
		a->prefix = 2;
		if (path != NULL) {
			a->change =
			    path[0] == '~' ? PATH_SWAP_PREFIX : PATH_SWAP;
			a->path = (char *)path + (path[0] == '~');
		}
		size = redirect_route_size(&r, a);
		buf = malloc(size);
		assert_non_null(buf);
		n = redirect_route_write(buf, &r,
		    route_rows[i].tls ? SPAN("https") : SPAN("http"), a);
		assert_true(n <= size);
		if (n != strlen(route_rows[i].location) ||
		    memcmp(buf, route_rows[i].location, n) != 0)
			fail_msg("row %zu: \"%.*s\", expected \"%s\"", i,
			    (int)n, buf, route_rows[i].location);
		free(buf);
		a->scheme = a->host = a->path = NULL;
		route_action_free(a);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_locations),
	    cmocka_unit_test(test_routes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
