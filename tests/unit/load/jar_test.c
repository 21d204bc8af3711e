/* Cookies that are given, changed, dropped and out of date. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "load/jar.h"

/* 2026-01-01 */
#define NOW 1767225600000000ull

static void
check(const struct jar *j, uint64_t wall_us, const char *expected)
{
	struct buffer b = {0};

	jar_write(j, wall_us, &b);
	assert_int_equal(b.n, strlen(expected));
	assert_memory_equal(b.n > 0 ? b.p : "", expected, b.n);
	assert_true(jar_empty(j, wall_us) == (b.n == 0));
	buffer_free(&b);
}

static void
set(struct jar *j, const char *text)
{
	jar_set(j, span_of(text), NOW);
}

static void
test_life(void **state)
{
	struct jar j = {0};

	(void)state;
	check(&j, NOW, "");
	assert_true(jar_put(&j, SPAN("a=1")));
	set(&j, "b=2; Path=/; HttpOnly");
	check(&j, NOW, "a=1; b=2");
	set(&j, "a=one; Secure");
	check(&j, NOW, "a=one; b=2");
	set(&j, "a=; Max-Age=60");
	check(&j, NOW, "a=; b=2");
	check(&j, NOW + 60000000, "b=2");
	set(&j, "b=gone; Max-Age=0");
	check(&j, NOW, "a=");
	set(&j, "a=x; expires=Thu, 01 Jan 1970 00:00:00 GMT");
	check(&j, NOW, "");
	jar_free(&j);
}

static void
test_ends(void **state)
{
	static const struct {
		const char *attributes;
		bool kept;
	} rows[] = {
	    {"", true},
	    {"; Max-Age=1", true},
	    {"; max-age=-1", false},
	    {"; MAX-AGE = 0", false},
	    {"; Max-Age=99999999999999999999", true},
	    {"; Max-Age=9999999999", true},
	    {"; Max-Age=x", true},
	    {"; Expires=Fri, 01 Jan 2027 00:00:00 GMT", true},
	    {"; Expires=Wed, 01 Jan 2025 00:00:00 GMT", false},
	    {"; Expires=Wed, 01-Jan-2025 00:00:00 GMT", false},
	    {"; Expires=yesterday", true},
	    {"; Max-Age=9; Expires=Wed, 01 Jan 2025 00:00:00 GMT", true},
	    {"; Expires=Wed, 01 Jan 2025 00:00:00 GMT; Max-Age=9", true},
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct jar j = {0};
		char text[128];

		snprintf(text, sizeof text, "c=1%s", rows[i].attributes);
		set(&j, text);
		if (jar_empty(&j, NOW) == rows[i].kept)
			fail_msg("%s", text);
		jar_free(&j);
	}
}

static void
test_rubbish(void **state)
{
	static const char *const texts[] = {
	    "", "=", "=x", "novalue", ";a=1", "a\x01=1", "a=\n"};
	struct jar j = {0};
	char text[JAR_COOKIE_MAX + 16];

	(void)state;
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
		set(&j, texts[i]);
	memset(text, 'x', sizeof text);
	text[1] = '=';
	jar_set(&j, (struct span){text, sizeof text}, NOW);
	check(&j, NOW, "");
	for (int i = 0; i < 100; i++) {
		snprintf(text, sizeof text, "n%d=%d", i, i);
		assert_true(
		    jar_put(&j, span_of(text)) == (i < (int)JAR_COOKIES_MAX));
	}
	assert_int_equal(j.n, JAR_COOKIES_MAX);
	jar_free(&j);
}

static void
test_full(void **state)
{
	struct jar j = {0};
	struct buffer b = {0};
	char text[64];

	(void)state;
	for (int i = 0; i < (int)JAR_COOKIES_MAX; i++) {
		snprintf(text, sizeof text, "n%d=1%s", i,
		    i == 5 ? "; Max-Age=1" : "");
		set(&j, text);
	}
	set(&j, "n7=2");
	assert_int_equal(j.n, JAR_COOKIES_MAX);
	/* n5 has expired, so it goes; then the oldest do */
	jar_set(&j, SPAN("new1=1"), NOW + 2000000);
	jar_set(&j, SPAN("new2=1"), NOW + 2000000);
	assert_int_equal(j.n, JAR_COOKIES_MAX);
	jar_write(&j, NOW, &b);
	assert_null(span_find(buffer_span(&b), SPAN("n5=1")));
	assert_null(span_find(buffer_span(&b), SPAN("n0=1")));
	assert_non_null(span_find(buffer_span(&b), SPAN("n1=1")));
	assert_non_null(span_find(buffer_span(&b), SPAN("n7=2")));
	assert_non_null(span_find(buffer_span(&b), SPAN("new1=1")));
	assert_non_null(span_find(buffer_span(&b), SPAN("new2=1")));
	buffer_free(&b);
	jar_free(&j);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_life),
	    cmocka_unit_test(test_ends),
	    cmocka_unit_test(test_rubbish),
	    cmocka_unit_test(test_full),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
