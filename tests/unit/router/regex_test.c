/* Searches that would take seconds, and what they may cost. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "router/regex.h"

#define TEXT_MAX (64u * 1024)

static char text[TEXT_MAX];

static struct regex *
make(const char *words)
{
	char why[128] = "";
	struct regex *r = regex_new(words, why, sizeof why);

	if (r == NULL)
		fail_msg("%s: %s", words, why);
	return r;
}

static double
seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* Fills the text with copies. */
static void
fill(const char *piece)
{
	const size_t n = strlen(piece);

	for (size_t i = 0; i < sizeof text; i++)
		text[i] = piece[i % n];
}

/* The step of each is small to pcre2, and runs over all that follows. */
static void
test_costly(void **state)
{
	static const struct {
		const char *regex, *piece;
	} rows[] = {
	    {"a*[bc]", "a"},
	    {"a*?[bc]", "a"},
	    {"a*a*[bc]", "a"},
	    {"a*a*a*[bc]", "a"},
	    {"(?=a*[bc])", "a"},
	    {"(?>a*)[bc]", "a"},
	    {"(?:a*[bc]|a*[de]|a*[fg])", "a"},
	    {"\\w*\\d*\\w*[.,]", "a"},
	    {"(.*a){20}[bc]", "a"},
	    {"(a+)+[bc]", "a"},
	    {"^(?:(.*a){20}[bc])", "a"},
	    {"a[^b]*[^ab]", "a"},
	    /* what fails unseen, and late: repeats and captures */
	    {"[^\\n]{2000}[^\\n]", "aaaaaaaaaaaaaaaaaaaaaaaaaaaa\n"},
	    {"a{30000}[bc]", "a"},
	    {"(a*)\\1[bc]", "a"},
	    {"(?<x>a*)\\k<x>[bc]", "a"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct regex *r = make(rows[i].regex);
		uint32_t steps = 500000;
		const double start = seconds();

		fill(rows[i].piece);
		if (regex_search(r, (struct span){text, sizeof text}, 0, false,
			&steps, NULL) != REGEX_COSTLY)
			fail_msg("%s is not costly", rows[i].regex);
		assert_int_equal(steps, 0);
		/* ten ms; much more is left for sanitizers */
		assert_true(seconds() - start < 0.5);
		regex_free(r);
	}
	regex_free(NULL);
}

/*
 * A repeat that fails at its last byte, at each place: the work is the square
 * of the line, and no item behind it is ever tried.
 */
static void
test_unseen(void **state)
{
	struct regex *r = make("[^\n]{20000}");
	uint32_t steps = 500000;
	const double start = seconds();

	(void)state;
	memset(text, 'a', sizeof text);
	for (size_t i = 19999; i < sizeof text; i += 20000)
		text[i] = '\n';
	assert_int_equal(regex_search(r, (struct span){text, sizeof text}, 0,
			     false, &steps, NULL),
	    REGEX_COSTLY);
	assert_true(seconds() - start < 0.5);
	regex_free(r);
}

/* Ordinary ones on a large text cost a part of what there is. */
static void
test_ordinary(void **state)
{
	static const char *const all[] = {"\"status\": *\"500\"",
	    "(?i)error|fail", "^\\{\"database\": *\"(ok|slow)\"",
	    "\\d+\\.\\d+\\.\\d+\\.\\d+$", "[A-Z][a-z]+Kit-",
	    "(Android|iPhone|iPad)", "<(b|i)>[a-z]+</\\1>",
	    "[0-9a-f]{8}-[0-9a-f]{4}-"};

	(void)state;
	fill("{\"database\": \"no\", \"host\": \"10.1.2\", <b>Some "
	     "words</b>,\n");
	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
		struct regex *r = make(all[i]);
		uint32_t steps = 500000;

		if (regex_search(r, (struct span){text, sizeof text}, 0, false,
			&steps, NULL) != REGEX_MISSES)
			fail_msg("%s", all[i]);
		regex_free(r);
	}
}

/* The same text costs the same, and the less the shorter it is. */
static void
test_steps(void **state)
{
	struct regex *r = make("a*[bc]");
	uint32_t last = 0;

	(void)state;
	fill("a");
	for (size_t n = 100; n <= 1000; n += 100) {
		uint32_t cost[2];

		for (unsigned i = 0; i < 2; i++) {
			uint32_t steps = 1u << 30;

			assert_int_equal(regex_search(r, (struct span){text, n},
					     0, false, &steps, NULL),
			    REGEX_MISSES);
			cost[i] = (1u << 30) - steps;
		}
		assert_int_equal(cost[0], cost[1]);
		assert_true(cost[0] > last);
		last = cost[0];
	}
	regex_free(r);
}

static void
test_places(void **state)
{
	struct regex *r = make("(?<=x)ab$");
	const struct span whole = SPAN("ab xab");
	uint32_t steps = 1000;
	size_t begin = 0;

	(void)state;
	assert_int_equal(
	    regex_search(r, whole, 0, false, &steps, &begin), REGEX_MATCHES);
	assert_int_equal(begin, 4);
	assert_int_equal(
	    regex_search(r, whole, 4, false, &steps, &begin), REGEX_MATCHES);
	assert_int_equal(
	    regex_search(r, whole, 5, false, &steps, NULL), REGEX_MISSES);
	assert_int_equal(
	    regex_search(r, whole, 0, true, &steps, NULL), REGEX_MISSES);
	assert_int_equal(
	    regex_search(r, SPAN_NONE, 0, false, &steps, NULL), REGEX_MISSES);
	assert_true(steps > 0 && steps < 1000);
	steps = 1;
	assert_int_equal(
	    regex_search(r, whole, 0, false, &steps, NULL), REGEX_COSTLY);
	assert_int_equal(steps, 0);
	regex_free(r);
}

/* What is matched are bytes: they need not be of any encoding. */
static void
test_bytes(void **state)
{
	char why[128] = "";

	(void)state;
	assert_null(regex_new("(*UTF)x", why, sizeof why));
	assert_non_null(strstr(why, "UTF"));
}

/* Far more than the stack has room for. */
static void
test_deep(void **state)
{
	struct regex *r = make("(a(?1)?b)c");
	uint32_t steps = 100000000;

	(void)state;
	fill("a");
	assert_int_not_equal(regex_search(r, (struct span){text, sizeof text},
				 0, false, &steps, NULL),
	    REGEX_MATCHES);
	regex_free(r);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_costly),
	    cmocka_unit_test(test_unseen),
	    cmocka_unit_test(test_ordinary),
	    cmocka_unit_test(test_steps),
	    cmocka_unit_test(test_places),
	    cmocka_unit_test(test_bytes),
	    cmocka_unit_test(test_deep),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
