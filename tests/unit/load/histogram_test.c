/* Three digits, against sorted values. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "load/count.h"
#include "load/histogram.h"

#define VALUES 20000u

static void
test_buckets(void **state)
{
	(void)state;
	for (unsigned sub = 3; sub <= HISTOGRAM_SUB_BITS; sub++) {
		unsigned last = 0;

		for (uint64_t v = 0; v < 1ull << 40; v += 1 + v / 700) {
			unsigned b = histogram_bucket(v, sub);
			uint64_t middle = histogram_middle(b, sub);
			uint64_t off = middle > v ? middle - v : v - middle;

			assert_true(b >= last);
			assert_int_equal(histogram_bucket(middle, sub), b);
			/* half a bucket at most */
			assert_true(off << (sub + 1) <= v);
			last = b;
		}
	}
}

static int
compare(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static void
test_quantiles(void **state)
{
	static const double wanted[] = {
	    0, 0.001, 0.1, 0.5, 0.9, 0.99, 0.999, 0.9999, 1};
	struct histogram *h = calloc(1, sizeof *h);
	uint64_t *values = calloc(VALUES, sizeof *values);
	uint64_t seed = 7, sum = 0;

	(void)state;
	for (unsigned i = 0; i < VALUES; i++) {
		seed = seed * 6364136223846793005ull + 1442695040888963407ull;
		values[i] = (seed >> 33) >> (seed >> 29 & 15);
		histogram_add(h, values[i]);
		sum += values[i];
	}
	qsort(values, VALUES, sizeof *values, compare);
	for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
		unsigned rank = (unsigned)(wanted[i] * VALUES);
		uint64_t right = values[rank < VALUES ? rank : VALUES - 1];
		uint64_t got = histogram_quantile(h, wanted[i]);

		assert_true(got * 1000 >= right * 999);
		assert_true(got * 1000 <= right * 1001);
	}
	assert_int_equal(histogram_quantile(h, 1), values[VALUES - 1]);
	assert_true(histogram_mean(h) == (double)sum / VALUES);
	for (unsigned bits = 12; bits < 31; bits++) {
		unsigned below = 0;

		while (below < VALUES && values[below] < 1ull << bits)
			below++;
		assert_int_equal(histogram_below(h, bits), below);
	}
	free(values);
	free(h);
}

static void
test_empty_and_huge(void **state)
{
	struct histogram *a = calloc(1, sizeof *a), *b = calloc(1, sizeof *b);

	(void)state;
	assert_int_equal(histogram_quantile(a, 0.5), 0);
	assert_true(histogram_mean(a) == 0);
	histogram_add(b, UINT64_MAX >> 1);
	histogram_add(b, 5);
	histogram_merge(a, b);
	histogram_merge(a, NULL);
	histogram_merge(a, b);
	assert_int_equal(count_get(&a->n), 4);
	assert_int_equal(histogram_quantile(a, 1), UINT64_MAX >> 1);
	assert_int_equal(histogram_quantile(a, 0.2), 5);
	free(a);
	free(b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_buckets),
	    cmocka_unit_test(test_quantiles),
	    cmocka_unit_test(test_empty_and_huge),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
