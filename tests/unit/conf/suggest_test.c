/* Edit distances, the nearest word, and lists that fit. */
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "conf/suggest.h"

static const struct {
	const char *a, *b;
	unsigned distance;
} distances[] = {
    {"", "", 0},
    {"", "abc", 3},
    {"address", "address", 0},
    {"Address", "aDDRESS", 0},
    {"adress", "address", 1},
    {"addresss", "address", 1},
    {"addrezs", "address", 1},
    {"adderss", "address", 1},
    {"ab", "ba", 1},
    {"ca", "abc", 3},
    {"kitten", "sitting", 3},
    {"weights", "rules", 6},
};

static void
test_distance(void **state)
{
	char longest[66];

	(void)state;
	for (size_t i = 0; i < sizeof distances / sizeof distances[0]; i++) {
		const char *a = distances[i].a, *b = distances[i].b;

		print_message("%s %s\n", a, b);
		assert_int_equal(suggest_distance(a, b), distances[i].distance);
		assert_int_equal(suggest_distance(b, a), distances[i].distance);
	}
	memset(longest, 'x', sizeof longest);
	longest[64] = '\0';
	assert_int_equal(suggest_distance(longest, ""), 64);
	assert_int_equal(suggest_distance(longest, longest), 0);
	longest[64] = 'x';
	longest[65] = '\0';
	assert_int_equal(suggest_distance(longest, longest), UINT_MAX);
}

static void
test_nearest(void **state)
{
	static const char *const keys[] = {
	    "routes", "versions", "stable", "weights", "rules", "v1", "v2"};
	static const struct {
		const char *word, *nearest;
	} rows[] = {
	    {"versoins", "versions"},
	    {"version", "versions"},
	    {"WEIGHTS", "weights"},
	    {"rule", "rules"},
	    {"route", "routes"},
	    {"v3", "v1"},
	    {"v2", "v2"},
	    {"v22", "v2"},
	    {"x", NULL},
	    {"", NULL},
	    {"zz", NULL},
	    {"listen", NULL},
	    {"backends", NULL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		const char *nearest = suggest_nearest(
		    rows[i].word, keys, sizeof keys / sizeof keys[0]);

		print_message("%s\n", rows[i].word);
		if (rows[i].nearest == NULL)
			assert_null(nearest);
		else
			assert_string_equal(nearest, rows[i].nearest);
	}
	assert_null(suggest_nearest("v1", keys, 0));
}

static void
test_list(void **state)
{
	static const char *const words[] = {"one", "two", "three"};
	char buf[32], small[12];

	(void)state;
	suggest_list(words, 0, buf, sizeof buf);
	assert_string_equal(buf, "");
	suggest_list(words, 1, buf, sizeof buf);
	assert_string_equal(buf, "one");
	suggest_list(words, 3, buf, sizeof buf);
	assert_string_equal(buf, "one, two, three");
	suggest_list(words, 3, small, sizeof small);
	assert_string_equal(small, "one, ...");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_distance),
	    cmocka_unit_test(test_nearest),
	    cmocka_unit_test(test_list),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
