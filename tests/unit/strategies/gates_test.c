/*
 * Verdicts and their words as a table; and how soon bad canaries are stopped
 * and how seldom good ones, with chance from a seed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "strategies/gates.h"

static const struct gates none = {
    .max_error_rate = -1,
    .max_error_increase = -1,
    .max_p99_increase = -1,
    .confidence = 0.95,
};

static struct sample
sample(uint64_t n, uint64_t errors, uint64_t p99_us)
{
	const struct tries t = {n, errors};

	return (struct sample){t, t, t, p99_us};
}

static void
test_table(void **state)
{
	static const struct {
		double rate, increase;
		uint64_t p99_us;
		double p99_increase;
		struct {
			uint64_t n, errors, p99_us;
		} candidate, stable;
		enum verdict verdict;
		const char *why;
	} rows[] = {
	    {-1, -1, 0, -1, {0, 0, 0}, {900, 0, 0}, VERDICT_NONE, ""},
	    {-1, -1, 0, -1, {200, 99, 9000}, {900, 0, 1}, VERDICT_NONE, ""},
	    {0.01, -1, 0, -1, {0, 0, 0}, {900, 0, 0}, VERDICT_NO_DATA,
		"0 of 100 requests seen"},
	    {0.01, -1, 0, -1, {99, 0, 0}, {900, 0, 0}, VERDICT_NO_DATA,
		"99 of 100 requests seen"},
	    {0.01, -1, 0, -1, {200, 1, 0}, {900, 9, 0}, VERDICT_PASS,
		"0.5 % errors of 200, stable 1 % of 900"},
	    /* evidence needs no minimum */
	    {0.01, -1, 0, -1, {3, 3, 0}, {900, 0, 0}, VERDICT_FAIL,
		"100 % errors of 3, limit 1 %"},
	    {0.01, -1, 0, -1, {812, 33, 0}, {900, 0, 0}, VERDICT_FAIL,
		"4.06 % errors of 812, limit 1 %"},
	    {0.01, -1, 0, -1, {100, 2, 0}, {900, 0, 0}, VERDICT_NO_DATA,
		"2 % errors of 100, stable 0 % of 900: beyond the limit, but "
		"maybe by chance"},
	    {0, -1, 0, -1, {100, 1, 0}, {900, 0, 0}, VERDICT_FAIL,
		"1 % errors of 100, limit 0 %"},
	    {-1, 0.005, 0, -1, {1000, 200, 0}, {9000, 1800, 0}, VERDICT_PASS,
		"20 % errors of 1000, stable 20 % of 9000"},
	    {-1, 0.005, 0, -1, {1000, 400, 0}, {9000, 1800, 0}, VERDICT_FAIL,
		"40 % errors of 1000, stable 20 % of 9000, limit +0.5 %"},
	    {-1, -1, 300000, -1, {100, 0, 300001}, {900, 0, 1}, VERDICT_FAIL,
		"p99 300.0 ms of 100, limit 300.0 ms"},
	    {-1, -1, 300000, -1, {99, 0, 300001}, {900, 0, 1}, VERDICT_NO_DATA,
		"99 of 100 requests seen"},
	    {-1, -1, 0, 0.2, {100, 0, 130000}, {100, 0, 100000}, VERDICT_FAIL,
		"p99 130.0 ms of 100, stable 100.0 ms, limit +20 %"},
	    {-1, -1, 0, 0.2, {100, 0, 110000}, {100, 0, 100000}, VERDICT_PASS,
		"0 % errors of 100, stable 0 % of 100"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct gates g = none;
		struct sample c = sample(rows[i].candidate.n,
		    rows[i].candidate.errors, rows[i].candidate.p99_us);
		struct sample s = sample(rows[i].stable.n,
		    rows[i].stable.errors, rows[i].stable.p99_us);
		char why[160];

		g.min_requests = 100;
		g.max_error_rate = rows[i].rate;
		g.max_error_increase = rows[i].increase;
		g.max_p99_us = rows[i].p99_us;
		g.max_p99_increase = rows[i].p99_increase;
		assert_int_equal(
		    gates_any(&g), rows[i].verdict != VERDICT_NONE);
		assert_string_equal(
		    verdict_name(gates_judge(&g, &c, &s, 0, why, sizeof why)),
		    verdict_name(rows[i].verdict));
		assert_string_equal(why, rows[i].why);
	}
	assert_false(gates_any(&none));
}

static uint64_t chance;

static bool
happens(double probability)
{
	chance ^= chance << 13;
	chance ^= chance >> 7;
	chance ^= chance << 17;
	return (double)(chance >> 11) / (double)(1ull << 53) < probability;
}

/*
 * One canary at a tenth of the traffic, looked at after each of its requests,
 * in epochs of 500. After how many it is stopped; 0 = never.
 */
static unsigned
stopped_after(const struct gates *g, double bad, double good, unsigned most)
{
	struct sample c = {0}, s = {0};
	char why[160];

	for (unsigned i = 1; i <= most; i++) {
		bool error = happens(bad);

		if (i % 500 == 0) {
			c.epoch = (struct tries){0, 0};
			s.epoch = (struct tries){0, 0};
		}
		c.step.n++, c.epoch.n++;
		c.step.errors += error, c.epoch.errors += error;
		for (unsigned k = 0; k < 9; k++) {
			bool stable_error = happens(good);

			s.step.n++, s.epoch.n++;
			s.step.errors += stable_error;
			s.epoch.errors += stable_error;
		}
		if (error && gates_judge(g, &c, &s, i / 500, why, sizeof why) ==
				 VERDICT_FAIL)
			return i;
	}
	return 0;
}

static int
compare(const void *a, const void *b)
{
	const unsigned x = *(const unsigned *)a, y = *(const unsigned *)b;

	return x < y ? -1 : x > y;
}

/* 1,000 canaries that are as good as stable: 5 % may be stopped, no more. */
static void
test_false_stops(void **state)
{
	struct gates g = none;
	unsigned stopped = 0;

	(void)state;
	chance = 20261121;
	g.max_error_increase = 0;
	for (unsigned i = 0; i < 1000; i++)
		stopped += stopped_after(&g, 0.02, 0.02, 3000) != 0;
	assert_in_range(stopped, 0, 50);
	g = none;
	g.max_error_rate = 0.02;
	stopped = 0;
	for (unsigned i = 0; i < 1000; i++)
		stopped += stopped_after(&g, 0.02, 0.02, 3000) != 0;
	assert_in_range(stopped, 0, 50);
}

/* The 95 of 100 that are stopped soonest: how soon, as the manual states. */
static void
test_true_stops(void **state)
{
	static const struct {
		double good, bad, increase;
		unsigned within;
	} rows[] = {
	    {0.01, 1.0, 0.005, 8},
	    {0.01, 0.25, 0.005, 80},
	    {0.01, 0.05, 0.005, 1300},
	    {0.01, 0.02, 0, 10000},
	};

	(void)state;
	chance = 7;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct gates g = none;
		unsigned after[100];

		g.max_error_increase = rows[i].increase;
		for (unsigned k = 0; k < 100; k++) {
			after[k] =
			    stopped_after(&g, rows[i].bad, rows[i].good, 20000);
			assert_int_not_equal(after[k], 0);
		}
		qsort(after, 100, sizeof after[0], compare);
		if (after[94] > rows[i].within)
			fail_msg("row %zu: %u requests", i, after[94]);
	}
}

/* A fault that comes after long good times is seen as soon. */
static void
test_late_fault(void **state)
{
	struct gates g = none;
	struct sample c = {0}, s = {0};
	char why[160];
	unsigned n = 0;

	(void)state;
	g.max_error_rate = 0.01;
	c.step.n = s.step.n = 1000000;
	do {
		n++;
		c.step.n++, c.epoch.n++;
		c.step.errors++, c.epoch.errors++;
	} while (
	    gates_judge(&g, &c, &s, 1000, why, sizeof why) != VERDICT_FAIL);
	assert_in_range(n, 2, 8);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_table),
	    cmocka_unit_test(test_false_stops),
	    cmocka_unit_test(test_true_stops),
	    cmocka_unit_test(test_late_fault),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
