/* The timing wheel: nothing early, nothing lost, moving both ways. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proxy/wheel.h"

#define ENTRIES 500

static struct wheel wheel;
static struct wheel_entry entries[ENTRIES];
static uint64_t expired_at[ENTRIES];
static uint64_t now;

static void
note(struct wheel_entry *e)
{
	expired_at[e - entries] = now;
}

static void
reset(uint64_t start)
{
	memset(entries, 0, sizeof entries);
	memset(expired_at, 0, sizeof expired_at);
	now = start;
	wheel_init(&wheel, now);
}

static void
run_until(uint64_t end)
{
	while (now < end) {
		now += 20000;
		wheel_advance(&wheel, now, note);
	}
}

static void
expires_once_within_a_tick(void **state)
{
	(void)state;
	reset(7777777);
	wheel_set(&wheel, &entries[0], now + 300000);
	run_until(7777777 + 299000);
	assert_int_equal(expired_at[0], 0);
	run_until(7777777 + 400000);
	assert_in_range(expired_at[0], 7777777 + 300000,
	    7777777 + 300000 + 2 * WHEEL_TICK_US);
	assert_int_equal(wheel.armed, 0);
	expired_at[0] = 0;
	run_until(now + 100000000);
	assert_int_equal(expired_at[0], 0);
}

static void
later_and_earlier(void **state)
{
	uint64_t start = 1000000;

	(void)state;
	reset(start);
	wheel_set(&wheel, &entries[0], start + 200000);
	wheel_set(&wheel, &entries[0], start + 900000);
	wheel_set(&wheel, &entries[1], start + 900000);
	wheel_set(&wheel, &entries[1], start + 200000);
	run_until(start + 600000);
	assert_int_equal(expired_at[0], 0);
	assert_in_range(
	    expired_at[1], start + 200000, start + 200000 + 2 * WHEEL_TICK_US);
	run_until(start + 1100000);
	assert_in_range(
	    expired_at[0], start + 900000, start + 900000 + 2 * WHEEL_TICK_US);
}

static void
cleared_never_expires(void **state)
{
	(void)state;
	reset(1);
	wheel_set(&wheel, &entries[0], now + 100000);
	wheel_clear(&wheel, &entries[0]);
	wheel_clear(&wheel, &entries[0]);
	run_until(1000000);
	assert_int_equal(expired_at[0], 0);
	assert_int_equal(wheel.armed, 0);
}

/* Deadlines beyond a turn of the wheel go round again. */
static void
many_random_deadlines(void **state)
{
	const uint64_t turn = (uint64_t)WHEEL_TICK_US * WHEEL_SLOTS;
	uint64_t deadline[ENTRIES];

	(void)state;
	srand(1);
	reset(123456789);
	for (unsigned i = 0; i < ENTRIES; i++) {
		deadline[i] = now + 1 + (uint64_t)rand() % (3 * turn);
		wheel_set(&wheel, &entries[i], deadline[i]);
	}
	run_until(now + 3 * turn + 1000000);
	for (unsigned i = 0; i < ENTRIES; i++)
		assert_in_range(expired_at[i], deadline[i],
		    deadline[i] + 2 * WHEEL_TICK_US);
}

/* An empty wheel that slept for long is not a day of ticks behind. */
static void
wakes_after_a_long_sleep(void **state)
{
	(void)state;
	reset(1000);
	now += (uint64_t)86400 * 365 * 1000000;
	wheel_advance(&wheel, now, note);
	wheel_set(&wheel, &entries[0], now + 100000);
	run_until(now + 300000);
	assert_true(expired_at[0] > 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(expires_once_within_a_tick),
	    cmocka_unit_test(later_and_earlier),
	    cmocka_unit_test(cleared_never_expires),
	    cmocka_unit_test(many_random_deadlines),
	    cmocka_unit_test(wakes_after_a_long_sleep),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
