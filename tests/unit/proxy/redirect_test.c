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

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_locations),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
