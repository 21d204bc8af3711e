/* Durations, sizes, percents, weights and counts: what is read, what not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/opt.h"

#define COUNT(a) (sizeof(a) / sizeof(a)[0])

static const struct {
	enum opt_kind kind;
	const char *text;
	uint64_t value;
	const char *shortest; /* as opt_format() writes it */
} good[] = {
    {OPT_BOOL, "true", 1, "true"},
    {OPT_BOOL, "false", 0, "false"},
    {OPT_COUNT, "0", 0, "0"},
    {OPT_COUNT, "128", 128, "128"},
    {OPT_COUNT, "18446744073709551615", UINT64_MAX, "18446744073709551615"},
    {OPT_DURATION, "0s", 0, "0s"},
    {OPT_DURATION, "0ms", 0, "0s"},
    {OPT_DURATION, "500ms", 500, "500ms"},
    {OPT_DURATION, "1500ms", 1500, "1500ms"},
    {OPT_DURATION, "10s", 10000, "10s"},
    {OPT_DURATION, "75s", 75000, "75s"},
    {OPT_DURATION, "60s", 60000, "1m"},
    {OPT_DURATION, "5m", 300000, "5m"},
    {OPT_DURATION, "1h", 3600000, "1h"},
    {OPT_DURATION, "14d", 14ull * 86400000, "14d"},
    {OPT_SIZE, "0", 0, "0"},
    {OPT_SIZE, "512", 512, "512"},
    {OPT_SIZE, "1024", 1024, "1KiB"},
    {OPT_SIZE, "64KiB", 65536, "64KiB"},
    {OPT_SIZE, "1MiB", 1u << 20, "1MiB"},
    {OPT_SIZE, "10GiB", 10ull << 30, "10GiB"},
    {OPT_SIZE, "17179869183GiB", 17179869183ull << 30, "17179869183GiB"},
    {OPT_PERCENT, "50%", 500000, "50%"},
    {OPT_PERCENT, "0.5%", 5000, "0.5%"},
    {OPT_PERCENT, "100%", OPT_PERCENT_MAX, "100%"},
    {OPT_PERCENT, "0.0001%", 1, "0.0001%"},
    {OPT_WEIGHT, "80", 800000, "80"},
    {OPT_WEIGHT, "0.01", 100, "0.01"},
    {OPT_WEIGHT, "0.0001", 1, "0.0001"},
    {OPT_WEIGHT, "33.3300", 333300, "33.33"},
    {OPT_WEIGHT, "007.5", 75000, "7.5"},
};

static const struct {
	enum opt_kind kind;
	const char *text;
} bad[] = {
    {OPT_BOOL, ""},
    {OPT_BOOL, "yes"},
    {OPT_BOOL, "True"},
    {OPT_BOOL, "1"},
    {OPT_COUNT, ""},
    {OPT_COUNT, "-1"},
    {OPT_COUNT, "+1"},
    {OPT_COUNT, "1.0"},
    {OPT_COUNT, "0x10"},
    {OPT_COUNT, " 1"},
    {OPT_COUNT, "18446744073709551616"},
    {OPT_DURATION, ""},
    {OPT_DURATION, "s"},
    {OPT_DURATION, "0"},
    {OPT_DURATION, "10"},
    {OPT_DURATION, "-1s"},
    {OPT_DURATION, "1.5s"},
    {OPT_DURATION, "1m30s"},
    {OPT_DURATION, "1 s"},
    {OPT_DURATION, "1S"},
    {OPT_DURATION, "1sec"},
    {OPT_DURATION, "18446744073709551615h"},
    {OPT_SIZE, ""},
    {OPT_SIZE, "KiB"},
    {OPT_SIZE, "64K"},
    {OPT_SIZE, "64KB"},
    {OPT_SIZE, "64kib"},
    {OPT_SIZE, "-64KiB"},
    {OPT_SIZE, "1.5MiB"},
    {OPT_SIZE, "17179869184GiB"},
    {OPT_PERCENT, ""},
    {OPT_PERCENT, "%"},
    {OPT_PERCENT, "50"},
    {OPT_PERCENT, "50 %"},
    {OPT_PERCENT, "50%%"},
    {OPT_PERCENT, "-1%"},
    {OPT_PERCENT, "0.00001%"},
    {OPT_WEIGHT, ""},
    {OPT_WEIGHT, "-5"},
    {OPT_WEIGHT, "1."},
    {OPT_WEIGHT, ".5"},
    {OPT_WEIGHT, "1.2.3"},
    {OPT_WEIGHT, "1e3"},
    {OPT_WEIGHT, "0.00001"},
    {OPT_WEIGHT, "nan"},
    {OPT_WEIGHT, "1844674407370955.1616"},
    {OPT_WEIGHT, "18446744073709551615"},
};

static const struct {
	enum opt_kind kind;
	const char *text;
	uint64_t min, max;
	const char *why; /* NULL: it is in range */
} ranges[] = {
    {OPT_BOOL, "no", 0, 1, "expected true or false, found \"no\""},
    {OPT_COUNT, "1", 1, 256, NULL},
    {OPT_COUNT, "256", 1, 256, NULL},
    {OPT_COUNT, "0", 1, 256, "expected an integer from 1 to 256, found \"0\""},
    {OPT_COUNT, "257", 1, 256,
	"expected an integer from 1 to 256, found \"257\""},
    {OPT_COUNT, "two", 1, 256,
	"expected an integer from 1 to 256, found \"two\""},
    {OPT_COUNT, "1", 2, UINT64_MAX,
	"expected an integer of at least 2, found \"1\""},
    {OPT_DURATION, "0s", 1, 3600000,
	"expected a duration from 1ms to 1h, found \"0s\""},
    {OPT_DURATION, "10", 1, 3600000,
	"expected a duration such as 500ms, 10s, 5m or 1h, found \"10\""},
    {OPT_SIZE, "2MiB", 1024, 1u << 20,
	"expected a size from 1KiB to 1MiB, found \"2MiB\""},
    {OPT_SIZE, "1kb", 1024, 1u << 20,
	"expected a size such as 64KiB, 1MiB or 10GiB, found \"1kb\""},
    {OPT_PERCENT, "101%", 0, OPT_PERCENT_MAX,
	"expected a percentage from 0% to 100%, found \"101%\""},
    {OPT_PERCENT, "1", 0, OPT_PERCENT_MAX,
	"expected a percentage such as 50% or 0.5%, found \"1\""},
    {OPT_WEIGHT, "-5", 0, 1000000,
	"expected a weight of 0 or more such as 80 or 0.01, found \"-5\""},
    {OPT_WEIGHT, "101", 0, 1000000,
	"expected a weight from 0 to 100, found \"101\""},
};

static void
test_good(void **state)
{
	char text[OPT_TEXT_MAX];
	uint64_t value, again;

	(void)state;
	for (size_t i = 0; i < COUNT(good); i++) {
		enum opt_kind kind = good[i].kind;

		print_message("%s\n", good[i].text);
		assert_true(opt_parse(kind, span_of(good[i].text), &value));
		assert_int_equal(value, good[i].value);
		opt_format(kind, value, text, sizeof text);
		assert_string_equal(text, good[i].shortest);
		assert_true(opt_parse(kind, span_of(text), &again));
		assert_int_equal(again, value);
	}
}

static void
test_bad(void **state)
{
	uint64_t value;

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		print_message("%s\n", bad[i].text);
		assert_false(
		    opt_parse(bad[i].kind, span_of(bad[i].text), &value));
	}
}

static void
test_ranges(void **state)
{
	char why[OPT_QUOTE_MAX + 128];
	uint64_t value;

	(void)state;
	for (size_t i = 0; i < COUNT(ranges); i++) {
		why[0] = '\0';
		assert_int_equal(
		    opt_read(ranges[i].kind, span_of(ranges[i].text),
			ranges[i].min, ranges[i].max, &value, why, sizeof why),
		    ranges[i].why == NULL);
		assert_string_equal(
		    why, ranges[i].why != NULL ? ranges[i].why : "");
	}
}

/* Only the span is looked at, not what lies behind it. */
static void
test_span_end(void **state)
{
	uint64_t value;

	(void)state;
	assert_true(opt_parse(OPT_COUNT, (struct span){"123", 2}, &value));
	assert_int_equal(value, 12);
	assert_true(opt_parse(OPT_WEIGHT, (struct span){"1.25", 3}, &value));
	assert_int_equal(value, 12000);
	assert_true(opt_parse(OPT_DURATION, (struct span){"5msx", 2}, &value));
	assert_int_equal(value, 300000);
}

static void
assert_quoted(struct span text, const char *quoted)
{
	char buf[OPT_QUOTE_MAX];

	opt_quote(text, buf, sizeof buf);
	assert_string_equal(buf, quoted);
}

static void
test_quote(void **state)
{
	char longest[100];

	(void)state;
	assert_quoted(span_of("v1"), "\"v1\"");
	assert_quoted(SPAN_NONE, "\"\"");
	assert_quoted(
	    (struct span){"a\0\n\x7f\x1b", 5}, "\"a\\x00\\x0a\\x7f\\x1b\"");
	assert_quoted(span_of("gr\xc3\xbc\xc3\x9f"), "\"gr\xc3\xbc\xc3\x9f\"");
	assert_quoted(
	    span_of("012345678901234567890123456789012345678901234567"),
	    "\"012345678901234567890123456789012345678901234567\"");
	assert_quoted(
	    span_of("0123456789012345678901234567890123456789012345678"),
	    "\"012345678901234567890123456789012345678901234567...\"");
	/* never cut within a character */
	assert_quoted(
	    span_of("01234567890123456789012345678901234567890123456\xc3\xbc"),
	    "\"01234567890123456789012345678901234567890123456...\"");
	memset(longest, 1, sizeof longest);
	assert_quoted((struct span){longest, sizeof longest},
	    "\"\\x01\\x01\\x01\\x01\\x01\\x01\\x01\\x01\\x01\\x01\\x01\\x01"
	    "\\x01\\x01\\x01\\x01\\x01\\x01\\x01\\x01\\x01\\x01\\x01\\x01"
	    "\\x01\\x01\\x01\\x01\\x01\\x01\\x01\\x01\\x01\\x01\\x01\\x01"
	    "\\x01\\x01\\x01\\x01\\x01\\x01\\x01\\x01\\x01\\x01\\x01\\x01"
	    "...\"");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_good),
	    cmocka_unit_test(test_bad),
	    cmocka_unit_test(test_ranges),
	    cmocka_unit_test(test_span_end),
	    cmocka_unit_test(test_quote),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
