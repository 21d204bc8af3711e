/* What a parser is strict about beyond the tables of heads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "proxy/h1_parse.h"

#define MAX_FIELDS 8u
#define GET	   "GET / HTTP/1.1\r\nHost: a\r\n"

#define COUNT(table) (sizeof(table) / sizeof(table)[0])

/* The first n bytes in memory of exactly that size; the caller frees p. */
static struct span
exact(const char *bytes, size_t n)
{
	char *p = malloc(n > 0 ? n : 1);

	assert_non_null(p);
	memcpy(p, bytes, n);
	return (struct span){p, n};
}

/* Bytes that a string literal cannot hold to its end. */
static void
test_nul(void **state)
{
	static const char whole[] =
	    "GET /a HTTP/1.1\r\nHost: a\r\nX: b\r\n\r\n";
	size_t n = sizeof whole - 1;
	struct field f[MAX_FIELDS];
	struct h1_head h;

	(void)state;
	for (size_t i = 0; i < n; i++) {
		struct span in = exact(whole, n);

		((char *)in.p)[i] = '\0';
		h1_head_init(&h, f, MAX_FIELDS);
		assert_int_equal(h1_parse_request(in, &h), H1_BAD);
		assert_int_equal(h.error, ERR_BAD_REQUEST);
		free((char *)in.p);
	}
}

static void
test_host(void **state)
{
	static const char *const good[] = {"a", "shop.example.com", "A-1._~",
	    "127.0.0.1:8080", "a:", "a:0", "a:65535", "[::1]", "[::1]:80",
	    "[::ffff:1.2.3.4]:1", "x!$&'()*+;=y", "caf%C3%A9"};
	static const char *const wrong[] = {"", " ", "a b", "a\tb", "a/b", "/",
	    "a?b", "a#b", "a\\b", "u@a", "u:p@a", "a,b", "a,", "\"a\"", "<a>",
	    "a|b", "{a}", "a^b", "a`b", "\xc3\xa4", "a\x7f", ":", ":80", "a:x",
	    "a:8x", "a:-1", "a:80:80", "a::80", "::1", "a:123456", "[", "]",
	    "[]", "[]:80", "[::1", "::1]", "[::1]a", "[::1]80", "[::1]:x",
	    "[a]", "[1.2.3.4]", "[fe80::1%25eth0]", "[v1.x]", "[[::1]]", "a[b",
	    "a]", "a[::1]", "%", "a%", "a%4", "a%4g", "a%g4", "a%%41"};

	(void)state;
	for (size_t i = 0; i < COUNT(good); i++)
		assert_true(h1_valid_host(span_of(good[i])));
	for (size_t i = 0; i < COUNT(wrong); i++)
		if (h1_valid_host(span_of(wrong[i])))
			fail_msg("'%s' is no host", wrong[i]);
}

/* A Connection field without end is refused, however it is cut into lines. */
static void
test_long_connection(void **state)
{
	char bytes[1024];
	struct field f[MAX_FIELDS];
	struct h1_head h;

	(void)state;
	h1_head_init(&h, f, MAX_FIELDS);
	snprintf(bytes, sizeof bytes,
	    GET "Connection: %0*d\r\nConnection: %0*d\r\n\r\n", 200, 0, 56, 0);
	assert_int_equal(h1_parse_request(span_of(bytes), &h), H1_DONE);
	snprintf(bytes, sizeof bytes,
	    GET "Connection: %0*d\r\nConnection: %0*d\r\n\r\n", 200, 0, 57, 0);
	assert_int_equal(h1_parse_request(span_of(bytes), &h), H1_BAD);
	assert_int_equal(h.error, ERR_HEAD_TOO_LARGE);
}

/* RFC 9110 10.1.1: HTTP/1.0 knows no expectation. */
static void
test_expect(void **state)
{
	static const struct {
		const char *bytes;
		bool expect;
	} rows[] = {
	    {GET "Expect: 100-continue\r\n\r\n", true},
	    {GET "expect: 100-CONTINUE\r\n\r\n", true},
	    {GET "Expect: 100-continue2\r\n\r\n", false},
	    {GET "\r\n", false},
	    {"GET / HTTP/1.0\r\nExpect: 100-continue\r\n\r\n", false},
	};
	struct field f[MAX_FIELDS];
	struct h1_head h;

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		h1_head_init(&h, f, MAX_FIELDS);
		assert_int_equal(
		    h1_parse_request(span_of(rows[i].bytes), &h), H1_DONE);
		assert_int_equal(h.expect_continue, rows[i].expect);
	}
}

/* The same strictness behind the last chunk as in a head. */
static void
test_trailers(void **state)
{
	static const struct {
		const char *bytes;
		enum h1_result result;
		unsigned nfields;
	} rows[] = {
	    {"\r\n", H1_DONE, 0},
	    {"X: y\r\nZ:\r\n\r\n", H1_DONE, 2},
	    {"", H1_MORE, 0},
	    {"X: y\r\n", H1_MORE, 0},
	    {"X : y\r\n\r\n", H1_BAD, 0},
	    {"X: y\r\n z\r\n\r\n", H1_BAD, 0},
	    {": y\r\n\r\n", H1_BAD, 0},
	    {"X: y\n\r\n", H1_BAD, 0},
	    {"X: y\x01\r\n\r\n", H1_BAD, 0},
	    {"GET / HTTP/1.1\r\n\r\n", H1_BAD, 0},
	    {"\n", H1_BAD, 0},
	};
	struct field f[MAX_FIELDS];
	struct h1_head h;

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct span in = exact(rows[i].bytes, strlen(rows[i].bytes));

		h1_head_init(&h, f, MAX_FIELDS);
		assert_int_equal(h1_parse_trailers(in, &h), rows[i].result);
		if (rows[i].result == H1_DONE)
			assert_int_equal(h.nfields, rows[i].nfields);
		free((char *)in.p);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_nul),
	    cmocka_unit_test(test_host),
	    cmocka_unit_test(test_long_connection),
	    cmocka_unit_test(test_expect),
	    cmocka_unit_test(test_trailers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
