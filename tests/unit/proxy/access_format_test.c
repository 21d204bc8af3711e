/*
 * Access log lines: every field in both formats, and that no byte a client
 * may send leaves its field or its line.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proxy/access_format.h"
#include "router/choose.h"

/* 2026-01-31T12:34:56.789Z */
#define WHEN 1769862896789000u

static char line[ACCESS_LINE_MAX + 1];

static const struct access_entry full = {
    .time_us = WHEN,
    .request_bytes = 12,
    .response_bytes = 3456,
    .queue_us = 1,
    .connect_us = 1500,
    .first_byte_us = 20034,
    .total_us = 60000000,
    .rule = 2,
    .status = 200,
    .protocol = ACCESS_HTTP_1_1,
    .chosen = CHOICE_RULE,
    .retries = 1,
    .text =
	{
	    [ACCESS_CLIENT] = SPAN("192.0.2.7"),
	    [ACCESS_METHOD] = SPAN("POST"),
	    [ACCESS_TARGET] = SPAN("/cart?x=1"),
	    [ACCESS_HOST] = SPAN("shop.example.com"),
	    [ACCESS_USER_AGENT] = SPAN("curl/8"),
	    [ACCESS_REFERER] = SPAN("http://a/"),
	    [ACCESS_SERVICE] = SPAN("shop"),
	    [ACCESS_VERSION] = SPAN("v2"),
	    [ACCESS_POD] = SPAN("10.0.0.4:8000"),
	    [ACCESS_REASON] = SPAN("pod closed the connection early"),
	},
};

static const struct access_entry bare = {
    .time_us = WHEN,
    .queue_us = ACCESS_NONE,
    .connect_us = ACCESS_NONE,
    .first_byte_us = ACCESS_NONE,
    .total_us = 0,
    .rule = -1,
    .protocol = ACCESS_UNKNOWN,
    .chosen = -1,
};

/* Through the ring's form and back, then formatted. */
static const char *
format(enum log_format how, const struct access_entry *e)
{
	struct access_entry unpacked;
	struct access_format f;
	size_t size = access_entry_size(e), n;
	char *packed = malloc(size);

	assert_non_null(packed);
	access_entry_pack(e, packed);
	access_entry_unpack((struct span){packed, size}, &unpacked);
	access_format_init(&f, how);
	n = access_format_line(&f, &unpacked, line);
	free(packed);
	assert_in_range(n, 1, ACCESS_LINE_MAX);
	assert_int_equal(line[n - 1], '\n');
	line[n] = '\0';
	assert_ptr_equal(strchr(line, '\n'), line + n - 1);
	assert_int_equal(strlen(line), n);
	return line;
}

static void
json_has_every_field(void **state)
{
	(void)state;
	assert_string_equal(format(LOG_FORMAT_JSON, &full),
	    "{\"time\":\"2026-01-31T12:34:56.789Z\",\"client\":\"192.0.2.7\","
	    "\"method\":\"POST\",\"target\":\"/cart?x=1\","
	    "\"host\":\"shop.example.com\",\"protocol\":\"HTTP/1.1\","
	    "\"status\":200,\"request_bytes\":12,\"response_bytes\":3456,"
	    "\"service\":\"shop\",\"version\":\"v2\","
	    "\"pod\":\"10.0.0.4:8000\",\"rule\":2,\"chosen\":\"rule\","
	    "\"reason\":\"pod closed the connection early\",\"retries\":1,"
	    "\"queue_ms\":0.001,\"connect_ms\":1.500,"
	    "\"first_byte_ms\":20.034,\"total_ms\":60000.000,"
	    "\"user_agent\":\"curl/8\",\"referer\":\"http://a/\"}\n");
}

static void
json_null_where_nothing_was(void **state)
{
	(void)state;
	assert_string_equal(format(LOG_FORMAT_JSON, &bare),
	    "{\"time\":\"2026-01-31T12:34:56.789Z\",\"client\":null,"
	    "\"method\":null,\"target\":null,\"host\":null,"
	    "\"protocol\":null,\"status\":null,\"request_bytes\":0,"
	    "\"response_bytes\":0,\"service\":null,\"version\":null,"
	    "\"pod\":null,\"rule\":null,\"chosen\":null,\"reason\":null,"
	    "\"retries\":0,\"queue_ms\":null,\"connect_ms\":null,"
	    "\"first_byte_ms\":null,\"total_ms\":0.000,"
	    "\"user_agent\":null,\"referer\":null}\n");
}

static void
combined_has_every_field(void **state)
{
	(void)state;
	assert_string_equal(format(LOG_FORMAT_COMBINED, &full),
	    "192.0.2.7 - - [31/Jan/2026:12:34:56 +0000] "
	    "\"POST /cart?x=1 HTTP/1.1\" 200 3456 \"http://a/\" \"curl/8\" "
	    "host=\"shop.example.com\" service=\"shop\" version=\"v2\" "
	    "pod=\"10.0.0.4:8000\" rule=2 chosen=\"rule\" "
	    "reason=\"pod closed the connection early\" retries=1 "
	    "request_bytes=12 queue_ms=0.001 connect_ms=1.500 "
	    "first_byte_ms=20.034 total_ms=60000.000\n");
}

static void
combined_dash_where_nothing_was(void **state)
{
	(void)state;
	assert_string_equal(format(LOG_FORMAT_COMBINED, &bare),
	    "- - - [31/Jan/2026:12:34:56 +0000] \"-\" - - \"-\" \"-\" "
	    "host=- service=- version=- pod=- rule=- chosen=- reason=- "
	    "retries=0 request_bytes=0 queue_ms=- connect_ms=- "
	    "first_byte_ms=- total_ms=0.000\n");
}

static void
every_way_of_choosing(void **state)
{
	static const char *const words[] = {
	    [CHOICE_RULE] = "\"chosen\":\"rule\"",
	    [CHOICE_WEIGHT] = "\"chosen\":\"weight\"",
	    [CHOICE_STABLE] = "\"chosen\":\"stable\"",
	    [CHOICE_STICKY] = "\"chosen\":\"sticky\"",
	    [CHOICE_RELEASE] = "\"chosen\":\"release\"",
	};

	(void)state;
	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
		struct access_entry e = bare;

		e.chosen = (int8_t)i;
		assert_non_null(strstr(format(LOG_FORMAT_JSON, &e), words[i]));
	}
}

static void
every_protocol(void **state)
{
	static const char *const names[ACCESS_PROTOCOL_COUNT] = {
	    [ACCESS_HTTP_1_0] = "HTTP/1.0",
	    [ACCESS_HTTP_1_1] = "HTTP/1.1",
	    [ACCESS_HTTP_2_0] = "HTTP/2.0",
	};
	struct access_entry e = full;
	char whole[64];

	(void)state;
	for (uint8_t i = ACCESS_HTTP_1_0; i < ACCESS_PROTOCOL_COUNT; i++) {
		e.protocol = i;
		snprintf(
		    whole, sizeof whole, ",\"protocol\":\"%s\",", names[i]);
		assert_non_null(strstr(format(LOG_FORMAT_JSON, &e), whole));
		snprintf(whole, sizeof whole, "/cart?x=1 %s\" 200", names[i]);
		assert_non_null(strstr(format(LOG_FORMAT_COMBINED, &e), whole));
	}
	e.protocol = ACCESS_UNKNOWN;
	assert_non_null(
	    strstr(format(LOG_FORMAT_JSON, &e), ",\"protocol\":null,"));
	assert_non_null(
	    strstr(format(LOG_FORMAT_COMBINED, &e), "/cart?x=1\" 200"));
}

/* The text in the place of the User-Agent, in one format. */
static void
assert_agent(enum log_format how, struct span agent, const char *wanted)
{
	struct access_entry e = full;
	char whole[256];

	e.text[ACCESS_USER_AGENT] = agent;
	snprintf(whole, sizeof whole,
	    how == LOG_FORMAT_JSON ? "\"user_agent\":\"%s\",\"referer\":"
				   : "\"http://a/\" \"%s\" host=",
	    wanted);
	format(how, &e);
	if (strstr(line, whole) == NULL)
		fail_msg("%s is not in %s", whole, line);
}

static void
json_escapes(void **state)
{
	static const struct {
		struct span text;
		const char *wanted;
	} rows[] = {
	    {SPAN("a\"b\\c/d"), "a\\\"b\\\\c/d"},
	    {SPAN("\",\"status\":200,\"x\":\""),
		"\\\",\\\"status\\\":200,\\\"x\\\":\\\""},
	    {SPAN("a\nb\r\tc\0d\x1b\x7f"),
		"a\\u000ab\\u000d\\u0009c\\u0000d\\u001b\\u007f"},
	    /* UTF-8 stays: two, three, four bytes, and the last of each */
	    {SPAN("\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"),
		"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"},
	    {SPAN("\xdf\xbf\xef\xbf\xbf\xf4\x8f\xbf\xbf"),
		"\xdf\xbf\xef\xbf\xbf\xf4\x8f\xbf\xbf"},
	    {SPAN("\xc2\xa0\xe0\xa0\x80\xf0\x90\x80\x80\xed\x9f\xbf"),
		"\xc2\xa0\xe0\xa0\x80\xf0\x90\x80\x80\xed\x9f\xbf"},
	    /* a C1 control, which a terminal obeys */
	    {SPAN("\xc2\x9b"), "\\u00c2\\u009b"},
	    /* not UTF-8: alone, cut short, too long, surrogate, too high */
	    {SPAN("\x80\xff"), "\\u0080\\u00ff"},
	    {SPAN("\xe2\x82"), "\\u00e2\\u0082"},
	    {SPAN("\xe2\x82z"), "\\u00e2\\u0082z"},
	    {SPAN("\xc0\xaf\xc1\xbf"), "\\u00c0\\u00af\\u00c1\\u00bf"},
	    {SPAN("\xe0\x9f\xbf"), "\\u00e0\\u009f\\u00bf"},
	    {SPAN("\xf0\x8f\xbf\xbf"), "\\u00f0\\u008f\\u00bf\\u00bf"},
	    {SPAN("\xed\xa0\x80"), "\\u00ed\\u00a0\\u0080"},
	    {SPAN("\xf4\x90\x80\x80"), "\\u00f4\\u0090\\u0080\\u0080"},
	    {SPAN("\xf0\x9f\x98"), "\\u00f0\\u009f\\u0098"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		assert_agent(LOG_FORMAT_JSON, rows[i].text, rows[i].wanted);
}

static void
combined_escapes(void **state)
{
	(void)state;
	assert_agent(LOG_FORMAT_COMBINED, SPAN("a\"b\\c"), "a\\\"b\\\\c");
	assert_agent(LOG_FORMAT_COMBINED, SPAN("x\" 200 1\nfake - -"),
	    "x\\\" 200 1\\x0afake - -");
	assert_agent(LOG_FORMAT_COMBINED, SPAN("\0\x1f\x7f\x80\xff\xc3\xa9"),
	    "\\x00\\x1f\\x7f\\x80\\xff\\xc3\\xa9");
	assert_agent(LOG_FORMAT_COMBINED, SPAN("\\"), "\\\\");
}

/* Every text of its full length, of bytes that take most room. */
static void
the_longest_line_fits(void **state)
{
	static char many[8192];
	struct access_entry e = full;

	(void)state;
	memset(many, 0xff, sizeof many);
	for (unsigned i = 0; i < ACCESS_TEXT_COUNT; i++)
		e.text[i] = (struct span){many, sizeof many};
	e.time_us = UINT64_MAX / 100000;
	e.request_bytes = e.response_bytes = UINT64_MAX;
	e.queue_us = e.connect_us = e.first_byte_us = e.total_us =
	    UINT64_MAX - 1;
	e.rule = INT32_MAX;
	e.retries = UINT32_MAX;
	assert_in_range(strlen(format(LOG_FORMAT_JSON, &e)),
	    6 * ACCESS_TEXT_BYTES, ACCESS_LINE_MAX);
	assert_in_range(strlen(format(LOG_FORMAT_COMBINED, &e)),
	    4 * ACCESS_TEXT_BYTES, ACCESS_LINE_MAX);
}

static void
long_texts_are_cut(void **state)
{
	static char many[5000];
	struct access_entry e = bare;
	char *packed;
	size_t size;

	(void)state;
	memset(many, 'x', sizeof many);
	e.text[ACCESS_TARGET] = (struct span){many, sizeof many};
	e.text[ACCESS_HOST] = SPAN("h");
	size = access_entry_size(&e);
	packed = malloc(size);
	assert_non_null(packed);
	access_entry_pack(&e, packed);
	access_entry_unpack((struct span){packed, size}, &e);
	assert_int_equal(e.text[ACCESS_TARGET].n, 4096);
	assert_true(span_eq(e.text[ACCESS_HOST], SPAN("h")));
	assert_int_equal(e.text[ACCESS_REFERER].n, 0);
	free(packed);
}

/* One formatter for many lines: the time's text is kept, but never stale. */
static void
time_moves_on(void **state)
{
	static const struct {
		uint64_t us;
		const char *json, *combined;
	} rows[] = {
	    {WHEN, "12:34:56.789Z", "31/Jan/2026:12:34:56 +0000"},
	    {WHEN + 1000, "12:34:56.790Z", "31/Jan/2026:12:34:56 +0000"},
	    {WHEN + 211000, "12:34:57.000Z", "31/Jan/2026:12:34:57 +0000"},
	    {WHEN + 5000, "12:34:56.794Z", "31/Jan/2026:12:34:56 +0000"},
	    {WHEN + 43200000000, "2026-02-01T00:34:56.789Z",
		"01/Feb/2026:00:34:56 +0000"},
	    {0, "1970-01-01T00:00:00.000Z", "01/Jan/1970:00:00:00 +0000"},
	};
	struct access_format json, combined;

	(void)state;
	access_format_init(&json, LOG_FORMAT_JSON);
	access_format_init(&combined, LOG_FORMAT_COMBINED);
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct access_entry e = bare;

		e.time_us = rows[i].us;
		line[access_format_line(&json, &e, line)] = '\0';
		assert_non_null(strstr(line, rows[i].json));
		line[access_format_line(&combined, &e, line)] = '\0';
		assert_non_null(strstr(line, rows[i].combined));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(json_has_every_field),
	    cmocka_unit_test(json_null_where_nothing_was),
	    cmocka_unit_test(combined_has_every_field),
	    cmocka_unit_test(combined_dash_where_nothing_was),
	    cmocka_unit_test(every_way_of_choosing),
	    cmocka_unit_test(every_protocol),
	    cmocka_unit_test(json_escapes),
	    cmocka_unit_test(combined_escapes),
	    cmocka_unit_test(the_longest_line_fits),
	    cmocka_unit_test(long_texts_are_cut),
	    cmocka_unit_test(time_moves_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
