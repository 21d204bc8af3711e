/* Slots over time: filled, folded, merged, asked for quantiles. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "load/timeline.h"

#define MS 1000000ull

static uint64_t
total(const struct timeline *t, unsigned version)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < t->n; i++)
		n += t->slots[i].requests[version];
	return n;
}

static void
test_slots(void **state)
{
	struct timeline *t = timeline_new();

	(void)state;
	timeline_add(t, 0, 1, false, 5 * MS);
	timeline_add(t, 99 * MS, 1, true, UINT64_MAX);
	timeline_add(t, 100 * MS, 2, false, 7 * MS);
	assert_int_equal(t->n, 2);
	assert_int_equal(t->slots[0].requests[1], 2);
	assert_int_equal(t->slots[0].errors[1], 1);
	assert_int_equal(t->slots[0].answered, 1);
	assert_int_equal(t->slots[1].requests[2], 1);
	assert_int_equal(t->slots[1].max_ns, 7 * MS);
	timeline_free(t);
}

/* However long it lasts, nothing is lost and the slots suffice. */
static void
test_folds(void **state)
{
	struct timeline *t = timeline_new();

	(void)state;
	for (uint64_t ms = 0; ms < 1000000; ms += 50)
		timeline_add(t, ms * MS, 3, ms % 200 == 0, ms * 1000);
	assert_true(t->n <= TIMELINE_SLOTS && t->n > TIMELINE_SLOTS / 2);
	assert_int_equal(t->width_ns, 32 * TIMELINE_WIDTH_NS);
	assert_int_equal(total(t, 3), 20000);
	for (unsigned i = 0; i + 1 < t->n; i++) {
		assert_int_equal(t->slots[i].requests[3], 64);
		assert_int_equal(t->slots[i].errors[3], 16);
	}
	timeline_free(t);
}

static void
test_merges(void **state)
{
	struct timeline *fine = timeline_new(), *coarse = timeline_new();
	unsigned places[BOARD_VERSIONS];

	(void)state;
	for (unsigned i = 0; i < BOARD_VERSIONS; i++)
		places[i] = (i + 1) % BOARD_VERSIONS;
	timeline_add(fine, 150 * MS, 5, false, MS);
	timeline_add(coarse, 100000 * MS, 4, true, MS);
	timeline_add(coarse, 150 * MS, 4, false, 2 * MS);
	timeline_merge(fine, coarse, places);
	assert_int_equal(fine->width_ns, coarse->width_ns);
	assert_int_equal(total(fine, 5), 3);
	assert_int_equal(fine->slots[0].answered, 2);
	assert_int_equal(fine->slots[0].max_ns, 2 * MS);
	timeline_free(fine);
	timeline_free(coarse);
}

static void
test_quantiles(void **state)
{
	struct timeline *t = timeline_new();
	uint64_t p50, p99;

	(void)state;
	assert_int_equal(timeline_quantile(&t->slots[0], 0.5), 0);
	for (unsigned i = 1; i <= 1000; i++)
		timeline_add(t, 0, 0, false, i * MS);
	p50 = timeline_quantile(&t->slots[0], 0.5);
	p99 = timeline_quantile(&t->slots[0], 0.99);
	assert_true(p50 >= 492 * MS && p50 <= 510 * MS);
	assert_true(p99 >= 975 * MS && p99 <= 1000 * MS);
	assert_true(timeline_quantile(&t->slots[0], 1) == 1000 * MS);
	timeline_add(t, 0, 0, false, UINT64_MAX - 1);
	assert_true(timeline_quantile(&t->slots[0], 1) == UINT64_MAX - 1);
	timeline_free(t);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_slots),
	    cmocka_unit_test(test_folds),
	    cmocka_unit_test(test_merges),
	    cmocka_unit_test(test_quantiles),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
