/* Errors of outlier, panic, slow_start and ramp: the text, and its lines. */
#include "tests/unit/conf/error_rows.h"

#include "router/outlier.h"

/* clang-format off */
static const struct row outlier_keys[] = {
    {SHOP "    outlier: {}\n    panic: 0%\n    slow_start: 0s\n    ramp: 0s\n",
	""},
    {SHOP "    outlier: {consecutive_errors: 0, connect_failures: 0, "
	  "error_ratio: 0%, window: 1s, min_requests: 1, eject: 1ms, "
	  "max_eject: 1ms, max_ejected: 1%}\n", ""},
    {SHOP "    outlier: {error_ratio: 100%, window: 1h, eject: 1d, "
	  "max_eject: 1d, max_ejected: 100%}\n    panic: 100%\n"
	  "    slow_start: 1d\n    ramp: 1d\n", ""},
    {SHOP "    outlier: true\n",
	"5:14: expected a map with the keys consecutive_errors, "
	"connect_failures, error_ratio, window, min_requests, eject, "
	"max_eject, max_ejected, found a string\n"},
    {SHOP "    outlier:\n",
	"5:13: expected a map with the keys consecutive_errors, "
	"connect_failures, error_ratio, window, min_requests, eject, "
	"max_eject, max_ejected, found nothing\n"},
    {SHOP "    outlier: {consecutive_error: 5}\n",
	"5:15: unknown key \"consecutive_error\", did you mean "
	"\"consecutive_errors\"?\n"},
    {SHOP "    outlier: {consecutive_errors: 1001, connect_failures: -1, "
	  "error_ratio: 101%, window: 999ms, min_requests: 0, eject: 0s, "
	  "max_eject: 25h, max_ejected: 0.9%}\n",
	"5:35: expected an integer from 0 to 1000, found \"1001\"\n"
	"5:59: expected an integer from 0 to 1000, found \"-1\"\n"
	"5:76: expected a percentage from 0% to 100%, found \"101%\"\n"
	"5:90: expected a duration from 1s to 1h, found \"999ms\"\n"
	"5:111: expected an integer from 1 to 1000000, found \"0\"\n"
	"5:121: expected a duration from 1ms to 1d, found \"0s\"\n"
	"5:136: expected a duration from 1ms to 1d, found \"25h\"\n"
	"5:154: expected a percentage from 1% to 100%, found \"0.9%\"\n"},
    {SHOP "    outlier: {error_ratio: 20, max_ejected: half}\n",
	"5:28: expected a percentage such as 50% or 0.5%, found \"20\"\n"
	"5:45: expected a percentage such as 50% or 0.5%, found \"half\"\n"},
    {SHOP "    outlier: {max_eject: 9s}\n",
	"5:26: expected at least what \"eject\" says, found \"9s\"\n"},
    {SHOP "    outlier: {max_eject: 59s, eject: 1m}\n",
	"5:26: expected at least what \"eject\" says, found \"59s\"\n"},
    {SHOP "    panic: 101%\n    slow_start: 10\n    ramp: -1s\n",
	"5:12: expected a percentage from 0% to 100%, found \"101%\"\n"
	"6:17: expected a duration such as 500ms, 10s, 5m or 1h, found "
	"\"10\"\n"
	"7:11: expected a duration such as 500ms, 10s, 5m or 1h, found "
	"\"-1s\"\n"},
    {SHOP "    panic: [50%]\n    slow_start: 25h\n",
	"5:12: expected a percentage from 0% to 100%, found a list\n"
	"6:17: expected a duration from 0s to 1d, found \"25h\"\n"},
};
/* clang-format on */

TABLE_TEST(outlier_keys)

static struct terms
terms_of(const char *text, struct conf **conf)
{
	struct conf_errors errors;

	*conf = conf_parse("f", text, strlen(text), &errors);
	assert_non_null(*conf);
	conf_errors_free(&errors);
	return (*conf)->spec->services[0].terms;
}

static void
test_defaults(void **state)
{
	struct conf *c;
	struct terms t = terms_of(SHOP, &c);

	(void)state;
	assert_false(t.outlier.enabled);
	assert_int_equal(t.panic, 0);
	assert_int_equal(t.slow_start_ms, 0);
	assert_int_equal(t.ramp_ms, 0);
	conf_free(c);
	t = terms_of(SHOP "    outlier: {}\n", &c);
	assert_true(t.outlier.enabled);
	assert_int_equal(t.outlier.consecutive_errors, 5);
	assert_int_equal(t.outlier.connect_failures, 3);
	assert_int_equal(t.outlier.error_ratio, OUTLIER_WHOLE / 5);
	assert_int_equal(t.outlier.window_ms, 10000);
	assert_int_equal(t.outlier.min_requests, 100);
	assert_int_equal(t.outlier.eject_ms, 10000);
	assert_int_equal(t.outlier.max_eject_ms, 300000);
	assert_int_equal(t.outlier.max_ejected, OUTLIER_WHOLE / 2);
	conf_free(c);
}

static void
test_values(void **state)
{
	struct conf *c;
	struct terms t = terms_of(SHOP
	    "    outlier: {error_ratio: 0.5%, window: 1234ms, eject: 10m}\n"
	    "    panic: 12.5%\n    slow_start: 30s\n    ramp: 5m\n",
	    &c);

	(void)state;
	assert_int_equal(t.outlier.error_ratio, 5000);
	/* in whole parts, and a default gives way to what the file says */
	assert_int_equal(t.outlier.window_ms, 1230);
	assert_int_equal(t.outlier.max_eject_ms, 600000);
	assert_int_equal(t.panic, 125000);
	assert_int_equal(t.slow_start_ms, 30000);
	assert_int_equal(t.ramp_ms, 300000);
	conf_free(c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_outlier_keys),
	    cmocka_unit_test(test_defaults),
	    cmocka_unit_test(test_values),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
