/* What must hold for every row of the error table, and the labels. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "base/errs.h"

static void
test_rows(void **state)
{
	(void)state;
	for (int e = 0; e < ERR_COUNT; e++) {
		int status = err_status((enum err)e);
		const char *words = err_words((enum err)e);

		/* 200: TRACE and OPTIONS that end here (RFC 9110 7.6.2) */
		assert_true(status == 0 || e == ERR_LAST_HOP ||
			    (e >= ERR_USE_HTTPS && e <= ERR_REDIRECT_308 &&
				status >= 301 && status <= 308) ||
			    (status >= 400 && status <= 599));
		assert_in_range(err_reason((enum err)e), 0, REASON_COUNT - 1);
		assert_non_null(words);
		assert_true(words[0] != '\0');
		assert_null(strchr(words, '\n'));
		for (int other = 0; other < e; other++)
			assert_string_not_equal(
			    words, err_words((enum err)other));
		/* What the client did wrong is no version's error. */
		if (status >= 400 && status < 500)
			assert_true(
			    err_reason((enum err)e) == REASON_NONE ||
			    err_reason((enum err)e) == REASON_CLIENT_ABORT);
		/* Only where no answer has begun, and never a full house. */
		if (err_may_retry((enum err)e))
			assert_true(err_reason((enum err)e) == REASON_CONNECT ||
				    err_reason((enum err)e) == REASON_RESET ||
				    err_reason((enum err)e) == REASON_TIMEOUT ||
				    err_reason((enum err)e) == REASON_STATUS);
	}
}

static void
test_some(void **state)
{
	static const struct {
		enum err e;
		int status;
		bool retry;
		enum reason reason;
	} rows[] = {
	    {ERR_NONE, 0, false, REASON_NONE},
	    {ERR_USE_HTTPS, 301, false, REASON_NONE},
	    {ERR_USE_HTTPS_ALIKE, 308, false, REASON_NONE},
	    {ERR_BAD_REQUEST, 400, false, REASON_NONE},
	    {ERR_NO_ROUTE, 404, false, REASON_NONE},
	    {ERR_URI_TOO_LONG, 414, false, REASON_NONE},
	    {ERR_HEAD_TOO_LARGE, 431, false, REASON_NONE},
	    {ERR_CONNECT_FAILED, 502, true, REASON_CONNECT},
	    {ERR_POD_RESET, 502, true, REASON_RESET},
	    {ERR_POD_STATUS, 502, true, REASON_STATUS},
	    {ERR_BAD_RESPONSE, 502, false, REASON_RESET},
	    {ERR_NO_POD, 503, false, REASON_NO_POD},
	    {ERR_CLIENT_LIMIT, 503, false, REASON_NONE},
	    {ERR_CONNECT_TIMEOUT, 504, true, REASON_CONNECT},
	    {ERR_RESPONSE_TIMEOUT, 504, true, REASON_TIMEOUT},
	    {ERR_CLIENT_ABORT, 0, false, REASON_CLIENT_ABORT},
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		assert_int_equal(err_status(rows[i].e), rows[i].status);
		assert_int_equal(err_may_retry(rows[i].e), rows[i].retry);
		assert_int_equal(err_reason(rows[i].e), rows[i].reason);
	}
}

static void
test_labels(void **state)
{
	static const char *const labels[REASON_COUNT] = {"", "status", "body",
	    "header", "connect", "timeout", "reset", "no_pod", "client_abort",
	    "queue_full", "queue_timeout"};

	(void)state;
	for (int r = 0; r < REASON_COUNT; r++)
		assert_string_equal(reason_name((enum reason)r), labels[r]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_rows),
	    cmocka_unit_test(test_some),
	    cmocka_unit_test(test_labels),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
