/* Patterns that would run for ever, and requests made to let them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "router/match.h"

static struct pattern *
make(enum pattern_kind kind, const char *text)
{
	char why[128] = "";
	struct pattern *p = pattern_new(kind, text, why, sizeof why);

	if (p == NULL)
		fail_msg("%s: %s", text, why);
	return p;
}

static double
seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* Unbounded, the exponential ones would run for ages. */
static void
test_costly_regex(void **state)
{
	static const char *const texts[] = {
	    "(a+)+$",
	    "(a|aa)+$",
	    "^(([a-z])+.)+[A-Z]([a-z])+$",
	    "(?:a|b)*[!]f",
	    "(.*)(.*)(.*)(.*)[!]f",
	    "(a*)*[!]f",
	    "a*[bc]",
	    "a*a*[bc]",
	    "(.*)\\1[bc]",
	    "\\w*\\d*\\w*[.,]",
	    "(.*a){20}[bc]",
	    "a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?aaaaaaaaaaaaaaaaaaaa[!]f",
	};
	static char value[PATTERN_REGEX_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
		struct pattern *p = make(PATTERN_REGEX, texts[i]);

		for (size_t n = 40; n <= sizeof value; n += 507) {
			double start = seconds();

			memset(value, 'a', n);
			value[n - 1] = '!';
			assert_false(pattern_test(p, (struct span){value, n}));
			/* A few ms; much more is left for sanitizers. */
			assert_true(seconds() - start < 0.5);
		}
		pattern_free(p);
	}
}

/*
 * The second alternative would match at the end, but the first one costs the
 * square of the length before: beyond the limit it does not match.
 */
static void
test_step_limit(void **state)
{
	struct pattern *p = make(PATTERN_REGEX, "(?:a|b)*c|z$");
	static char value[PATTERN_REGEX_MAX];

	(void)state;
	memset(value, 'a', sizeof value);
	value[sizeof value - 1] = 'z';
	assert_false(pattern_test(p, (struct span){value, sizeof value}));
	assert_true(
	    pattern_test(p, (struct span){value + sizeof value - 200, 200}));
	pattern_free(p);
}

/* What is linear in the value is never cut short. */
static void
test_long_values(void **state)
{
	struct pattern *p = make(PATTERN_REGEX, "(.*)b$");
	static char value[PATTERN_REGEX_MAX + 1];

	(void)state;
	memset(value, 'a', sizeof value);
	assert_false(pattern_test(p, (struct span){value, sizeof value - 1}));
	value[PATTERN_REGEX_MAX - 1] = 'b';
	assert_true(pattern_test(p, (struct span){value, PATTERN_REGEX_MAX}));
	value[PATTERN_REGEX_MAX] = 'b';
	assert_false(
	    pattern_test(p, (struct span){value, PATTERN_REGEX_MAX + 1}));
	pattern_free(p);
}

/* All of these patterns, on the same thing. */
static struct match *
make_match(enum match_source source, enum pattern_kind kind,
    const char *const *texts, size_t n)
{
	struct match *m = match_new();

	assert_non_null(m);
	for (size_t i = 0; i < n; i++) {
		struct pattern *p = make(kind, texts[i]);

		assert_int_equal(match_add(m, source, "x", &p, 1, false), 0);
	}
	return m;
}

/* "name=" and the value, joined by '&', n times; the caller frees. */
static char *
repeat(const char *part, size_t n)
{
	char *text = malloc(n * (strlen(part) + 1) + 1), *p = text;

	assert_non_null(text);
	for (size_t i = 0; i < n; i++)
		p += snprintf(p, strlen(part) + 2, "%s&", part);
	*p = '\0';
	return text;
}

/*
 * A pattern that would run for ever, on each thing that a test can look at,
 * and on as many values as a request can have: together a few milliseconds.
 */
static void
test_costly_requests(void **state)
{
	static const enum match_source sources[] = {
	    MATCH_HEADER, MATCH_COOKIE, MATCH_QUERY, MATCH_METHOD, MATCH_PATH};
	const char *const costly = "^(a+)+$";
	char *query = repeat("x=aaaaaaaaaaaaaaaaaaaaaaaaaaa%21", 2000);
	char value[4000], cookie[4000 + 3];
	struct field many[128];

	(void)state;
	memset(value, 'a', sizeof value);
	value[sizeof value - 1] = '!';
	memcpy(cookie, "x=", 2);
	memcpy(cookie + 2, value, sizeof value);
	for (size_t i = 0; i < sizeof sources / sizeof sources[0]; i++) {
		struct span text = {value, sizeof value};
		struct request r = {
		    .method = text,
		    .path = text,
		    .query = span_of(query),
		    .fields = many,
		    .nfields = 128,
		};
		struct match *m =
		    make_match(sources[i], PATTERN_REGEX, &costly, 1);
		double start;

		for (size_t j = 0; j < 128; j++)
			many[j] =
			    sources[i] == MATCH_COOKIE
				? (struct field){SPAN("cookie"),
				      {cookie, sizeof value + 2}, FIELD_COOKIE}
				: (struct field){SPAN("x"), text, FIELD_OTHER};
		start = seconds();
		assert_false(match_test(m, &r));
		/* A few ms; much more is left for sanitizers. */
		assert_true(seconds() - start < 0.5);
		match_free(m);
	}
	free(query);
}

/* What one value has cost is not taken from ordinary ones beside it. */
static void
test_many_values(void **state)
{
	static const char *const texts[] = {"^b$", "(.*)b$"};
	struct match *m = make_match(MATCH_QUERY, PATTERN_REGEX, texts, 2);
	char *query = repeat("x=aaaaaaaa", 60);
	struct request r = {.query = {query, strlen(query)}};

	(void)state;
	assert_false(match_test(m, &r));
	memcpy(query + r.query.n - 11, "x=b&x=cccc&", 11);
	assert_true(match_test(m, &r));
	free(query);
	match_free(m);
}

/* Longer than any request may be: only that it is there is known. */
static void
test_long_parameter(void **state)
{
	static const char *const none = "", *const some = "a a";
	struct match *there =
	    make_match(MATCH_QUERY, PATTERN_PRESENT, &none, 1);
	struct match *text =
	    make_match(MATCH_QUERY, PATTERN_CONTAINS, &some, 1);
	size_t n = MATCH_QUERY_MAX + 2;
	char *query = malloc(n + 1);
	struct request r = {.query = {query, n}};

	(void)state;
	assert_non_null(query);
	memset(query, 'a', n + 1);
	memcpy(query, "x=a+a", 5);
	assert_true(match_test(text, &r));
	r.query.n++;
	assert_true(match_test(there, &r));
	assert_false(match_test(text, &r));
	free(query);
	match_free(there);
	match_free(text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_costly_regex),
	    cmocka_unit_test(test_step_limit),
	    cmocka_unit_test(test_long_values),
	    cmocka_unit_test(test_costly_requests),
	    cmocka_unit_test(test_many_values),
	    cmocka_unit_test(test_long_parameter),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
