/* Who is started, who goes, and how long to wait. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "control/launch_policy.h"

#define PODS_MAX 16u

/* Pods as letters: R ready, s starting; old ones r and o. */
static size_t
views(const char *letters, struct launch_view *v)
{
	size_t n = 0;

	for (; letters[n] != '\0'; n++)
		v[n] = (struct launch_view){
		    .fresh = letters[n] == 'R' || letters[n] == 's',
		    .ready = letters[n] == 'R' || letters[n] == 'r',
		    .born = n + 1,
		};
	return n;
}

static void
test_steps(void **state)
{
	static const struct {
		const char *pods;
		unsigned wanted;
		enum launch_step step;
		size_t which;
	} rows[] = {
	    {"", 0, LAUNCH_REST, 0},
	    {"", 1, LAUNCH_START, 0},
	    {"R", 1, LAUNCH_REST, 0},
	    {"s", 1, LAUNCH_REST, 0},
	    {"RRR", 5, LAUNCH_START, 0},
	    /* fewer: not ready ones first, then the newest */
	    {"RRR", 2, LAUNCH_TAKE, 2},
	    {"RsR", 2, LAUNCH_TAKE, 1},
	    {"ssR", 2, LAUNCH_TAKE, 1},
	    {"R", 0, LAUNCH_TAKE, 0},
	    {"s", 0, LAUNCH_TAKE, 0},
	    /* another command: one more, then one goes */
	    {"rrr", 3, LAUNCH_START, 0},
	    {"rrrs", 3, LAUNCH_REST, 0},
	    {"rrrR", 3, LAUNCH_TAKE, 2},
	    {"rrR", 3, LAUNCH_START, 0},
	    {"rrRs", 3, LAUNCH_REST, 0},
	    {"rRR", 3, LAUNCH_START, 0},
	    {"rRRR", 3, LAUNCH_TAKE, 0},
	    {"RRR", 3, LAUNCH_REST, 0},
	    /* an old one that is dead is no loss */
	    {"rors", 3, LAUNCH_TAKE, 1},
	    {"rrs", 3, LAUNCH_REST, 0},
	    {"oo", 2, LAUNCH_START, 0},
	    /* more or fewer in the middle of it */
	    {"rrrs", 5, LAUNCH_START, 0},
	    {"rrrs", 1, LAUNCH_TAKE, 2},
	    {"rrs", 1, LAUNCH_TAKE, 1},
	    {"rs", 1, LAUNCH_REST, 0},
	    {"rR", 1, LAUNCH_TAKE, 0},
	    {"rs", 0, LAUNCH_TAKE, 0},
	    {"r", 0, LAUNCH_TAKE, 0},
	};
	struct launch_view v[PODS_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		size_t which = SIZE_MAX;
		enum launch_step step = launch_step(
		    v, views(rows[i].pods, v), rows[i].wanted, &which);

		if (step != rows[i].step)
			print_message(
			    "%s, %u wanted\n", rows[i].pods, rows[i].wanted);
		assert_int_equal(step, rows[i].step);
		if (step == LAUNCH_TAKE)
			assert_int_equal(which, rows[i].which);
	}
}

/* Steps are taken as they come, and what was started gets ready. */
static unsigned
walk(char *pods, unsigned wanted, size_t *fewest)
{
	struct launch_view v[PODS_MAX];
	unsigned steps = 0;
	size_t n, which;

	*fewest = SIZE_MAX;
	for (; steps < 100; steps++) {
		size_t ready = 0;

		n = views(pods, v);
		for (size_t i = 0; i < n; i++)
			ready += v[i].ready;
		*fewest = ready < *fewest ? ready : *fewest;
		switch (launch_step(v, n, wanted, &which)) {
		case LAUNCH_START:
			pods[n] = 's';
			pods[n + 1] = '\0';
			continue;
		case LAUNCH_TAKE:
			memmove(pods + which, pods + which + 1, n - which);
			continue;
		case LAUNCH_REST:
			break;
		}
		if (strchr(pods, 's') == NULL)
			break;
		*strchr(pods, 's') = 'R';
	}
	return steps;
}

static void
test_a_replacement_never_lacks_a_pod(void **state)
{
	char pods[PODS_MAX] = "rrrr";
	size_t fewest;

	(void)state;
	assert_true(walk(pods, 4, &fewest) < 100);
	assert_string_equal(pods, "RRRR");
	assert_int_equal(fewest, 4);
	assert_true(walk(pods, 0, &fewest) < 100);
	assert_string_equal(pods, "");
}

static void
test_backoff(void **state)
{
	static const uint32_t waits[] = {
	    500, 1000, 2000, 4000, 8000, 16000, 30000, 30000, 30000};
	struct launch_backoff b = {0};

	(void)state;
	for (size_t i = 0; i < sizeof waits / sizeof waits[0]; i++)
		assert_int_equal(launch_backoff(&b, 500, 30000, 0), waits[i]);
	/* it ran, but not for long */
	assert_int_equal(launch_backoff(&b, 500, 30000, 29999999), 30000);
	assert_int_equal(launch_backoff(&b, 500, 30000, 30000000), 500);
	assert_int_equal(launch_backoff(&b, 500, 30000, 0), 1000);
	/* other limits than before */
	assert_int_equal(launch_backoff(&b, 10, 20, 0), 20);
	assert_int_equal(launch_backoff(&b, UINT32_MAX, UINT32_MAX, 0), 40);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_steps),
	    cmocka_unit_test(test_a_replacement_never_lacks_a_pod),
	    cmocka_unit_test(test_backoff),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
