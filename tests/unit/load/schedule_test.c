/* Intended times: exact, never drifting, rising with a ramp. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "load/schedule.h"

#define SECOND 1000000000ull

static struct schedule
read(const char *text)
{
	struct schedule s = {0};
	char why[256];

	assert_true(schedule_read_rate(span_of(text), &s, why, sizeof why));
	return s;
}

static void
test_constant(void **state)
{
	static const struct {
		const char *rate;
		uint64_t k, at;
	} rows[] = {
	    {"100", 0, 0},
	    {"100", 1, 10000000},
	    {"100", 250, 2500000000ull},
	    {"3", 1, 333333333},
	    {"3", 3, SECOND},
	    {"3", 3000000000ull, 1000000000ull * SECOND},
	    {"0.5", 7, 14 * SECOND},
	    {"7", 7ull * 86400 * 31, 86400ull * 31 * SECOND},
	    {"10000000", 10000000ull * 3600, 3600 * SECOND},
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct schedule s = read(rows[i].rate);

		assert_int_equal(schedule_at(&s, rows[i].k), rows[i].at);
	}
}

static void
test_totals(void **state)
{
	static const struct {
		const char *rate;
		uint64_t ramp, duration, requests, total;
	} rows[] = {
	    {"100", 0, 10 * SECOND, UINT64_MAX, 1000},
	    {"3", 0, SECOND, UINT64_MAX, 3},
	    {"3", 0, SECOND + 1, UINT64_MAX, 4},
	    {"0.1", 0, SECOND, UINT64_MAX, 1},
	    {"100", 0, 10 * SECOND, 7, 7},
	    {"100", 0, UINT64_MAX, 12345, 12345},
	    /* (100 + 300) / 2 * 10 */
	    {"100..300", 10 * SECOND, 10 * SECOND, UINT64_MAX, 2000},
	    {"0..100", 10 * SECOND, 10 * SECOND, UINT64_MAX, 500},
	    {"300..100", 10 * SECOND, 10 * SECOND, UINT64_MAX, 2000},
	    /* 1000 while it rises, and 5 seconds of 200 */
	    {"0..200", 10 * SECOND, 15 * SECOND, UINT64_MAX, 2000},
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct schedule s = read(rows[i].rate);

		schedule_settle(
		    &s, rows[i].ramp, rows[i].duration, rows[i].requests);
		assert_int_equal(s.total, rows[i].total);
	}
}

/* At each moment of a ramp as many are due as the line has below it. */
static void
test_ramp(void **state)
{
	struct schedule s = read("50..450");
	uint64_t before = 0;

	(void)state;
	schedule_settle(&s, 8 * SECOND, 20 * SECOND, UINT64_MAX);
	assert_int_equal(s.total, 2000 + 12 * 450);
	for (uint64_t k = 0; k < s.total; k++) {
		uint64_t at = schedule_at(&s, k);
		double t = (double)at / 1e9;
		double due = t < 8 ? 50 * t + 25 * t * t : 2000 + 450 * (t - 8);

		assert_true(at >= before);
		assert_true(due > (double)k - 0.01 && due < (double)k + 0.01);
		before = at;
	}
}

static void
test_wrong(void **state)
{
	static const char *const texts[] = {"", "0", "x", "-1", "1e3", "..",
	    "1..", "..5", "0..0", "10000001", "1..2..3", "1 "};
	struct schedule s;
	char why[256];

	(void)state;
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
		why[0] = '\0';
		assert_false(
		    schedule_read_rate(span_of(texts[i]), &s, why, sizeof why));
		assert_non_null(strstr(why, "requests per second"));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_constant),
	    cmocka_unit_test(test_totals),
	    cmocka_unit_test(test_ramp),
	    cmocka_unit_test(test_wrong),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
