/* Patterns and matches as tables, and patterns that would run for ever. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
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

static void
test_patterns(void **state)
{
	static const struct {
		enum pattern_kind kind;
		const char *text, *value;
		bool matches;
	} rows[] = {
	    {PATTERN_EXACT, "beta", "beta", true},
	    {PATTERN_EXACT, "beta", "Beta", false},
	    {PATTERN_EXACT, "beta", "beta2", false},
	    {PATTERN_EXACT, "beta", "bet", false},
	    {PATTERN_EXACT, "", "", true},
	    {PATTERN_EXACT, "", "x", false},
	    {PATTERN_PREFIX, "be", "beta", true},
	    {PATTERN_PREFIX, "beta", "beta", true},
	    {PATTERN_PREFIX, "beta", "bet", false},
	    {PATTERN_PREFIX, "", "bet", true},
	    {PATTERN_PREFIX, "eta", "beta", false},
	    {PATTERN_CONTAINS, "et", "beta", true},
	    {PATTERN_CONTAINS, "ta", "beta", true},
	    {PATTERN_CONTAINS, "ET", "beta", false},
	    {PATTERN_CONTAINS, "betas", "beta", false},
	    {PATTERN_CONTAINS, "", "", true},
	    {PATTERN_REGEX, "Sometimes-Fail", "load Sometimes-Fail/1", true},
	    {PATTERN_REGEX, "Sometimes-Fail", "Always-Good", false},
	    {PATTERN_REGEX, "^b.t", "beta", true},
	    {PATTERN_REGEX, "^e", "beta", false},
	    {PATTERN_REGEX, "a$", "beta", true},
	    {PATTERN_REGEX, "a$", "beta\n", false},
	    {PATTERN_REGEX, "x|eta", "beta", true},
	    {PATTERN_REGEX, "^x|^y", "beta", false},
	    {PATTERN_REGEX, "(?i)BETA", "beta", true},
	    {PATTERN_REGEX, "(a)(t)\\2", "xatt", true},
	    {PATTERN_REGEX, "^$", "", true},
	    {PATTERN_REGEX, "\\d{3}", "ab12", false},
	    {PATTERN_REGEX, "\xff+", "a\xff\xff", true},
	    {PATTERN_PRESENT, "", "", true},
	    {PATTERN_PRESENT, "", "anything", true},
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct pattern *p = make(rows[i].kind, rows[i].text);

		if (pattern_test(p, span_of(rows[i].value)) != rows[i].matches)
			fail_msg("%s on %s", rows[i].text, rows[i].value);
		assert_string_equal(pattern_text(p), rows[i].text);
		assert_int_equal(pattern_kind(p), rows[i].kind);
		pattern_free(p);
	}
	pattern_free(NULL);
}

static void
test_empty_value(void **state)
{
	struct pattern *any = make(PATTERN_REGEX, ".*");
	struct pattern *some = make(PATTERN_REGEX, ".");

	(void)state;
	assert_true(pattern_test(any, SPAN_NONE));
	assert_false(pattern_test(some, SPAN_NONE));
	pattern_free(any);
	pattern_free(some);
}

static void
test_bad_regex(void **state)
{
	static const struct {
		const char *text, *why;
	} rows[] = {
	    {"a(b", "missing closing parenthesis at offset 3"},
	    {"a)(b", "unmatched closing parenthesis at offset 1"},
	    {"[a", "missing terminating ] for character class at offset 2"},
	    {"*", "quantifier does not follow a repeatable item at offset 0"},
	};
	char why[128];

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		why[0] = '\0';
		assert_null(
		    pattern_new(PATTERN_REGEX, rows[i].text, why, sizeof why));
		assert_string_equal(why, rows[i].why);
	}
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

#define FIELD(id, name, value)                      \
	{                                           \
		SPAN(name), SPAN(value), FIELD_##id \
	}

static const struct field fields[] = {
    FIELD(HOST, "Host", "shop"),
    FIELD(USER_AGENT, "user-AGENT", "Sometimes-Fail"),
    FIELD(OTHER, "X-Preview", "1"),
    FIELD(OTHER, "X-Team", "red"),
    FIELD(OTHER, "x-team", "blue"),
    FIELD(COOKIE, "Cookie", "a=1; release=alpha"),
    FIELD(COOKIE, "cookie", "b=2; theme=\"dark\""),
    FIELD(OTHER, "X-Empty", ""),
    FIELD(OTHER, "X-Cookie", "fake=1"),
};

static const struct request request = {
    .fields = fields,
    .nfields = sizeof fields / sizeof fields[0],
};

struct part {
	bool cookie;
	const char *name;
	enum pattern_kind kind;
	const char *text;
};

static struct match *
make_match(const struct part *parts, size_t n)
{
	struct match *m = match_new();

	assert_non_null(m);
	for (size_t i = 0; i < n && parts[i].name != NULL; i++) {
		struct pattern *p = make(parts[i].kind, parts[i].text);

		assert_int_equal(parts[i].cookie
				     ? match_add_cookie(m, parts[i].name, p)
				     : match_add_header(m, parts[i].name, p),
		    0);
	}
	return m;
}

static void
test_matches(void **state)
{
	static const struct {
		struct part parts[3];
		bool matches;
		const char *words;
	} rows[] = {
	    {{{false, NULL, PATTERN_EXACT, NULL}}, true, "every request"},
	    {{{false, "User-Agent", PATTERN_REGEX, "Sometimes-Fail"}}, true,
		"User-Agent ~ Sometimes-Fail"},
	    {{{false, "User-Agent", PATTERN_CONTAINS, "Always"}}, false,
		"User-Agent contains Always"},
	    {{{false, "x-preview", PATTERN_EXACT, "1"}}, true, "x-preview = 1"},
	    {{{false, "X-Preview", PATTERN_EXACT, "2"}}, false,
		"X-Preview = 2"},
	    {{{false, "X-Previe", PATTERN_PRESENT, ""}}, false,
		"X-Previe is present"},
	    {{{false, "X-Empty", PATTERN_PRESENT, ""}}, true,
		"X-Empty is present"},
	    {{{false, "X-Team", PATTERN_EXACT, "red"}}, true, "X-Team = red"},
	    {{{false, "X-Team", PATTERN_EXACT, "blue"}}, true, "X-Team = blue"},
	    {{{false, "X-Team", PATTERN_PREFIX, "gr"}}, false,
		"X-Team starts with gr"},
	    {{{true, "release", PATTERN_EXACT, "alpha"}}, true,
		"cookie release = alpha"},
	    {{{true, "theme", PATTERN_EXACT, "dark"}}, true,
		"cookie theme = dark"},
	    {{{true, "b", PATTERN_PRESENT, ""}}, true, "cookie b is present"},
	    {{{true, "Release", PATTERN_PRESENT, ""}}, false,
		"cookie Release is present"},
	    {{{true, "X-Preview", PATTERN_PRESENT, ""}}, false,
		"cookie X-Preview is present"},
	    {{{true, "fake", PATTERN_PRESENT, ""}}, false,
		"cookie fake is present"},
	    {{{false, "Cookie", PATTERN_CONTAINS, "b=2"}}, true,
		"Cookie contains b=2"},
	    {{{false, "User-Agent", PATTERN_REGEX, "Sometimes-Fail"},
		 {true, "release", PATTERN_EXACT, "beta"}},
		false, "User-Agent ~ Sometimes-Fail and cookie release = beta"},
	    {{{false, "X-Team", PATTERN_EXACT, "red"},
		 {true, "a", PATTERN_EXACT, "1"},
		 {false, "host", PATTERN_EXACT, "shop"}},
		true, "X-Team = red and cookie a = 1 and host = shop"},
	};
	const struct request none = {.fields = NULL};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct match *m = make_match(rows[i].parts, 3);
		char words[128], cut[8];

		match_describe(m, words, sizeof words);
		assert_string_equal(words, rows[i].words);
		match_describe(m, cut, sizeof cut);
		assert_memory_equal(cut, words, sizeof cut - 1);
		assert_int_equal(cut[7], '\0');
		if (match_test(m, &request) != rows[i].matches)
			fail_msg("%s", words);
		assert_true(match_test(m, &none) == (i == 0));
		match_free(m);
	}
	match_free(NULL);
}

static void *
match_often(void *arg)
{
	const struct match *m = arg;

	for (int i = 0; i < 20000; i++)
		if (!match_test(m, &request))
			return arg;
	return NULL;
}

/* One compiled match, used by several threads at once. */
static void
test_threads(void **state)
{
	static const struct part parts[] = {
	    {false, "User-Agent", PATTERN_REGEX, "(S\\w+)-(F\\w+)"},
	    {true, "theme", PATTERN_REGEX, "^d(a|o)rk$"},
	};
	struct match *m = make_match(parts, 2);
	pthread_t threads[4];
	void *failed;

	(void)state;
	for (int i = 0; i < 4; i++)
		assert_int_equal(
		    pthread_create(&threads[i], NULL, match_often, m), 0);
	for (int i = 0; i < 4; i++) {
		pthread_join(threads[i], &failed);
		assert_null(failed);
	}
	match_free(m);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_patterns),
	    cmocka_unit_test(test_empty_value),
	    cmocka_unit_test(test_bad_regex),
	    cmocka_unit_test(test_costly_regex),
	    cmocka_unit_test(test_step_limit),
	    cmocka_unit_test(test_long_values),
	    cmocka_unit_test(test_matches),
	    cmocka_unit_test(test_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
