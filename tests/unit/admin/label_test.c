/* Label values as Prometheus' text format wants them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "admin/label.h"

static const struct {
	const char *value, *escaped;
} rows[] = {
    {"", ""},
    {"shop", "shop"},
    {"127.0.0.1:8080", "127.0.0.1:8080"},
    {"a\"b", "a\\\"b"},
    {"a\\b", "a\\\\b"},
    {"a\nb", "a\\nb"},
    {"\"\\\n", "\\\"\\\\\\n"},
    {"caf\xc3\xa9\t", "caf\xc3\xa9\t"},
};

static void
test_escape(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		char *escaped = label_escape(rows[i].value);

		assert_non_null(escaped);
		assert_string_equal(escaped, rows[i].escaped);
		free(escaped);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_escape),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
