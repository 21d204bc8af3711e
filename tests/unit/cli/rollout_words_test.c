/* Rollouts in words, and when they are worth a new line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "admin/rollout_document.h"
#include "cli/rollout_words.h"

#define ARROW  "\xe2\x86\x92"
#define SECOND 1000000u

static struct rollout_row
canary(void)
{
	return (struct rollout_row){
	    .id = 3,
	    .strategy = "canary",
	    .from = "v1",
	    .to = "v2",
	    .verdict = "pass",
	    .reason = "0.4 % errors of 812",
	    .phase = ROLLOUT_PROGRESSING,
	    .step = 1,
	    .steps = 3,
	};
}

static void
expect_words(const struct rollout_row *r, const char *expected)
{
	char buf[ROLLOUT_WORDS_MAX];

	rollout_words(r, buf, sizeof buf);
	assert_string_equal(buf, expected);
}

static void
test_words(void **state)
{
	struct rollout_row r = canary();

	(void)state;
	expect_words(&r,
	    "canary v1 " ARROW " v2, progressing, step 1 of 3, pass: "
	    "0.4 % errors of 812");
	r.reason = "";
	r.verdict = "no_data";
	r.phase = ROLLOUT_PAUSED;
	expect_words(
	    &r, "canary v1 " ARROW " v2, paused, step 1 of 3, no_data");
	r.steps = r.step = 0;
	r.strategy = "rolling";
	expect_words(&r, "rolling v1 " ARROW " v2, paused, no_data");
	r.verdict = "";
	expect_words(&r, "rolling v1 " ARROW " v2, paused");
	r = canary();
	r.phase = ROLLOUT_ROLLING_BACK;
	r.verdict = "fail";
	expect_words(&r,
	    "canary v1 " ARROW " v2, rolling_back at step 1 of 3, fail: "
	    "0.4 % errors of 812");
}

/* No verdict goes on then; the step is told where it was the last. */
static void
test_words_of_what_is_over(void **state)
{
	static const enum rollout_phase over[] = {
	    ROLLOUT_DONE, ROLLOUT_ROLLED_BACK, ROLLOUT_FAILED};
	static const char *const words[] = {
	    "done", "rolled_back at step 1 of 3", "failed at step 1 of 3"};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct rollout_row r = canary();
		char expected[128];

		r.phase = over[i];
		r.reason = "so it is";
		snprintf(expected, sizeof expected,
		    "canary v1 " ARROW " v2, %s: so it is", words[i]);
		expect_words(&r, expected);
	}
}

static void
test_words_are_cut_to_their_room(void **state)
{
	struct rollout_row r = canary();
	char buf[12];

	(void)state;
	rollout_words(&r, buf, 10);
	assert_string_equal(buf, "canary v1");
	rollout_words_way(&r, buf, sizeof buf);
	assert_string_equal(buf, "v1 " ARROW " v2");
}

static void
test_times(void **state)
{
	static const struct {
		uint64_t ms;
		const char *text;
	} rows[] = {
	    {0, "0ms"},
	    {999, "999ms"},
	    {1000, "1s"},
	    {59999, "59s"},
	    {60000, "1m00s"},
	    {185000, "3m05s"},
	    {3599999, "59m59s"},
	    {3600000, "1h00m"},
	    {7380000, "2h03m"},
	    {86400000, "1d0h"},
	    {14 * 86400000ull + 7200000, "14d2h"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		char buf[32];

		rollout_words_time(rows[i].ms, buf, sizeof buf);
		assert_string_equal(buf, rows[i].text);
	}
}

static void
expect_cut(const char *text, size_t columns, const char *expected)
{
	char buf[64];

	snprintf(buf, sizeof buf, "%s", text);
	rollout_words_cut(buf, columns);
	assert_string_equal(buf, expected);
}

static void
test_cut(void **state)
{
	(void)state;
	expect_cut("", 5, "");
	expect_cut("abc", 0, "abc");
	expect_cut("abc", 3, "abc");
	expect_cut("abcd", 3, "abc");
	expect_cut("v1 " ARROW " v2", 3, "v1 ");
	expect_cut("v1 " ARROW " v2", 4, "v1 " ARROW);
	expect_cut("v1 " ARROW " v2", 5, "v1 " ARROW " ");
}

static void
test_what_is_new_is_said_at_once(void **state)
{
	struct rollout_said said = {0};
	struct rollout_row r = canary();

	(void)state;
	assert_true(rollout_words_new(&said, &r, SECOND));
	assert_false(rollout_words_new(&said, &r, SECOND));
	r.step = 2;
	assert_true(rollout_words_new(&said, &r, SECOND));
	r.phase = ROLLOUT_PAUSED;
	assert_true(rollout_words_new(&said, &r, SECOND));
	r.verdict = "fail";
	assert_true(rollout_words_new(&said, &r, SECOND));
	r.id = 4;
	assert_true(rollout_words_new(&said, &r, SECOND));
	assert_false(rollout_words_new(&said, &r, SECOND + 1));
}

/* Its numbers grow with each request. */
static void
test_another_reason_is_said_after_a_while(void **state)
{
	struct rollout_said said = {0};
	struct rollout_row r = canary();

	(void)state;
	assert_true(rollout_words_new(&said, &r, SECOND));
	r.reason = "0.4 % errors of 813";
	assert_false(rollout_words_new(&said, &r, SECOND + 4999999));
	assert_true(rollout_words_new(&said, &r, SECOND + 5000000));
	assert_false(rollout_words_new(&said, &r, SECOND + 20000000));
}

/* One that is longer than what is kept of it is not new for ever. */
static void
test_a_long_reason(void **state)
{
	struct rollout_said said = {0};
	struct rollout_row r = canary();
	char reason[1000];

	(void)state;
	memset(reason, 'x', sizeof reason - 1);
	reason[sizeof reason - 1] = '\0';
	r.reason = reason;
	assert_true(rollout_words_new(&said, &r, 0));
	assert_false(rollout_words_new(&said, &r, 60ull * SECOND));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_words),
	    cmocka_unit_test(test_words_of_what_is_over),
	    cmocka_unit_test(test_words_are_cut_to_their_room),
	    cmocka_unit_test(test_times),
	    cmocka_unit_test(test_cut),
	    cmocka_unit_test(test_what_is_new_is_said_at_once),
	    cmocka_unit_test(test_another_reason_is_said_after_a_while),
	    cmocka_unit_test(test_a_long_reason),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
