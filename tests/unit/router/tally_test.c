/* Counting per worker, summing over all, and what an error rate is of. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "router/tally.h"

#define WORKERS 3u

static struct tally_sum sum;

static void
test_starts_at_zero(void **state)
{
	struct tally *t = tally_new(WORKERS);

	(void)state;
	assert_non_null(t);
	tally_read(t, &sum);
	assert_int_equal(tally_answers(&sum), 0);
	assert_int_equal(tally_errors(&sum), 0);
	assert_int_equal(tally_attempts(&sum), 0);
	assert_int_equal(sum.duration_us, 0);
	tally_drop(t);
}

static void
test_slots_have_their_own_lines(void **state)
{
	struct tally *t = tally_new(WORKERS);

	(void)state;
	for (unsigned w = 0; w < WORKERS; w++)
		assert_int_equal((uintptr_t)&t->slots[w] % 64, 0);
	tally_drop(t);
}

static void
test_answers(void **state)
{
	struct tally *t = tally_new(WORKERS);

	(void)state;
	for (unsigned w = 0; w < WORKERS; w++) {
		tally_answer(t, w, 200, 1000 * (w + 1));
		tally_answer(t, w, 503, 10);
	}
	tally_answer(t, 0, 42, 0);
	tally_answer(t, 1, 999, 1u << 20);
	tally_retry(t, 2);
	tally_read(t, &sum);
	assert_int_equal(sum.codes[200 - TALLY_CODE_MIN], 3);
	assert_int_equal(sum.codes[503 - TALLY_CODE_MIN], 3);
	assert_int_equal(sum.codes[0], 1);
	assert_int_equal(sum.codes[TALLY_CODE_MAX - TALLY_CODE_MIN], 1);
	assert_int_equal(tally_answers(&sum), 8);
	assert_int_equal(sum.retries, 1);
	assert_int_equal(sum.duration_us, 6000 + 30 + (1u << 20));
	assert_int_equal(sum.buckets[hist_bucket(10)], 3);
	assert_int_equal(sum.buckets[hist_bucket(2000)], 1);
	assert_int_equal(
	    hist_quantile(sum.buckets, 1.0), hist_upper(hist_bucket(1u << 20)));
	tally_drop(t);
}

/* What each reason adds to errors and to what they are divided by. */
static void
test_errors(void **state)
{
	static const struct {
		enum reason reason;
		unsigned errors, attempts;
	} rows[] = {
	    {REASON_NONE, 0, 0},
	    {REASON_STATUS, 1, 0},
	    {REASON_BODY, 1, 0},
	    {REASON_HEADER, 1, 0},
	    {REASON_CONNECT, 1, 1},
	    {REASON_TIMEOUT, 1, 1},
	    {REASON_RESET, 1, 1},
	    {REASON_NO_POD, 0, 0},
	    {REASON_CLIENT_ABORT, 0, 0},
	    {REASON_QUEUE_FULL, 0, 0},
	    {REASON_QUEUE_TIMEOUT, 0, 0},
	};

	(void)state;
	assert_int_equal(sizeof rows / sizeof rows[0], REASON_COUNT);
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct tally *t = tally_new(WORKERS);

		tally_answer(t, 0, 200, 1);
		tally_error(t, 1, rows[i].reason);
		tally_error(t, 2, rows[i].reason);
		tally_read(t, &sum);
		assert_int_equal(tally_errors(&sum), 2 * rows[i].errors);
		assert_int_equal(
		    tally_attempts(&sum), 1 + 2 * rows[i].attempts);
		assert_int_equal(sum.errors[rows[i].reason],
		    rows[i].reason == REASON_NONE ? 0 : 2);
		tally_drop(t);
	}
}

/* The n-th count has what is less than 2^n us, the last one all the rest. */
static void
test_waits(void **state)
{
	static const struct {
		uint64_t us;
		unsigned n;
	} rows[] = {
	    {0, 0},
	    {1, 1},
	    {2, 2},
	    {3, 2},
	    {255, 8},
	    {256, 9},
	    {(1u << 24) - 1, 24},
	    {1u << 24, 25},
	    {UINT64_MAX >> 8, TALLY_WAITS - 1},
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct tally *t = tally_new(WORKERS);

		tally_wait(t, 0, rows[i].us);
		tally_wait(t, 2, rows[i].us);
		tally_read(t, &sum);
		assert_int_equal(sum.waits[rows[i].n], 2);
		assert_int_equal(sum.wait_us, 2 * rows[i].us);
		assert_int_equal(tally_answers(&sum), 0);
		tally_drop(t);
	}
}

static void
test_hold(void **state)
{
	struct tally *t = tally_new(1), *same = tally_hold(t);

	(void)state;
	assert_ptr_equal(t, same);
	tally_drop(t);
	tally_answer(same, 0, 200, 1);
	tally_drop(same);
	tally_drop(NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_starts_at_zero),
	    cmocka_unit_test(test_slots_have_their_own_lines),
	    cmocka_unit_test(test_answers),
	    cmocka_unit_test(test_errors),
	    cmocka_unit_test(test_waits),
	    cmocka_unit_test(test_hold),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
