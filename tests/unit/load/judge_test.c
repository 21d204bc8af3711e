/* Versions and verdicts of answers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "load/judge.h"
#include "load/load.h"

struct row {
	const char *version_from, *ok_when; /* NULL: not given */
	int status;
	const char *header; /* "Name: value", or NULL */
	const char *body;
	const char *version;
	enum failure failure;
};

static void
check(const struct row *row)
{
	struct board *b = board_new(1);
	struct judge_memory memory = {0};
	struct answer a = {0};
	struct load_words words = {&row->ok_when, row->ok_when != NULL};
	enum failure failure;
	char why[256] = "";
	struct judge j;

	if (!judge_read(&j, row->version_from, &words, why, sizeof why))
		fail_msg("%s", why);
	judge_begin(&a);
	a.status = row->status;
	if (row->header != NULL) {
		struct span value = span_of(row->header),
			    name = span_cut(&value, ':');

		judge_field(&j, b, &a, name, span_trim(value));
	}
	/* in two pieces */
	if (row->body != NULL) {
		size_t n = strlen(row->body) / 2;

		judge_body(&j, &a, (struct span){row->body, n});
		judge_body(&j, &a, span_of(row->body + n));
	}
	failure = judge_end(&j, b, &memory, &a);
	if (failure != row->failure ||
	    strcmp(b->names[a.version], row->version) != 0)
		fail_msg("%s %s %s: failure %d, version %s", row->version_from,
		    row->ok_when, row->body, failure, b->names[a.version]);
	buffer_free(&a.body);
	board_free(b);
}

static void
test_answers(void **state)
{
	static const char v1[] = "{\"appVersion\":\"1\",\"status\":\"200\"}";
	static const struct row rows[] = {
	    {NULL, NULL, 200, "x-shunt-version: v1", NULL, "v1", FAILURE_NONE},
	    {NULL, NULL, 304, NULL, NULL, "-", FAILURE_NONE},
	    {NULL, NULL, 404, "X-Shunt-Version: v2", NULL, "v2",
		FAILURE_STATUS},
	    {NULL, NULL, 500, "X-Other: v2", NULL, "-", FAILURE_STATUS},
	    {"none", NULL, 200, "X-Shunt-Version: v2", NULL, "-", FAILURE_NONE},
	    {"header:V", NULL, 200, "v: 7", NULL, "7", FAILURE_NONE},
	    {"header:V", "status=404", 404, "v: 7", NULL, "7", FAILURE_NONE},
	    {"header:V", "status=404", 200, "v: 7", NULL, "7", FAILURE_STATUS},
	    {NULL, "status=200-299,404", 404, NULL, NULL, "-", FAILURE_NONE},
	    {"json:appVersion", "json:status=200", 200, NULL, v1, "1",
		FAILURE_NONE},
	    {"json:appVersion", "json:status=500", 200, NULL, v1, "1",
		FAILURE_BODY},
	    {"json:appVersion", "json:status=200", 503, NULL, v1, "1",
		FAILURE_STATUS},
	    {"json:appVersion", "json:status=200", 200, NULL, "{\"appV", "-",
		FAILURE_BODY},
	    {"json:appVersion", "json:status=200", 200, NULL, NULL, "-",
		FAILURE_BODY},
	    {"json:a.b.1.c", NULL, 200, NULL, "{\"a\":{\"b\":[0,{\"c\":17}]}}",
		"17", FAILURE_NONE},
	    {"json:a.b.9", NULL, 200, NULL, "{\"a\":{\"b\":[0]}}", "-",
		FAILURE_NONE},
	    {"json:a.b", NULL, 200, NULL, "{\"a\":\"b\"}", "-", FAILURE_NONE},
	    {"json:a", NULL, 200, NULL, "{\"a\":{}}", "-", FAILURE_NONE},
	    {"json:0", NULL, 200, NULL, "[true]", "true", FAILURE_NONE},
	    {"json:v", "json:ok=true", 200, NULL, "{\"v\":1.5,\"ok\":true}",
		"1.5", FAILURE_NONE},
	    {NULL, "json:x=null", 200, NULL, "{\"x\":null}", "-", FAILURE_NONE},
	    {NULL, "json:x=", 200, NULL, "{\"x\":\"\"}", "-", FAILURE_NONE},
	    {NULL, "json:x=a=b", 200, NULL, "{\"x\":\"a=b\"}", "-",
		FAILURE_NONE},
	    {NULL, "header:X-Ok=yes", 200, "x-ok: yes", NULL, "-",
		FAILURE_NONE},
	    {NULL, "header:X-Ok=yes", 200, "x-ok: Yes", NULL, "-",
		FAILURE_BODY},
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		check(&rows[i]);
}

static void
test_long_body(void **state)
{
	const char *const all[] = {"json:a=1"};
	const struct load_words words = {all, 1};
	struct board *b = board_new(1);
	struct judge_memory memory = {0};
	struct answer a = {0};
	char blank[4096], why[256];
	struct judge j;

	(void)state;
	memset(blank, ' ', sizeof blank);
	assert_true(judge_read(&j, NULL, &words, why, sizeof why));
	judge_begin(&a);
	a.status = 200;
	for (unsigned n = 0; n < JUDGE_BODY_MAX; n += sizeof blank)
		judge_body(&j, &a, (struct span){blank, sizeof blank});
	judge_body(&j, &a, SPAN("{\"a\":1}"));
	assert_true(a.body.n <= JUDGE_BODY_MAX + 1);
	assert_int_equal(judge_end(&j, b, &memory, &a), FAILURE_BODY);
	buffer_free(&a.body);
	board_free(b);
}

static void
test_wrong(void **state)
{
	static const char *const places[] = {
	    "", "header", "header:", "xml:a", "json:"};
	static const char *const conditions[] = {"", "status",
	    "status=", "status=x", "status=99", "status=600", "status=299-200",
	    "status=200-", "json:a", "json:=1", "body=1", "header:=x"};
	const struct load_words none = {NULL, 0};
	struct judge j;

	(void)state;
	for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
		char why[512] = "";

		assert_false(judge_read(&j, places[i], &none, why, sizeof why));
		assert_non_null(strstr(why, "--version-from: expected"));
	}
	for (size_t i = 0; i < sizeof conditions / sizeof conditions[0]; i++) {
		const struct load_words words = {&conditions[i], 1};
		char why[512] = "";

		if (judge_read(&j, NULL, &words, why, sizeof why))
			fail_msg("%s was taken", conditions[i]);
		assert_non_null(strstr(why, "--ok-when: expected"));
	}
}

/* A body that was met before says the same; more than are known go on. */
static void
test_known_bodies(void **state)
{
	const char *const all[] = {"json:ok=1"};
	const struct load_words words = {all, 1};
	struct judge_memory memory = {0};
	struct board *b = board_new(1);
	struct answer a = {0};
	char text[2 * JUDGE_KNOWN_MAX], why[256];
	struct judge j;

	(void)state;
	assert_true(judge_read(&j, "json:v", &words, why, sizeof why));
	for (unsigned i = 0; i < 2000; i++) {
		unsigned v = i * 7 % 20, bad = v % 3 == 0;
		/* some of them too long to be kept */
		int pad = v == 5 ? (int)JUDGE_KNOWN_MAX : 1;

		snprintf(text, sizeof text, "{\"v\":\"v%02u\",%*s\"ok\":%u}", v,
		    pad, "", !bad);
		judge_begin(&a);
		a.status = 200;
		judge_body(&j, &a, span_of(text));
		assert_int_equal(judge_end(&j, b, &memory, &a),
		    bad ? FAILURE_BODY : FAILURE_NONE);
		snprintf(text, sizeof text, "v%02u", v);
		assert_string_equal(b->names[a.version], text);
	}
	buffer_free(&a.body);
	board_free(b);
}

/* More versions than there is room for are one; names are cleaned. */
static void
test_board(void **state)
{
	struct board *b = board_new(1);
	char name[128];

	(void)state;
	assert_int_equal(board_version(b, SPAN("")), BOARD_NO_VERSION);
	assert_int_equal(board_version(b, SPAN("-")), BOARD_NO_VERSION);
	assert_int_equal(board_version(b, SPAN("a\n\xff")), 1);
	assert_string_equal(b->names[1], "a??");
	for (unsigned i = 0; i < 200; i++) {
		snprintf(name, sizeof name, "v%u", i);
		assert_int_equal(board_version(b, span_of(name)),
		    i + 2 < BOARD_VERSIONS ? i + 2 : BOARD_VERSIONS - 1);
	}
	assert_string_equal(b->names[BOARD_VERSIONS - 1], BOARD_OTHERS);
	assert_int_equal(board_versions(b), BOARD_VERSIONS);
	memset(name, 'x', sizeof name);
	board_version(b, (struct span){name, sizeof name});
	assert_int_equal(board_version(b, SPAN("v3")), 5);
	board_free(b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_answers),
	    cmocka_unit_test(test_long_body),
	    cmocka_unit_test(test_known_bodies),
	    cmocka_unit_test(test_wrong),
	    cmocka_unit_test(test_board),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
