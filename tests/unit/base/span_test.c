/* Comparing, finding and cutting, as tables. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/span.h"

static void
assert_span(struct span got, const char *expected)
{
	if (!span_eq(got, span_of(expected)))
		fail_msg("\"%.*s\", expected \"%s\"", SPAN_ARG(got), expected);
}

static void
test_eq(void **state)
{
	static const struct {
		const char *a, *b;
		bool eq, eq_nocase;
	} rows[] = {
	    {"", "", true, true},
	    {"a", "", false, false},
	    {"Host", "Host", true, true},
	    {"Host", "hOST", false, true},
	    {"Host", "Hosts", false, false},
	    {"azAZ", "AZaz", false, true},
	    /* ASCII letters only: these differ in the bit that makes case */
	    {"@", "`", false, false},
	    {"[", "{", false, false},
	    {"-", "\r", false, false},
	    {"\xc4", "\xe4", false, false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct span a = span_of(rows[i].a), b = span_of(rows[i].b);

		assert_int_equal(span_eq(a, b), rows[i].eq);
		assert_int_equal(span_eq_nocase(a, b), rows[i].eq_nocase);
		assert_int_equal(span_eq_nocase(b, a), rows[i].eq_nocase);
	}
	assert_true(span_eq(SPAN_NONE, SPAN("")));
	assert_true(span_eq_nocase(SPAN_NONE, SPAN_NONE));
	/* A zero byte is a byte like any other. */
	assert_false(span_eq(SPAN("a\0b"), SPAN("a\0c")));
	assert_false(span_eq(SPAN("a"), SPAN("a\0")));
}

static void
test_find(void **state)
{
	static const struct {
		const char *s, *needle;
		int at; /* -1: nowhere */
	} rows[] = {
	    {"", "", 0},
	    {"abc", "", 0},
	    {"", "a", -1},
	    {"abc", "a", 0},
	    {"abc", "c", 2},
	    {"abc", "abc", 0},
	    {"abc", "abcd", -1},
	    {"aabaab", "ab", 1},
	    {"aaab", "aab", 1},
	    {"abc", "B", -1},
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct span s = span_of(rows[i].s);
		const char *at = span_find(s, span_of(rows[i].needle));

		if (rows[i].at < 0)
			assert_null(at);
		else
			assert_ptr_equal(at, s.p + rows[i].at);
	}
}

static void
test_trim(void **state)
{
	static const char *const rows[][2] = {
	    {"", ""},
	    {" ", ""},
	    {"\t \t", ""},
	    {"a", "a"},
	    {" a", "a"},
	    {"a\t", "a"},
	    {" \ta b\t ", "a b"},
	    {"\ra\n", "\ra\n"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		assert_span(span_trim(span_of(rows[i][0])), rows[i][1]);
	assert_int_equal(span_trim(SPAN_NONE).n, 0);
}

static void
test_cut(void **state)
{
	struct span rest = SPAN("a=b=c");

	(void)state;
	assert_span(span_cut(&rest, '='), "a");
	assert_span(rest, "b=c");
	assert_span(span_cut(&rest, '='), "b");
	assert_span(span_cut(&rest, '='), "c");
	assert_null(rest.p);
	assert_int_equal(span_cut(&rest, '=').n, 0);
	assert_null(rest.p);

	/* What follows the last separator is empty, but there. */
	rest = SPAN("a;");
	assert_span(span_cut(&rest, ';'), "a");
	assert_non_null(rest.p);
	assert_int_equal(rest.n, 0);
	assert_span(span_cut(&rest, ';'), "");
	assert_null(rest.p);
}

static void
test_list(void **state)
{
	static const struct {
		const char *list;
		const char *elements[4]; /* up to NULL */
	} rows[] = {
	    {"", {NULL}},
	    {" , ,\t,", {NULL}},
	    {"a", {"a"}},
	    {"a,b", {"a", "b"}},
	    {" a , b c ,, d,", {"a", "b c", "d"}},
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct span rest = span_of(rows[i].list), element;

		for (int j = 0; rows[i].elements[j] != NULL; j++) {
			assert_true(span_list_next(&rest, &element));
			assert_span(element, rows[i].elements[j]);
		}
		assert_false(span_list_next(&rest, &element));
		assert_false(span_list_next(&rest, &element));
	}
}

static void
test_to_u64(void **state)
{
	static const struct {
		const char *text;
		bool good;
		uint64_t value;
	} rows[] = {
	    {"0", true, 0},
	    {"007", true, 7},
	    {"18446744073709551615", true, UINT64_MAX},
	    {"00018446744073709551615", true, UINT64_MAX},
	    {"18446744073709551616", false, 0},
	    {"18446744073709551620", false, 0},
	    {"99999999999999999999", false, 0},
	    {"", false, 0},
	    {"-1", false, 0},
	    {"+1", false, 0},
	    {" 1", false, 0},
	    {"1 ", false, 0},
	    {"0x1", false, 0},
	    {"1e3", false, 0},
	    {"\xb2", false, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		uint64_t value = 12345;

		assert_int_equal(
		    span_to_u64(span_of(rows[i].text), &value), rows[i].good);
		assert_true(value == (rows[i].good ? rows[i].value : 12345));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_eq),
	    cmocka_unit_test(test_find),
	    cmocka_unit_test(test_trim),
	    cmocka_unit_test(test_cut),
	    cmocka_unit_test(test_list),
	    cmocka_unit_test(test_to_u64),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
