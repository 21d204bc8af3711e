/* Every known field name in every case, and cookies as a table. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <ctype.h>
#include <stdio.h>

#include "base/field.h"

static const struct {
	const char *name;
	enum field_id id;
} known[] = {
#define X(id, name) {name, FIELD_##id},
    FIELDS(X)
#undef X
};

#define KNOWN (sizeof known / sizeof known[0])

static void
test_known(void **state)
{
	char text[64];

	(void)state;
	assert_int_equal(KNOWN, FIELD_COUNT - 1);
	for (size_t i = 0; i < KNOWN; i++) {
		size_t n = strlen(known[i].name);

		assert_int_equal(
		    field_lookup(span_of(known[i].name)), known[i].id);
		for (size_t j = 0; j <= n; j++)
			text[j] =
			    (char)toupper((unsigned char)known[i].name[j]);
		assert_int_equal(field_lookup(span_of(text)), known[i].id);
		for (size_t j = 1; j < n; j += 2)
			text[j] = known[i].name[j];
		assert_int_equal(field_lookup(span_of(text)), known[i].id);
	}
}

/* One byte more, less or other is another name. */
static void
test_nearly_known(void **state)
{
	char text[64];

	(void)state;
	for (size_t i = 0; i < KNOWN; i++) {
		int n = snprintf(text, sizeof text, "%sx", known[i].name);

		assert_int_equal(field_lookup(span_of(text)), FIELD_OTHER);
		text[n - 2] = '\0';
		assert_int_equal(field_lookup(span_of(text)), FIELD_OTHER);
		for (int j = 0; j < n - 1; j++) {
			snprintf(text, sizeof text, "%s", known[i].name);
			/* this one means the same to pods (see below) */
			if (text[j] == '-' &&
			    (known[i].id == FIELD_X_CLIENT_SUBJECT ||
				known[i].id == FIELD_X_SHUNT_MIRROR))
				continue;
			text[j] = '_';
			assert_int_equal(
			    field_lookup(span_of(text)), FIELD_OTHER);
		}
	}
}

/* What only we may say is known as CGI would write it, too. */
static void
test_underscores(void **state)
{
	static const char *const names[] = {"x_client_subject",
	    "X_Client-Subject", "X-CLIENT_SUBJECT", "x-client-subject"};
	static const char *const others[] = {"x.client.subject",
	    "x_client_subjec", "x_client_subjects", "x__client_subjec",
	    "_x_client_subjec", "x_forwarded_host", "y_client_subject",
	    "x\rclient\rsubject"};

	(void)state;
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		assert_int_equal(
		    field_lookup(span_of(names[i])), FIELD_X_CLIENT_SUBJECT);
	assert_int_equal(
	    field_lookup(SPAN("X_Shunt-MIRROR")), FIELD_X_SHUNT_MIRROR);
	for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
		assert_int_equal(field_lookup(span_of(others[i])), FIELD_OTHER);
}

static void
test_others(void **state)
{
	static const char *const names[] = {"", "x", "accept", "x-user",
	    "content-type", "sec-websocket-extensions", "authorization"};

	(void)state;
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		assert_int_equal(field_lookup(span_of(names[i])), FIELD_OTHER);
	assert_int_equal(field_lookup(SPAN_NONE), FIELD_OTHER);
}

static void
test_cookies(void **state)
{
	static const struct {
		const char *cookies, *name;
		const char *value; /* NULL: none */
	} rows[] = {
	    {"a=1", "a", "1"},
	    {"a=1; b=2", "b", "2"},
	    {"a=1;b=2", "b", "2"},
	    {"a=1; b=2; a=3", "a", "1"},
	    {"a=", "a", ""},
	    {"a=x=y", "a", "x=y"},
	    {"a=\"quoted\"", "a", "quoted"},
	    {"a=\"\"", "a", ""},
	    {"a=\"", "a", "\""},
	    {"  a=1  ;  b=2", "a", "1"},
	    {"ab=1; b=2", "b", "2"},
	    {"ab=1", "a", NULL},
	    {"ab=1", "b", NULL},
	    {"A=1", "a", NULL},
	    {"a", "a", NULL},
	    {"", "a", NULL},
	    {";;;", "a", NULL},
	    {"=1", "a", NULL},
	    {"b=a=1", "a", NULL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct span value = SPAN_NONE;
		bool found = field_cookie(
		    span_of(rows[i].cookies), span_of(rows[i].name), &value);

		assert_int_equal(found, rows[i].value != NULL);
		if (found && !span_eq(value, span_of(rows[i].value)))
			fail_msg(
			    "%s: \"%.*s\"", rows[i].cookies, SPAN_ARG(value));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_known),
	    cmocka_unit_test(test_nearly_known),
	    cmocka_unit_test(test_underscores),
	    cmocka_unit_test(test_others),
	    cmocka_unit_test(test_cookies),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
