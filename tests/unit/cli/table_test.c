/* Tables for people, byte by byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "cli/table.h"

static const char *const titles[] = {"NAME", ">COUNT", "REASON"};

static char *
printed(const struct table *t, unsigned indent)
{
	char *text = NULL;
	size_t n = 0;
	FILE *out = open_memstream(&text, &n);

	assert_non_null(out);
	table_print(t, indent, out);
	fclose(out);
	return text;
}

static void
expect_table(struct table *t, unsigned indent, const char *expected)
{
	char *text = printed(t, indent);

	assert_string_equal(text, expected);
	free(text);
	table_free(t);
}

static void
test_titles_only(void **state)
{
	(void)state;
	expect_table(table_new(titles, 3), 2, "  NAME  COUNT  REASON\n");
}

static void
test_alignment(void **state)
{
	struct table *t = table_new(titles, 3);

	(void)state;
	table_cell(t, "%s", "a");
	table_cell(t, "%d", 5);
	table_cell(t, "%s", "refused");
	table_cell(t, "%s", "longer");
	table_cell(t, "%d", 1234567);
	table_cell(t, "%s", "ok");
	expect_table(t, 0,
	    "NAME      COUNT  REASON\n"
	    "a             5  refused\n"
	    "longer  1234567  ok\n");
}

/* An empty last cell leaves no space behind. */
static void
test_empty_cells(void **state)
{
	struct table *t = table_new(titles, 3);

	(void)state;
	table_cell(t, "%s", "a");
	table_cell(t, "%d", 5);
	table_cell(t, "%s", "");
	table_cell(t, "%s", "");
	table_cell(t, "%s", "");
	table_cell(t, "%s", "why");
	expect_table(t, 1,
	    " NAME  COUNT  REASON\n"
	    " a         5\n"
	    "              why\n");
}

/* More cells than are made room for at first. */
static void
test_many_rows(void **state)
{
	static const char *const one[] = {">N"};
	struct table *t = table_new(one, 1);
	char expected[16 * 1001];
	size_t used;

	(void)state;
	used = (size_t)snprintf(expected, sizeof expected, "%4s\n", "N");
	for (int i = 1; i <= 1000; i++) {
		table_cell(t, "%d", i);
		used += (size_t)snprintf(
		    expected + used, sizeof expected - used, "%4d\n", i);
	}
	expect_table(t, 0, expected);
}

/* A character of several bytes takes one column. */
static void
test_utf8(void **state)
{
	struct table *t = table_new(titles, 3);

	(void)state;
	table_cell(t, "v1 \xe2\x86\x92 v2");
	table_cell(t, "\xc3\xa9");
	table_cell(t, "x");
	table_cell(t, "a");
	table_cell(t, "1");
	table_cell(t, "y");
	expect_table(t, 0,
	    "NAME     COUNT  REASON\n"
	    "v1 \xe2\x86\x92 v2      \xc3\xa9  x\n"
	    "a            1  y\n");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_titles_only),
	    cmocka_unit_test(test_alignment),
	    cmocka_unit_test(test_empty_cells),
	    cmocka_unit_test(test_many_rows),
	    cmocka_unit_test(test_utf8),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
