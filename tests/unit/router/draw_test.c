/* Draws by weight: every ticket has its owner, rounds are exact and even. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "router/draw.h"

#define PODS 10000u

static uint64_t seed = 88172645463325252ull;

static uint32_t
chance(uint32_t below)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (uint32_t)((seed >> 32) * below >> 32);
}

/* The smallest roll that leads to this ticket of so many. */
static uint32_t
roll_of(uint32_t ticket, uint32_t total)
{
	return (uint32_t)((((uint64_t)ticket << 32) + total - 1) / total);
}

static void
assert_counts(
    const struct draw *d, const uint32_t *counts, unsigned n, unsigned without)
{
	for (unsigned i = 0; i < n; i++)
		assert_int_equal(
		    counts[i], i == without ? 0 : draw_weight(d, i));
}

/* All tickets, in turn and by chance, with and without the first pod. */
static void
assert_exact(const struct draw *d, unsigned n)
{
	const uint32_t total = draw_total(d), rest = total - draw_weight(d, 0);
	uint32_t *turns = calloc(n, sizeof *turns);
	uint32_t *chances = calloc(n, sizeof *chances);
	uint32_t *others = calloc(n, sizeof *others);
	const uint32_t from = chance(1000);

	assert_true(turns != NULL && chances != NULL && others != NULL);
	for (uint32_t t = 0; t < total; t++) {
		turns[draw_in_turn(d, from + t)]++;
		chances[draw_by_chance(d, roll_of(t, total))]++;
	}
	for (uint32_t t = 0; t < rest; t++)
		others[draw_another(d, roll_of(t, rest), 0)]++;
	assert_counts(d, turns, n, n);
	assert_counts(d, chances, n, n);
	assert_counts(d, others, n, 0);
	free(turns);
	free(chances);
	free(others);
}

static void
test_small(void **state)
{
	static const uint16_t weights[][4] = {{1, 2, 3, 4}, {1000, 1, 1, 1},
	    {1, 1, 1, 1000}, {7, 7, 7, 7}, {30, 10, 20, 40}};
	struct draw *d = draw_new(4);

	(void)state;
	assert_non_null(d);
	for (size_t i = 0; i < sizeof weights / sizeof weights[0]; i++) {
		draw_fill(d, weights[i], 4);
		assert_exact(d, 4);
	}
	/* What they have in common plays no part. */
	assert_int_equal(draw_total(d), 10);
	assert_int_equal(draw_weight(d, 3), 4);
	draw_free(d);
}

static void
test_random_weights(void **state)
{
	struct draw *d = draw_new(64);
	uint16_t weights[64];

	(void)state;
	assert_non_null(d);
	for (unsigned round = 0; round < 200; round++) {
		const unsigned n = 2 + chance(63);
		const uint32_t most = round % 3 == 0 ? 4 : POD_WEIGHT_MAX;

		for (unsigned i = 0; i < n; i++)
			weights[i] = (uint16_t)(1 + chance(most));
		draw_fill(d, weights, n);
		assert_exact(d, n);
	}
	draw_free(d);
}

/* Half of them weigh next to nothing, the other half all they may. */
static void
test_many(void **state)
{
	struct draw *d = draw_new(PODS);
	uint16_t *weights = calloc(PODS, sizeof *weights);

	(void)state;
	assert_true(d != NULL && weights != NULL);
	for (unsigned i = 0; i < PODS; i++)
		weights[i] = i < PODS / 2 ? 1 : POD_WEIGHT_MAX;
	draw_fill(d, weights, PODS);
	assert_exact(d, PODS);
	free(weights);
	draw_free(d);
}

/* A pod's turns do not come in bursts: of any run it has about its share. */
static void
test_turns_are_spread(void **state)
{
	static const uint16_t weights[] = {50, 30, 10, 5, 3, 1, 1};
	const unsigned n = sizeof weights / sizeof weights[0];
	struct draw *d = draw_new(n);

	(void)state;
	assert_non_null(d);
	draw_fill(d, weights, n);
	for (uint32_t from = 0; from < 100; from++) {
		uint32_t had[7] = {0};

		for (uint32_t t = 0; t < 100; t++) {
			had[draw_in_turn(d, from + t)]++;
			for (unsigned i = 0; i < n; i++) {
				int off = (int)(100 * had[i]) -
					  (int)((t + 1) * weights[i]);

				assert_in_range(off + 250, 0, 500);
			}
		}
	}
	draw_free(d);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_small),
	    cmocka_unit_test(test_random_weights),
	    cmocka_unit_test(test_many),
	    cmocka_unit_test(test_turns_are_spread),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
