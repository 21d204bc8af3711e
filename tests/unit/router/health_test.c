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
    {2, 1, 9000, POD_STARTING, "+-+-++", "sssssu"},
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

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_rows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
