/* Bounds that hold however often one looks; chance comes from a seed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdbool.h>

#include "strategies/evidence.h"

static uint64_t chance;

static double
roll(void)
{
	chance ^= chance << 13;
	chance ^= chance >> 7;
	chance ^= chance << 17;
	return (double)(chance >> 11) / (double)(1ull << 53);
}

static void
test_nothing_seen(void **state)
{
	double low, high;

	(void)state;
	evidence_bounds((struct tries){0, 0}, 0.05, &low, &high);
	assert_true(low == 0 && high == 1);
	assert_true(tries_ratio((struct tries){0, 0}) == 0);
}

/* The bounds lie around what was seen, and close in on it. */
static void
test_bounds(void **state)
{
	static const struct tries rows[] = {{1, 0}, {1, 1}, {10, 0}, {10, 10},
	    {100, 1}, {100, 50}, {1000000, 0}, {1000000, 10}, {1000000, 500000},
	    {1000000000, 1000}};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		double low, high, seen = tries_ratio(rows[i]);

		evidence_bounds(rows[i], 0.05, &low, &high);
		assert_true(low >= 0 && low <= seen);
		assert_true(high <= 1 && high >= seen);
		if (rows[i].n >= 1000000)
			assert_true(high - low < 0.006);
		/* surer is wider */
		assert_true(evidence_at_least(rows[i], 0.001) <=
			    evidence_at_least(rows[i], 0.05));
	}
}

/* A version that fails every request is known after very few of them. */
static void
test_all_fail(void **state)
{
	struct tries t = {0, 0};

	(void)state;
	while (evidence_at_least(t, 0.05) <= 0.01)
		t = (struct tries){t.n + 1, t.errors + 1};
	assert_int_equal(t.n, 1);
	while (evidence_at_least(t, 0.05) <= 0.5)
		t = (struct tries){t.n + 1, t.errors + 1};
	assert_in_range(t.n, 5, 10);
}

/*
 * 1,000 versions exactly at the limit, each looked at after each of 2,000
 * requests: at most alpha of them are ever beyond it.
 */
static void
test_ever_wrong(void **state)
{
	static const double limits[] = {0.01, 0.1, 0.5};

	(void)state;
	chance = 20261121;
	for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
		unsigned wrong = 0;

		for (unsigned k = 0; k < 1000; k++) {
			struct tries t = {0, 0};

			while (t.n < 2000) {
				bool error = roll() < limits[i];

				t.n++;
				t.errors += error;
				if (error &&
				    evidence_at_least(t, 0.05) > limits[i]) {
					wrong++;
					break;
				}
			}
		}
		assert_in_range(wrong, 0, 50);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_nothing_seen),
	    cmocka_unit_test(test_bounds),
	    cmocka_unit_test(test_all_fail),
	    cmocka_unit_test(test_ever_wrong),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
