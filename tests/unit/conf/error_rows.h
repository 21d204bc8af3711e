/*
 * Rows of what is wrong with a config, and of its lines, exactly; shared by
 * the tests that hold such tables.
 */
#ifndef TESTS_UNIT_CONF_ERROR_ROWS_H
#define TESTS_UNIT_CONF_ERROR_ROWS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "conf/conf.h"

/* Lines 1 to 4 of a good config; what follows belongs to the service. */
#define TOP "listen: [{address: 127.0.0.1:80}]\n"
#define SHOP                                                                 \
	TOP "services:\n  shop:\n    versions: {v1: {pods: []}, v2: {pods: " \
	    "[]}}\n"
/* A good service as the last line of a config. */
#define REST "services: {s: {versions: {v: {pods: []}}}}\n"
#define WANT_ADDRESS \
	"expected an address such as 127.0.0.1:8080 or [::1]:8080, found "
#define WANT_POD                                                   \
	"expected an address such as 127.0.0.1:8080, [::1]:8080, " \
	"app.internal:8080 or unix:/run/app.sock, found "
#define WANT_BUDGET                                                         \
	"expected a percentage from 0% to 100% with at most two decimals, " \
	"found "
#define NO_WEIGHT \
	"weights add up to 0: at least one version needs a weight above 0"
#define NOT_YET "is not available in this release"

struct row {
	const char *text;
	const char *lines; /* without "f:"; each ends in a newline */
};

/* All lines as one text, without "f:". The caller frees. */
static char *
join(const struct conf_errors *errors)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	for (size_t i = 0; i < errors->n; i++) {
		assert_int_equal(strncmp(errors->lines[i], "f:", 2), 0);
		fprintf(out, "%s\n", errors->lines[i] + 2);
	}
	fclose(out);
	return text;
}

static void
check_rows(const struct row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct conf_errors errors;
		struct conf *c = conf_parse(
		    "f", rows[i].text, strlen(rows[i].text), &errors);
		char *lines = join(&errors);

		if (strcmp(lines, rows[i].lines) != 0)
			print_message("%s", rows[i].text);
		assert_string_equal(lines, rows[i].lines);
		assert_int_equal(c == NULL, errors.n > 0);
		free(lines);
		conf_free(c);
		conf_errors_free(&errors);
	}
}

#define TABLE_TEST(table)                                              \
	static void test_##table(void **state)                         \
	{                                                              \
		(void)state;                                           \
		check_rows(table, sizeof(table) / sizeof((table)[0])); \
	}

#endif
