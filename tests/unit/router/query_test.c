/* Parameters of queries, found and decoded, as tables. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

#include "router/query.h"

static void
test_find(void **state)
{
	static const struct {
		const char *query, *name;
		const char *values[3]; /* raw, in their order */
	} rows[] = {
	    {"a=1&b=2", "a", {"1"}},
	    {"a=1&b=2", "b", {"2"}},
	    {"a=1&b=2", "c", {NULL}},
	    {"a=1&b=2", "A", {NULL}},
	    {"a=1&b=2", "a=1", {NULL}},
	    {"a=1&A=2&a=3", "a", {"1", "3"}},
	    {"aa=1&a=2", "a", {"2"}},
	    {"a=1&aa=2", "aa", {"2"}},
	    {"debug", "debug", {""}},
	    {"debug=", "debug", {""}},
	    {"x&debug&y", "debug", {""}},
	    {"a=b=c", "a", {"b=c"}},
	    {"a=%41+b", "a", {"%41+b"}},
	    {"%61=1", "a", {"1"}},
	    {"%6", "%6", {""}},
	    {"%zz=1", "%zz", {"1"}},
	    {"my+name=1&my%20name=2", "my name", {"1", "2"}},
	    {"a%3Db=1", "a=b", {"1"}},
	    {"a%26b=1", "a&b", {"1"}},
	    {"a;b=1", "b", {NULL}},
	    {"", "a", {NULL}},
	    {"&&a=1&&", "a", {"1"}},
	    {"&&", "", {NULL}},
	    {"=1", "", {"1"}},
	    {"=", "a", {NULL}},
	};
	struct span none = SPAN_NONE, value;

	(void)state;
	assert_false(query_find(&none, SPAN("a"), &value));
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct span rest = span_of(rows[i].query);
		struct span name = span_of(rows[i].name);

		for (size_t j = 0; rows[i].values[j] != NULL; j++) {
			if (!query_find(&rest, name, &value))
				fail_msg("%s", rows[i].query);
			assert_true(span_eq(value, span_of(rows[i].values[j])));
		}
		if (query_find(&rest, name, &value))
			fail_msg("%s once more", rows[i].query);
	}
}

static void
test_decode(void **state)
{
	static const struct {
		struct span raw, text;
	} rows[] = {
	    {SPAN(""), SPAN("")},
	    {SPAN("beta"), SPAN("beta")},
	    {SPAN("a+b"), SPAN("a b")},
	    {SPAN("a%2Bb%2bc"), SPAN("a+b+c")},
	    {SPAN("%c3%A9"), SPAN("\xc3\xa9")},
	    {SPAN("a%00b"), SPAN("a\0b")},
	    {SPAN("%"), SPAN("%")},
	    {SPAN("100%"), SPAN("100%")},
	    {SPAN("%4"), SPAN("%4")},
	    {SPAN("%4g%g4%%41"), SPAN("%4g%g4%A")},
	    {SPAN("%2541"), SPAN("%41")},
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		char buf[16];
		size_t want = rows[i].text.n, n = 99;

		assert_true(query_decode(rows[i].raw, buf, want, &n));
		assert_true(span_eq((struct span){buf, n}, rows[i].text));
		assert_true(query_coded(rows[i].raw) ||
			    span_eq(rows[i].raw, rows[i].text));
		if (want > 0)
			assert_false(
			    query_decode(rows[i].raw, buf, want - 1, &n));
	}
	assert_false(query_coded(SPAN("plain=&text")));
	assert_false(query_coded(SPAN_NONE));
}

/* Each byte, written each way, is itself again. */
static void
test_every_byte(void **state)
{
	char raw[8], out[2];
	size_t n;

	(void)state;
	for (unsigned byte = 0; byte < 256; byte++) {
		for (int upper = 0; upper < 2; upper++) {
			snprintf(
			    raw, sizeof raw, upper ? "%%%02X" : "%%%02x", byte);
			assert_true(query_decode(span_of(raw), out, 2, &n));
			assert_int_equal(n, 1);
			assert_int_equal((unsigned char)out[0], byte);
		}
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_find),
	    cmocka_unit_test(test_decode),
	    cmocka_unit_test(test_every_byte),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
