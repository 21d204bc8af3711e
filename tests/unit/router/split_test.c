/*
 * The exact split as a property: over every prefix of its order each version
 * has had its share within one ticket, and weight 0 has had nothing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdbool.h>

#include "router/split.h"

#define MANY	20u
#define THREADS 4u
#define TICKETS 100003u /* per thread; no multiple of a period */

static uint64_t seed = 88172645463325252ull;

static uint64_t
chance(uint64_t below)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed % below;
}

static struct split *
make(const uint64_t *weights, size_t n)
{
	char why[128] = "";
	struct split *s = split_new(weights, n, why, sizeof why);

	assert_string_equal(why, "");
	assert_non_null(s);
	return s;
}

/*
 * |count - tickets*weight/total| <= 1 - 1/(2k-2) with k weights above 0, in
 * integers; for k = 1 there is nothing to be off by.
 */
static bool
within_bound(uint64_t count, uint64_t tickets, uint64_t weight, uint64_t total,
    uint64_t k)
{
	unsigned __int128 has = (unsigned __int128)count * total;
	unsigned __int128 due = (unsigned __int128)tickets * weight;
	unsigned __int128 off = has < due ? due - has : has - due;
	uint64_t d = 2 * k - 2;

	return k == 1 ? off == 0
		      : off * d <= (unsigned __int128)total * (d - 1);
}

/* Over every prefix of the first `tickets` tickets. */
static void
check_exact(const uint64_t *weights, size_t n, uint64_t tickets)
{
	struct split *s = make(weights, n);
	uint64_t counts[SPLIT_VERSIONS_MAX] = {0}, total = 0, k = 0;
	bool exact = true;

	for (size_t i = 0; i < n; i++) {
		total += weights[i];
		k += weights[i] > 0;
	}
	for (uint64_t t = 1; t <= tickets; t++) {
		unsigned got = split_next(s);

		assert_true(got < n);
		assert_int_equal(got, split_at(s, t - 1));
		counts[got]++;
		for (size_t i = 0; i < n; i++)
			exact &=
			    within_bound(counts[i], t, weights[i], total, k);
		assert_true(exact);
	}
	for (size_t i = 0; i < n; i++)
		if (weights[i] == 0)
			assert_int_equal(counts[i], 0);
	split_drop(s);
}

static void
test_known_splits(void **state)
{
	static const struct {
		uint64_t weights[4];
		size_t n;
		uint32_t period;
	} rows[] = {
	    {{800000, 200000}, 2, 5},
	    {{500000, 500000}, 2, 2},
	    {{10000}, 1, 1},
	    {{0, 1000000}, 2, 1},
	    {{990000, 10000}, 2, 100},
	    {{999900, 100}, 2, 10000},
	    {{989900, 10000, 100}, 3, 10000},
	    {{10000, 10000, 10000}, 3, 3},
	    {{700000, 0, 200000, 100000}, 4, 10},
	    {{1, 999999}, 2, 1000000},
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct split *s = make(rows[i].weights, rows[i].n);

		assert_int_equal(split_period(s), rows[i].period);
		split_drop(s);
		check_exact(
		    rows[i].weights, rows[i].n, 2 * (uint64_t)rows[i].period);
	}
}

static void
test_random_weights(void **state)
{
	(void)state;
	for (size_t n = 1; n <= MANY; n++) {
		for (int round = 0; round < 12; round++) {
			uint64_t weights[MANY], total = 0;
			uint64_t span = round < 6 ? 10 : 1500;

			for (size_t i = 0; i < n; i++) {
				weights[i] = chance(span) * 100;
				if (chance(5) == 0)
					weights[i] = 0;
				total += weights[i];
			}
			if (total == 0)
				weights[chance(n)] = total = 100;
			/* The sum in units of 100 is a multiple of a period. */
			check_exact(weights, n, 2 * total / 100);
		}
	}
}

static void
test_most_versions(void **state)
{
	uint64_t weights[SPLIT_VERSIONS_MAX];

	(void)state;
	for (size_t i = 0; i < SPLIT_VERSIONS_MAX; i++)
		weights[i] = 1 + i % 7;
	check_exact(weights, SPLIT_VERSIONS_MAX, 2100);
}

/* Sums above SPLIT_PERIOD_MAX are scaled: each share stays within 1/max. */
static void
test_scaled(void **state)
{
	static const uint64_t rows[][5] = {
	    {9999999000, 20000, 333333333, 0, 5000000019},
	    {2000001, 2000003, 2000005, 2000007, 2000009},
	    {1000003, 0, 2, 5, 0},
	    {WEIGHT_MAX, WEIGHT_MAX, WEIGHT_MAX, 30001, 0},
	};

	(void)state;
	for (size_t row = 0; row < sizeof rows / sizeof rows[0]; row++) {
		const uint64_t *weights = rows[row];
		struct split *s = make(weights, 5);
		uint64_t counts[5] = {0}, total = 0;
		double period = split_period(s);

		assert_true(period <= SPLIT_PERIOD_MAX);
		for (uint32_t i = 0; i < split_period(s); i++)
			counts[split_next(s)]++;
		for (size_t i = 0; i < 5; i++)
			total += weights[i];
		for (size_t i = 0; i < 5; i++) {
			double off = (double)counts[i] / period -
				     (double)weights[i] / (double)total;

			assert_true(off < 1.0 / SPLIT_PERIOD_MAX);
			assert_true(off > -1.0 / SPLIT_PERIOD_MAX);
			assert_true((counts[i] == 0) == (weights[i] == 0));
		}
		split_drop(s);
	}
}

static void
test_refused(void **state)
{
	static const struct {
		uint64_t weights[3];
		size_t n;
		const char *why;
	} rows[] = {
	    {{0, 0}, 2,
		"weights add up to 0: at least one version needs a weight "
		"above 0"},
	    {{0}, 0,
		"weights add up to 0: at least one version needs a weight "
		"above 0"},
	    {{1, WEIGHT_MAX}, 2,
		"weight 0.0001 is too small a part of their sum "
		"1000000.0001: the smallest share above 0 is 1/1000000"},
	    {{1000000, 1000000, 1}, 3,
		"weight 0.0001 is too small a part of their sum 200.0001: the "
		"smallest share above 0 is 1/1000000"},
	    {{1, WEIGHT_MAX + 1}, 2, "a weight is above 1000000"},
	};
	uint64_t many[SPLIT_VERSIONS_MAX + 1] = {1};
	char why[128];

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		assert_null(
		    split_new(rows[i].weights, rows[i].n, why, sizeof why));
		assert_string_equal(why, rows[i].why);
	}
	assert_null(split_new(many, SPLIT_VERSIONS_MAX + 1, why, sizeof why));
	assert_string_equal(why, "256 weights, at most 255 are possible");
}

static void
test_hold(void **state)
{
	const uint64_t weights[] = {1, 2};
	struct split *s = make(weights, 2), *same = split_hold(s);

	(void)state;
	assert_ptr_equal(s, same);
	split_drop(s);
	assert_true(split_next(same) < 2);
	split_drop(same);
	split_drop(NULL);
}

/* A look changes nothing, and foretells each ticket, over the end, too. */
static void
test_peek(void **state)
{
	const uint64_t weights[] = {5, 0, 3, 1};
	struct split *s = make(weights, 4);

	(void)state;
	for (unsigned i = 0; i < 3 * split_period(s); i++) {
		unsigned foreseen = split_peek(s);

		for (unsigned k = 0; k < i % 4; k++)
			assert_int_equal(split_peek(s), foreseen);
		assert_int_equal(foreseen, split_at(s, i));
		assert_int_equal(split_next(s), foreseen);
	}
	split_drop(s);
}

struct drawer {
	struct split *split;
	uint64_t counts[3];
};

static void *
draw(void *arg)
{
	struct drawer *d = arg;

	for (unsigned i = 0; i < TICKETS; i++)
		d->counts[split_next(d->split)]++;
	return NULL;
}

/* Whoever draws: all tickets together are a prefix of the order. */
static void
test_threads(void **state)
{
	const uint64_t weights[] = {800000, 190000, 10000}, total = 1000000;
	struct split *s = make(weights, 3);
	struct drawer drawers[THREADS];
	pthread_t threads[THREADS];

	(void)state;
	for (unsigned i = 0; i < THREADS; i++) {
		drawers[i] = (struct drawer){.split = s};
		assert_int_equal(
		    pthread_create(&threads[i], NULL, draw, &drawers[i]), 0);
	}
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	for (size_t v = 0; v < 3; v++) {
		uint64_t count = 0;

		for (unsigned i = 0; i < THREADS; i++)
			count += drawers[i].counts[v];
		assert_true(within_bound(
		    count, (uint64_t)THREADS * TICKETS, weights[v], total, 3));
	}
	split_drop(s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_known_splits),
	    cmocka_unit_test(test_random_weights),
	    cmocka_unit_test(test_most_versions),
	    cmocka_unit_test(test_scaled),
	    cmocka_unit_test(test_refused),
	    cmocka_unit_test(test_hold),
	    cmocka_unit_test(test_peek),
	    cmocka_unit_test(test_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
