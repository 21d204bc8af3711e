/*
 * How checks move a pod, as a table: rules, state, a row of checks, and the
 * state after each of them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "router/health.h"

#define SECOND 1000000ull

/* In checks + is good, - is bad; one per second from joining on. */
struct row {
	unsigned rise, fall;
	uint32_t start_period_ms;
	enum pod_state from;
	const char *checks;
	const char *states; /* first letters: s u d */
};

static const struct row rows[] = {
    /* rise and fall are in a row */
    {2, 3, 0, POD_STARTING, "++", "su"},
    {2, 3, 0, POD_STARTING, "+-++", "sssu"},
    {1, 1, 0, POD_STARTING, "+-+", "udu"},
    {2, 3, 0, POD_STARTING, "---++", "ssddu"},
    {2, 3, 0, POD_UP, "--+--+---", "uuuuuuuud"},
    {2, 3, 0, POD_UP, "---+-++", "uuddddu"},
    {3, 2, 0, POD_DOWN, "++-+++-", "ddddduu"},
    {1, 2, 0, POD_DOWN, "----+", "ddddu"},
    /* bad checks of a starting pod do not count within start_period */
    {2, 3, 5000, POD_STARTING, "--------", "sssssssd"},
    {1, 1, 3000, POD_STARTING, "----", "sssd"},
    /* until the first good one: then they count at once */
    {2, 1, 9000, POD_STARTING, "--+-++", "sssddu"},
    {2, 2, 9000, POD_STARTING, "+-+-++", "sssssu"},
    {2, 2, 9000, POD_STARTING, "---+--++", "sssssddu"},
    /* but those of any other state do */
    {2, 2, 9000, POD_UP, "--", "ud"},
    {1, 2, 9000, POD_STARTING, "+--", "uud"},
};

static enum pod_state
state_of(char letter)
{
	switch (letter) {
	case 's':
		return POD_STARTING;
	case 'u':
		return POD_UP;
	default:
		return POD_DOWN;
	}
}

static void
test_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		const struct row *r = &rows[i];
		struct health_rules rules = {
		    .enabled = true,
		    .rise = r->rise,
		    .fall = r->fall,
		    .start_period_ms = r->start_period_ms,
		};
		struct health h = {.joined_us = 7 * SECOND};
		enum pod_state now = r->from;

		assert_int_equal(strlen(r->checks), strlen(r->states));
		for (size_t c = 0; r->checks[c] != '\0'; c++) {
			now = health_observe(&rules, &h, now,
			    r->checks[c] == '+', (7 + c) * SECOND);
			if (now != state_of(r->states[c]))
				fail_msg("row %zu: %s after %zu checks", i,
				    pod_state_name(now), c + 1);
		}
	}
}

/* Interval 2 s, fast 500 ms; a state, checks in that state, which of both. */
static void
test_interval(void **state)
{
	static const struct {
		enum pod_state now;
		unsigned good, bad;
		uint32_t interval_ms;
	} cases[] = {
	    {POD_STARTING, 0, 0, 500},
	    {POD_STARTING, 1, 0, 500},
	    {POD_STARTING, 0, 9, 500},
	    {POD_UP, 0, 0, 2000},
	    {POD_UP, 7, 0, 2000},
	    {POD_UP, 0, 1, 500},
	    {POD_DOWN, 0, 0, 2000},
	    {POD_DOWN, 0, 3, 2000},
	    {POD_DOWN, 1, 0, 500},
	};
	struct health_rules rules = {.interval_ms = 2000};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		const struct health h = {
		    .good = cases[i].good, .bad = cases[i].bad};

		rules.fast_interval_ms = 500;
		assert_int_equal(health_interval(&rules, &h, cases[i].now),
		    cases[i].interval_ms);
		rules.fast_interval_ms = 0;
		assert_int_equal(
		    health_interval(&rules, &h, cases[i].now), 2000);
	}
}

static void
test_statuses(void **state)
{
	struct health_rules rules = {0};

	(void)state;
	health_add_statuses(&rules, 200, 204);
	health_add_statuses(&rules, 404, 404);
	health_add_statuses(&rules, 599, 599);
	for (int s = -1; s < 1000; s++)
		assert_int_equal(health_good_status(&rules, s),
		    (s >= 200 && s <= 204) || s == 404 || s == 599);
	health_add_statuses(&rules, 100, 599);
	for (int s = 0; s < 1000; s++)
		assert_int_equal(
		    health_good_status(&rules, s), s >= 100 && s <= 599);
}

/* A few are checked nearly at once, more never later than the interval. */
static void
test_first_bounds(void **state)
{
	static const struct {
		uint32_t interval_ms;
		size_t n;
		uint64_t most_us;
	} cases[] = {
	    {2000, 1, 10000},
	    {2000, 3, 30000},
	    {2000, 200, 2000000},
	    {2000, 10000, 2000000},
	    {1, 10000, 1000},
	    {50, 4, 40000},
	    {50, 6, 50000},
	    {86400000, 60000, 600000000},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		const struct health_rules rules = {
		    .interval_ms = cases[i].interval_ms};

		for (uint64_t place = 0; place < 2000; place++)
			assert_true(health_first_us(&rules, place, cases[i].n) <
				    cases[i].most_us);
	}
}

/*
 * Of any run of places each twentieth of the window gets its share: all pods,
 * or those of one service among many.
 */
static void
test_first_even(void **state)
{
	static const size_t runs[] = {40, 100, 500, 10000};
	const struct health_rules rules = {.interval_ms = 2000};
	const size_t parts = 20;

	(void)state;
	for (size_t i = 0; i < sizeof runs / sizeof runs[0]; i++) {
		for (uint64_t from = 0; from < 1000000; from += 99991) {
			unsigned count[20] = {0};

			for (uint64_t k = from; k < from + runs[i]; k++)
				count[health_first_us(&rules, k, 10000) *
				      parts / 2000000]++;
			for (size_t part = 0; part < parts; part++) {
				assert_true(count[part] + 3 >= runs[i] / parts);
				assert_true(count[part] <= runs[i] / parts + 3);
			}
		}
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_rows),
	    cmocka_unit_test(test_interval),
	    cmocka_unit_test(test_statuses),
	    cmocka_unit_test(test_first_bounds),
	    cmocka_unit_test(test_first_even),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
