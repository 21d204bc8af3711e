/* Windows of the week: what is read, and when they are open. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "strategies/schedule.h"

#define SECOND 1000000ull
#define MINUTE (60 * SECOND)
#define HOUR   (60 * MINUTE)

/* Windows with "|" between them. */
static struct schedule *
schedule_of(const char *texts)
{
	struct schedule *s = schedule_new();
	char copy[256], why[128], *rest = copy, *text;

	assert_non_null(s);
	assert_true(strlen(texts) < sizeof copy);
	memcpy(copy, texts, strlen(texts) + 1);
	while ((text = strsep(&rest, "|")) != NULL)
		if (!schedule_add(s, text, why, sizeof why))
			fail_msg("%s: %s", text, why);
	return s;
}

/* "2026-03-29 00:59:59", of UTC */
static uint64_t
utc(const char *text)
{
	struct tm tm = {0};

	assert_non_null(strptime(text, "%Y-%m-%d %H:%M:%S", &tm));
	return (uint64_t)timegm(&tm) * SECOND;
}

/* Clocks in Berlin went from 02:00 to 03:00 on 29 March 2026 at 01:00 UTC,
 * and go back from 03:00 to 02:00 on 25 October at 01:00 UTC. */
static void
test_open(void **state)
{
	static const struct {
		const char *windows, *moment;
		bool open;
	} rows[] = {
	    /* Friday, 17 July 2026: two hours before UTC */
	    {"mon-fri 09:00-17:00", "2026-07-17 06:59:59", false},
	    {"mon-fri 09:00-17:00", "2026-07-17 07:00:00", true},
	    {"mon-fri 09:00-17:00", "2026-07-17 14:59:59", true},
	    {"mon-fri 09:00-17:00", "2026-07-17 15:00:00", false},
	    {"mon-fri 09:00-17:00", "2026-07-18 10:00:00", false},
	    {"mon-fri 09:00-17:00 UTC", "2026-07-17 08:59:59", false},
	    {"mon-fri 09:00-17:00 UTC", "2026-07-17 16:59:59", true},
	    {"MON-Fri 09:00-17:00", "2026-07-17 07:00:00", true},
	    {"09:00-17:00", "2026-07-18 10:00:00", true},
	    {"sat,mon", "2026-07-17 21:59:59", false},
	    {"sat,mon", "2026-07-17 22:00:00", true},
	    {"sat,mon", "2026-07-18 21:59:59", true},
	    {"sat,mon", "2026-07-18 22:00:00", false},
	    {"sat,mon UTC", "2026-07-17 22:00:00", false},
	    /* over the end of the week */
	    {"fri-mon", "2026-07-20 10:00:00", true},
	    {"fri-mon", "2026-07-21 10:00:00", false},
	    {"sun-sat", "2026-07-21 10:00:00", true},
	    {"sat-fri", "2026-07-21 10:00:00", true},
	    /* several: one is enough */
	    {"mon 09:00-10:00|fri 12:00-13:00", "2026-07-17 10:30:00", true},
	    {"mon 09:00-10:00|fri 12:00-13:00", "2026-07-17 07:30:00", false},
	    /* over midnight: it belongs to the day on which it begins */
	    {"fri 22:00-06:00", "2026-07-17 20:00:00", true},
	    {"fri 22:00-06:00", "2026-07-18 03:59:59", true},
	    {"fri 22:00-06:00", "2026-07-18 04:00:00", false},
	    {"fri 22:00-06:00", "2026-07-17 03:00:00", false},
	    {"sat 22:00-06:00", "2026-07-19 03:00:00", true},
	    {"fri 00:00-24:00", "2026-07-17 21:59:59", true},
	    {"fri 00:00-24:00", "2026-07-17 22:00:00", false},
	    {"fri 22:00-00:00", "2026-07-17 21:59:59", true},
	    {"fri 22:00-00:00", "2026-07-17 22:00:00", false},
	    /* an hour that is skipped */
	    {"sun 01:30-02:30", "2026-03-29 00:59:59", true},
	    {"sun 01:30-02:30", "2026-03-29 01:00:00", false},
	    {"sun 02:00-03:00", "2026-03-29 00:59:59", false},
	    {"sun 02:00-03:00", "2026-03-29 01:00:00", false},
	    {"sun 02:30-04:00", "2026-03-29 01:00:00", true},
	    {"sun 03:00-04:00", "2026-03-29 01:00:00", true},
	    /* one that comes twice */
	    {"sun 02:00-02:30", "2026-10-25 00:00:00", true},
	    {"sun 02:00-02:30", "2026-10-25 00:30:00", false},
	    {"sun 02:00-02:30", "2026-10-25 01:00:00", true},
	    {"sun 02:00-02:30", "2026-10-25 01:30:00", false},
	    {"sun 02:00-02:30", "2026-10-25 02:00:00", false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct schedule *s = schedule_of(rows[i].windows);

		if (schedule_open(s, utc(rows[i].moment)) != rows[i].open)
			fail_msg("%s at %s", rows[i].windows, rows[i].moment);
		schedule_free(s);
	}
}

static void
test_next(void **state)
{
	static const struct {
		const char *windows, *moment, *next;
	} rows[] = {
	    {"mon-fri 09:00-17:00", "2026-07-17 08:12:34",
		"2026-07-17 08:12:34"},
	    {"mon-fri 09:00-17:00", "2026-07-17 06:59:59",
		"2026-07-17 07:00:00"},
	    {"mon-fri 09:00-17:00", "2026-07-17 15:00:00",
		"2026-07-20 07:00:00"},
	    {"mon-fri 09:07-17:00", "2026-07-17 15:00:01",
		"2026-07-20 07:07:00"},
	    {"mon 09:00-10:00|sun 23:59-24:00", "2026-07-17 15:00:00",
		"2026-07-19 21:59:00"},
	    {"fri 09:00-10:00", "2026-07-17 08:00:00", "2026-07-24 07:00:00"},
	    {"fri 09:00-10:00 UTC", "2026-07-17 08:00:00",
		"2026-07-17 09:00:00"},
	    /* the clock jumps to or over the begin */
	    {"sun 02:30-04:00", "2026-03-28 12:00:00", "2026-03-29 01:00:00"},
	    {"sun 02:00-03:00", "2026-03-28 12:00:00", "2026-04-05 00:00:00"},
	    {"sun 03:00-04:00", "2026-03-28 12:00:00", "2026-03-29 01:00:00"},
	    {"sun 09:00-10:00", "2026-03-28 12:00:00", "2026-03-29 07:00:00"},
	    {"sun 02:00-02:30", "2026-10-25 00:30:00", "2026-10-25 01:00:00"},
	    {"sun 02:10-02:30", "2026-10-25 00:31:00", "2026-10-25 01:10:00"},
	    {"sun 02:10-02:30", "2026-10-25 01:30:00", "2026-11-01 01:10:00"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct schedule *s = schedule_of(rows[i].windows);

		if (schedule_next(s, utc(rows[i].moment)) != utc(rows[i].next))
			fail_msg("%s at %s", rows[i].windows, rows[i].moment);
		schedule_free(s);
	}
}

/* What is said of a whole year agrees with looking at every minute of it. */
static void
test_next_is_the_first(void **state)
{
	static const char *const all[] = {"sun 02:13-02:14",
	    "sun 01:59-03:01|wed 23:50-00:10", "mon-fri 09:00-17:00",
	    "sun 22:00-04:00 UTC"};
	const uint64_t start = utc("2026-01-01 00:00:00");

	(void)state;
	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
		struct schedule *s = schedule_of(all[i]);
		uint64_t next = schedule_next(s, start);

		for (uint64_t m = 0; m < 365ull * 24 * 60; m++) {
			const uint64_t now = start + m * MINUTE;
			const bool open = schedule_open(s, now);

			assert_int_equal(open, now == next);
			if (open)
				next = schedule_next(s, now + MINUTE);
		}
		schedule_free(s);
	}
}

static void
test_never(void **state)
{
	struct schedule *s = schedule_new();

	(void)state;
	assert_false(schedule_open(s, utc("2026-07-17 12:00:00")));
	assert_true(schedule_next(s, utc("2026-07-17 12:00:00")) ==
		    utc("2026-08-01 12:00:00"));
	schedule_free(s);
	schedule_free(NULL);
}

static void
test_say(void **state)
{
	char text[64], small[4];

	(void)state;
	schedule_say(utc("2026-03-29 01:00:00"), text, sizeof text);
	assert_string_equal(text, "2026-03-29 03:00 CEST");
	schedule_say(utc("2026-03-29 00:59:59"), text, sizeof text);
	assert_string_equal(text, "2026-03-29 01:59 CET");
	schedule_say(utc("2026-03-29 00:59:59"), small, sizeof small);
	assert_string_equal(small, "");
}

static void
test_refused(void **state)
{
	static const struct {
		const char *text, *why;
	} rows[] = {
#define BOTH  "expected days, times or both, such as mon-fri 09:00-17:00"
#define DAYS  "expected days such as mon-fri or sat,sun"
#define TIMES "expected times such as 09:00-17:00"
#define END   "expected nothing behind the times but UTC"
	    {"", BOTH},
	    {" mon", BOTH},
	    {"monday", DAYS},
	    {"mon-", DAYS},
	    {"-mon", DAYS},
	    {"mon,", DAYS},
	    {"mon-wed-fri", DAYS},
	    {"UTC", DAYS},
	    {"mon  09:00-17:00", TIMES},
	    {"mon 9:00-17:00", TIMES},
	    {"09:00", TIMES},
	    {"09:00-", TIMES},
	    {"09:60-10:00", TIMES},
	    {"09:00-24:01", TIMES},
	    {"24:00-25:00", TIMES},
	    {"24:00-06:00", TIMES},
	    {"09:00-09:00", TIMES},
	    {"09:00-17:00-18:00", TIMES},
	    {"+9:00-17:00", DAYS},
	    {"09:00-17:00 mon", END},
	    {"09:00-17:00 utc", END},
	    {"09:00-17:00 UTC x", END},
	    {"mon UTC 09:00-17:00", END},
	    {"mon ", TIMES},
	};
	struct schedule *s = schedule_new();

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		char why[128];

		if (schedule_add(s, rows[i].text, why, sizeof why))
			fail_msg("\"%s\" was taken", rows[i].text);
		if (strcmp(why, rows[i].why) != 0)
			fail_msg("\"%s\": %s", rows[i].text, why);
	}
	schedule_free(s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_open),
	    cmocka_unit_test(test_next),
	    cmocka_unit_test(test_next_is_the_first),
	    cmocka_unit_test(test_never),
	    cmocka_unit_test(test_say),
	    cmocka_unit_test(test_refused),
	};

	/* by rule, so that it needs no files of zones */
	setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3", 1);
	tzset();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
