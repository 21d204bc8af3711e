/* Buckets without gaps, and quantiles against sorted values. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/hist.h"

#define VALUES 5000u

static void
test_no_gaps(void **state)
{
	uint64_t lower = 0;

	(void)state;
	for (unsigned b = 0; b < HIST_BUCKETS; b++) {
		uint64_t upper = hist_upper(b);

		assert_true(upper > lower);
		assert_int_equal(hist_bucket(lower), b);
		assert_int_equal(hist_bucket(upper - 1), b);
		/* No wider than an eighth of what it begins with. */
		assert_true(lower < 8 || (upper - lower) * 8 <= lower);
		lower = upper;
	}
	assert_true(lower == 1ull << 36);
}

static void
test_beyond_the_last(void **state)
{
	(void)state;
	assert_int_equal(hist_bucket(1ull << 36), HIST_BUCKETS - 1);
	assert_int_equal(hist_bucket(UINT64_MAX), HIST_BUCKETS - 1);
}

static void
test_quantile_of_few(void **state)
{
	uint64_t counts[HIST_BUCKETS] = {0};

	(void)state;
	assert_int_equal(hist_quantile(counts, 0.5), 0);
	counts[hist_bucket(1000)] = 1;
	assert_int_equal(
	    hist_quantile(counts, 0), hist_upper(hist_bucket(1000)));
	assert_int_equal(
	    hist_quantile(counts, 1), hist_upper(hist_bucket(1000)));
	/* 99 fast ones, one slow: the 99th of a hundred is the slow one. */
	counts[hist_bucket(1000)] = 99;
	counts[hist_bucket(50000)] = 1;
	assert_int_equal(
	    hist_quantile(counts, 0.98), hist_upper(hist_bucket(1000)));
	assert_int_equal(
	    hist_quantile(counts, 0.99), hist_upper(hist_bucket(50000)));
}

static int
compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static void
test_quantile_of_many(void **state)
{
	static uint64_t values[VALUES];
	uint64_t counts[HIST_BUCKETS] = {0}, x = 88172645463325252ull;

	(void)state;
	for (size_t i = 0; i < VALUES; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		/* Spread over all orders of magnitude. */
		values[i] = 8 + (x >> 8) % (1ull << (4 + x % 30));
		counts[hist_bucket(values[i])]++;
	}
	qsort(values, VALUES, sizeof values[0], compare);
	for (unsigned q = 0; q <= 1000; q++) {
		size_t rank = (size_t)(q / 1000.0 * VALUES);
		uint64_t got = hist_quantile(counts, q / 1000.0), exact;

		exact = values[rank < VALUES ? rank : VALUES - 1];
		assert_true(got > exact);
		assert_true(got <= exact + exact / 8 + 1);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_no_gaps),
	    cmocka_unit_test(test_beyond_the_last),
	    cmocka_unit_test(test_quantile_of_few),
	    cmocka_unit_test(test_quantile_of_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
