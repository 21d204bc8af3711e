/* Verdicts on failed attempts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "proxy/retry.h"
#include "router/budget.h"
#include "router/tally.h"

#define CONNECT ERR_CONNECT_FAILED
#define RESET	ERR_POD_RESET
#define SILENCE ERR_RESPONSE_TIMEOUT
#define STATUS	ERR_POD_STATUS
#define ANY	(RETRY_CONNECT | RETRY_RESET)

static const struct {
	struct retry_spec spec;
	bool idempotent, body_begun, keeping;
	enum err e;
	enum upstream_loss loss;
	bool fresh, broke; /* the budget has nothing left */
	enum retry_verdict verdict;
} rows[] = {
    {{1, ANY, 0, 2000, 0}, 1, 0, 0, CONNECT, 0, 1, 0, RETRY_YES},
    {{1, ANY, 0, 2000, 0}, 0, 0, 0, CONNECT, 0, 1, 0, RETRY_YES},
    {{1, ANY, 0, 2000, 0}, 0, 0, 0, RESET, 0, 1, 0, RETRY_NO},
    {{1, ANY, 0, 2000, 0}, 1, 0, 0, RESET, 0, 1, 0, RETRY_YES},
    {{1, ANY, 0, 2000, 9}, 1, 1, 1, RESET, 0, 1, 0, RETRY_YES},
    {{1, ANY, 0, 2000, 9}, 1, 1, 0, RESET, 0, 1, 0, RETRY_NO},
    {{1, ANY, 0, 2000, 0}, 1, 0, 0, SILENCE, 0, 1, 0, RETRY_NO},
    {{1, RETRY_TIMEOUT, 0, 2000, 0}, 1, 0, 0, SILENCE, 0, 1, 0, RETRY_YES},
    {{1, RETRY_TIMEOUT, 0, 2000, 0}, 0, 0, 0, SILENCE, 0, 1, 0, RETRY_NO},
    {{1, ANY, 0, 2000, 0}, 1, 0, 0, STATUS, 0, 1, 0, RETRY_NO},
    {{1, RETRY_STATUS, 0, 2000, 0}, 1, 0, 0, STATUS, 0, 1, 0, RETRY_YES},
    {{1, RETRY_STATUS, 0, 2000, 0}, 0, 0, 0, STATUS, 0, 1, 0, RETRY_NO},
    /* refused is only what would have been made */
    {{1, RETRY_STATUS, 0, 2000, 0}, 1, 0, 0, STATUS, 0, 1, 1, RETRY_REFUSED},
    {{1, RETRY_STATUS, 0, 2000, 0}, 0, 0, 0, STATUS, 0, 1, 1, RETRY_NO},
    {{1, ANY, 0, 2000, 0}, 1, 0, 0, CONNECT, 0, 1, 1, RETRY_REFUSED},
    {{1, ANY, 0, 9999, 0}, 1, 0, 0, CONNECT, 0, 1, 1, RETRY_REFUSED},
    {{1, ANY, 0, 10000, 0}, 1, 0, 0, CONNECT, 0, 1, 1, RETRY_YES},
    {{1, ANY, 0, 0, 0}, 1, 0, 0, CONNECT, 0, 1, 1, RETRY_NO},
    {{0, ANY, 0, 2000, 0}, 1, 0, 0, CONNECT, 0, 1, 1, RETRY_NO},
    {{1, RETRY_RESET, 0, 2000, 0}, 1, 0, 0, CONNECT, 0, 1, 1, RETRY_NO},
    {{1, RETRY_CONNECT, 0, 2000, 0}, 1, 0, 0, RESET, 0, 1, 1, RETRY_NO},
    {{1, ANY, 0, 2000, 9}, 1, 1, 0, RESET, 0, 1, 1, RETRY_NO},
    /* an idle connection that closes costs nothing */
    {{1, ANY, 0, 2000, 0}, 1, 0, 0, RESET, LOSS_STALE, 0, 1, RETRY_FREE},
    {{0, ANY, 0, 0, 0}, 1, 0, 0, RESET, LOSS_STALE, 0, 1, RETRY_FREE},
    {{1, ANY, 0, 2000, 0}, 0, 0, 0, RESET, LOSS_STALE, 0, 0, RETRY_NO},
    {{1, ANY, 0, 2000, 0}, 0, 0, 0, RESET, LOSS_UNSENT, 0, 0, RETRY_FREE},
    {{1, ANY, 0, 2000, 0}, 1, 0, 0, RESET, LOSS_STALE, 1, 1, RETRY_REFUSED},
};

static void
test_verdicts(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct tally *own = tally_new(2);
		struct retry r;
		enum retry_verdict verdict;

		assert_non_null(own);
		while (rows[i].broke && budget_take(own))
			;
		retry_begin(
		    &r, &rows[i].spec, own, 0, rows[i].idempotent, false);
		r.body_begun = rows[i].body_begun;
		r.keeping = rows[i].keeping;
		verdict =
		    retry_judge(&r, rows[i].e, rows[i].loss, rows[i].fresh);
		if (verdict != rows[i].verdict)
			fail_msg("row %zu: %d instead of %d", i, verdict,
			    rows[i].verdict);
		retry_end(&r);
		tally_drop(own);
	}
}

/* A retry is charged to the request, and to all workers. */
static void
test_charges(void **state)
{
	static const struct retry_spec spec = {
	    .attempts = 2, .on = ANY, .budget = 2000};
	struct tally *own = tally_new(2);
	const uint32_t all = budget_left(own);
	struct retry r;

	(void)state;
	retry_begin(&r, &spec, own, 1, true, false);
	assert_int_equal(retry_judge(&r, CONNECT, 0, true), RETRY_YES);
	assert_int_equal(retry_judge(&r, CONNECT, 0, true), RETRY_YES);
	assert_int_equal(budget_left(own), all - 2);
	retry_unjudge(&r);
	assert_int_equal(budget_left(own), all - 1);
	assert_int_equal(retry_judge(&r, CONNECT, 0, true), RETRY_YES);
	assert_int_equal(budget_left(own), all - 2);
	assert_int_equal(retry_judge(&r, CONNECT, 0, true), RETRY_NO);
	retry_end(&r);
	for (int i = 0; i < 5; i++) { /* the requests behind it pay */
		retry_begin(&r, &spec, own, 0, true, false);
		retry_end(&r);
	}
	assert_int_equal(budget_left(own), all - 1);
	tally_drop(own);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_verdicts),
	    cmocka_unit_test(test_charges),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
