/* Windows of downtime from failures, of one thread and of several. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "load/downtime.h"

/* The k-th request is due at k tenths of a second. */
static uint64_t
tenths(const void *arg, uint64_t k)
{
	(void)arg;
	return k * 100000000;
}

/*
 * A run as a string: '.' succeeded, 'x' failed; dealt to threads in turn,
 * failures told in any order. Checked against the windows of the string.
 */
static void
check_open(const char *run, unsigned threads, unsigned seed)
{
	struct downtime parts[4] = {{0}};
	size_t n = strlen(run), at = 0;
	size_t order[64];
	struct downtime_list list;

	for (size_t i = 0; i < n; i++)
		order[i] = i;
	for (size_t i = n; i > 1; i--) {
		size_t j = (seed = seed * 1103515245 + 12345) / 65536 % i;
		size_t other = order[j];

		order[j] = order[i - 1];
		order[i - 1] = other;
	}
	for (unsigned t = 0; t < threads; t++)
		parts[t].step = threads;
	for (size_t i = 0; i < n; i++)
		if (run[order[i]] == 'x')
			downtime_failed(
			    &parts[order[i] % threads], order[i], 0);
	assert_true(downtime_gather(&list, parts, threads, tenths, NULL, n, 0));
	for (size_t i = 0, j; i < n; i = j) {
		for (j = i + 1; j < n && run[i] == 'x' && run[j] == 'x';)
			j++;
		if (run[i] != 'x')
			continue;
		assert_true(at < list.n);
		assert_int_equal(list.windows[at].start_ns, tenths(NULL, i));
		assert_int_equal(list.windows[at].end_ns, tenths(NULL, j));
		assert_int_equal(list.windows[at].failed, j - i);
		at++;
	}
	assert_int_equal(list.n, at);
	assert_int_equal(list.lost, 0);
	downtime_list_free(&list);
	for (unsigned t = 0; t < threads; t++)
		downtime_free(&parts[t]);
}

static void
test_open(void **state)
{
	static const char *const runs[] = {"", ".", "x", "....", "xxxx", ".x..",
	    "x.x.x.x.", "..xxx..x", "xx.......xx", "..xxxxxxxxx.........",
	    ".x.xx.xxx.xxxx.xxxxx.xxxxxx."};

	(void)state;
	for (size_t i = 0; i < sizeof runs / sizeof runs[0]; i++)
		for (unsigned threads = 1; threads <= 4; threads++)
			for (unsigned seed = 0; seed < 20; seed++)
				check_open(runs[i], threads, seed);
}

static void
test_closed(void **state)
{
	struct downtime parts[2] = {{.closed = true}, {.closed = true}};
	struct downtime_list list;

	(void)state;
	downtime_succeeded(&parts[0], 5);
	downtime_failed(&parts[0], 0, 20);
	downtime_failed(&parts[0], 1, 10); /* was sent before */
	downtime_succeeded(&parts[0], 30);
	downtime_succeeded(&parts[0], 31);
	downtime_failed(&parts[0], 2, 100);
	downtime_failed(&parts[1], 0, 25);
	downtime_succeeded(&parts[1], 40);
	assert_true(downtime_gather(&list, parts, 2, NULL, NULL, 0, 150));
	assert_int_equal(list.n, 2);
	assert_int_equal(list.windows[0].start_ns, 10);
	assert_int_equal(list.windows[0].end_ns, 40);
	assert_int_equal(list.windows[0].failed, 3);
	assert_int_equal(list.windows[1].start_ns, 100);
	assert_int_equal(list.windows[1].end_ns, 150);
	assert_int_equal(downtime_length(&list), 80);
	downtime_list_free(&list);
	downtime_free(&parts[0]);
	downtime_free(&parts[1]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_open),
	    cmocka_unit_test(test_closed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
