/*
 * Who is ejected, for how long, and how many at one time, as tables: rows of
 * attempts at a few pods, and what the rules make of them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "make_pods.h"
#include "router/outlier.h"
#include "router/plan.h"
#include "router/pod.h"

#define WORKERS 2u
#define SECOND	1000000ull
#define START	(1000 * SECOND)
#define PERCENT (OUTLIER_WHOLE / 100)

static const struct outlier_rules defaults = {
    .enabled = true,
    .consecutive_errors = 5,
    .connect_failures = 3,
    .error_ratio = 20 * PERCENT,
    .window_ms = 10000,
    .min_requests = 100,
    .eject_ms = 10000,
    .max_eject_ms = 60000,
    .max_ejected = 50 * PERCENT,
};

static void
set_up(struct pod *p)
{
	p->checked = POD_UP;
	pod_settle(p, NULL);
}

static struct version
make_version(unsigned npods)
{
	struct version v = {.pods = make_pods(npods, WORKERS), .npods = npods};

	for (unsigned i = 0; i < npods; i++)
		set_up(v.pods[i]);
	return v;
}

static void
free_version(struct version *v)
{
	free_pods(v->pods, (unsigned)v->npods);
}

static void
good(struct pod *p, unsigned n)
{
	while (n-- > 0) {
		pod_attempt(p, n % WORKERS);
		outlier_answered(&p->row);
	}
}

/* How often main is told. */
static unsigned
bad(const struct outlier_rules *rules, struct pod *p, unsigned n, bool connect)
{
	unsigned told = 0;

	while (n-- > 0) {
		pod_attempt(p, n % WORKERS);
		told += outlier_failed(rules, &p->row, connect);
	}
	return told;
}

static const char *
cause(const struct outlier_rules *rules, const struct version *v, unsigned i,
    uint64_t now)
{
	static char buf[64];

	struct outlier_crowd crowd;

	outlier_survey(rules, v, now, &crowd);
	return outlier_cause(rules, &crowd, v->pods[i], now, buf, sizeof buf);
}

/* + is a good answer, - an error, c a failed connection. */
static const struct {
	unsigned errors, connects;
	const char *attempts;
	unsigned told; /* after so many of them, 0: never */
	const char *why;
} rows[] = {
    {5, 3, "----", 0, NULL},
    {5, 3, "-----", 5, "5 errors in a row"},
    {5, 3, "----+-", 0, NULL},
    {5, 3, "----+-----", 10, "5 errors in a row"},
    {5, 3, "--------", 5, "8 errors in a row"},
    {5, 3, "cc", 0, NULL},
    {5, 3, "ccc", 3, "3 connections in a row failed"},
    {5, 3, "cc+cc", 0, NULL},
    /* an answer, whatever it says, shows that connections are accepted */
    {5, 3, "cc-c", 0, NULL},
    /* a failed connection is an error, too */
    {5, 3, "cc-cc", 5, "5 errors in a row"},
    {0, 3, "----------", 0, NULL},
    {0, 3, "-----ccc", 8, "3 connections in a row failed"},
    {5, 0, "cccc", 0, NULL},
    {5, 0, "ccccc", 5, "5 errors in a row"},
    {0, 0, "cccccc------", 0, NULL},
    {1, 1, "-", 1, "1 error in a row"},
    {1, 1, "c", 1, "1 connection in a row failed"},
    /* found out is found out, whatever came right afterwards */
    {5, 3, "-----+", 5, "5 errors in a row"},
    {5, 3, "ccc+++", 3, "3 connections in a row failed"},
};

static void
test_in_a_row(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct version v = make_version(2);
		struct outlier_rules rules = defaults;
		unsigned told = 0;
		const char *why;

		rules.consecutive_errors = rows[i].errors;
		rules.connect_failures = rows[i].connects;
		for (unsigned n = 0; rows[i].attempts[n] != '\0'; n++) {
			const char what = rows[i].attempts[n];
			struct pod *p = v.pods[1];

			if (what == '+')
				good(p, 1);
			else if (bad(&rules, p, 1, what == 'c') > 0) {
				assert_int_equal(told, 0);
				told = n + 1;
			}
			assert_int_equal(outlier_suspect(&p->row), told > 0);
		}
		if (told != rows[i].told)
			fail_msg("row %zu: told after %u", i, told);
		why = cause(&rules, &v, 1, START);
		if (rows[i].why == NULL)
			assert_null(why);
		else
			assert_string_equal(why, rows[i].why);
		assert_null(cause(&rules, &v, 0, START));
		free_version(&v);
	}
}

/* Main says that it stays: no word more, until it has done well once. */
static void
test_kept(void **state)
{
	struct version v = make_version(2);
	struct pod *p = v.pods[0];

	(void)state;
	assert_int_equal(bad(&defaults, p, 7, false), 1);
	assert_non_null(cause(&defaults, &v, 0, START));
	outlier_keep(p, true);
	assert_false(outlier_suspect(&p->row));
	assert_int_equal(bad(&defaults, p, 100, false), 0);
	assert_non_null(cause(&defaults, &v, 0, START));
	good(p, 1);
	assert_null(cause(&defaults, &v, 0, START));
	outlier_keep(p, false);
	/* what a worker finds between judging and keeping is not lost */
	assert_null(cause(&defaults, &v, 0, START));
	assert_int_equal(bad(&defaults, p, 5, false), 1);
	outlier_keep(p, false);
	assert_true(outlier_suspect(&p->row));
	free_version(&v);
}

/* What was counted before a pod came up does not count. */
static void
test_a_pod_begins_anew(void **state)
{
	struct version v = make_version(2);
	struct pod *p = v.pods[0];

	(void)state;
	bad(&defaults, p, 150, false);
	good(v.pods[1], 150);
	p->checked = POD_DOWN;
	pod_settle(p, "refused");
	set_up(p);
	assert_null(cause(&defaults, &v, 0, START));
	assert_false(outlier_suspect(&p->row));
	assert_int_equal(bad(&defaults, p, 4, false), 0);
	assert_int_equal(bad(&defaults, p, 1, false), 1);
	free_version(&v);
}

/* good and bad answers of up to four pods, and whether the first one goes */
static const struct {
	struct {
		unsigned good, bad;
	} pods[4];
	bool goes;
} ratios[] = {
    {{{80, 20}, {100, 0}, {100, 0}}, true},
    {{{81, 19}, {100, 0}, {100, 0}}, false},
    /* all alike: it is the version, not the pod */
    {{{50, 50}, {50, 50}, {50, 50}}, false},
    {{{0, 100}, {0, 100}, {0, 100}}, false},
    {{{50, 50}, {71, 29}, {71, 29}}, true},
    {{{50, 50}, {69, 31}, {69, 31}}, false},
    /* the mean of the others, whatever they weigh */
    {{{50, 50}, {100, 0}, {4000, 6000}}, true},
    {{{50, 50}, {100, 0}, {3900, 6100}}, false},
    /* too few to say anything: its own, the others' */
    {{{0, 99}, {100, 0}, {100, 0}}, false},
    {{{0, 100}, {99, 0}, {99, 0}}, false},
    {{{0, 100}, {99, 0}, {100, 0}}, true},
    {{{0, 100}}, false},
};

static void
test_ratio(void **state)
{
	struct outlier_rules rules = defaults;

	(void)state;
	rules.consecutive_errors = 0;
	for (size_t i = 0; i < sizeof ratios / sizeof ratios[0]; i++) {
		struct version v = make_version(4);

		for (unsigned k = 0; k < 4; k++) {
			good(v.pods[k], ratios[i].pods[k].good);
			bad(&rules, v.pods[k], ratios[i].pods[k].bad, false);
		}
		if ((cause(&rules, &v, 0, START) != NULL) != ratios[i].goes)
			fail_msg("row %zu", i);
		rules.error_ratio = 0;
		assert_null(cause(&rules, &v, 0, START));
		rules.error_ratio = defaults.error_ratio;
		free_version(&v);
	}
}

static void
test_ratio_in_words(void **state)
{
	struct version v = make_version(3);
	struct outlier_rules rules = defaults;

	(void)state;
	rules.consecutive_errors = 0;
	good(v.pods[0], 130);
	bad(&rules, v.pods[0], 70, false);
	good(v.pods[1], 96);
	bad(&rules, v.pods[1], 4, false);
	good(v.pods[2], 100);
	assert_string_equal(
	    cause(&rules, &v, 0, START), "35% errors of 200, others 2%");
	free_version(&v);
}

/* The window slides: what is older than that is forgotten, part by part. */
static void
test_window(void **state)
{
	struct version v = make_version(2);
	struct outlier_rules rules = defaults;

	(void)state;
	rules.consecutive_errors = 0;
	for (unsigned s = 0; s < 10; s++) {
		bad(&rules, v.pods[0], 10, false);
		good(v.pods[1], 10);
		assert_int_equal(
		    cause(&rules, &v, 0, START + s * SECOND) != NULL, s == 9);
	}
	/* the errors leave, ten a second, while good ones come */
	for (unsigned s = 10; s < 20; s++) {
		good(v.pods[0], 10);
		good(v.pods[1], 10);
		assert_int_equal(
		    cause(&rules, &v, 0, START + s * SECOND) != NULL, s < 18);
	}
	/* long afterwards nothing is left to judge by */
	bad(&rules, v.pods[0], 99, false);
	good(v.pods[1], 99);
	assert_null(cause(&rules, &v, 0, START + 3600 * SECOND));
	free_version(&v);
}

/* Counters of 32 bits may wrap within a window. */
static void
test_counters_wrap(void **state)
{
	struct version v = make_version(2);
	struct outlier_rules rules = defaults;

	(void)state;
	rules.consecutive_errors = 0;
	for (unsigned i = 0; i < 2; i++) {
		atomic_store(&v.pods[i]->slots[0].attempts, UINT32_MAX - 20);
		atomic_store(&v.pods[i]->row.errors, UINT32_MAX - 10);
		outlier_restart(v.pods[i]);
	}
	good(v.pods[0], 50);
	bad(&rules, v.pods[0], 50, false);
	good(v.pods[1], 100);
	assert_string_equal(
	    cause(&rules, &v, 0, START), "50% errors of 100, others 0%");
	free_version(&v);
}

/* u is up, e ejected, d down, m in maintenance */
static const struct {
	const char *pods;
	unsigned max_percent, panic_percent;
	bool room;
} rooms[] = {
    /* one may always go, but never the last that is up */
    {"uu", 50, 0, true},
    {"uu", 1, 0, true},
    {"ue", 100, 0, false},
    {"u", 100, 0, false},
    {"ud", 100, 0, false},
    {"udd", 100, 0, false},
    {"uue", 50, 0, false},
    {"uue", 66, 0, false},
    {"uue", 67, 0, true},
    {"uuue", 50, 0, true},
    {"uuee", 50, 0, false},
    {"uuuueeee", 60, 0, false},
    {"uuuueeee", 63, 0, true},
    {"uueeeeee", 100, 0, true},
    /* who is ordered away is no part of the version */
    {"uuem", 50, 0, false},
    {"uuuem", 50, 0, true},
    {"um", 100, 0, false},
    /* no ejection begins a panic, or makes one worse */
    {"uuuu", 50, 75, true},
    {"uuuu", 50, 76, false},
    {"uudd", 50, 50, false},
    {"uuud", 50, 50, true},
};

static void
test_room(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof rooms / sizeof rooms[0]; i++) {
		const unsigned n = (unsigned)strlen(rooms[i].pods);
		struct version v = make_version(n);
		struct outlier_rules rules = defaults;
		struct outlier_crowd crowd = {0};

		for (unsigned k = 0; k < n; k++) {
			struct pod *p = v.pods[k];

			if (rooms[i].pods[k] == 'm')
				p->order = POD_ORDER_MAINT;
			if (rooms[i].pods[k] == 'd')
				p->checked = POD_DOWN;
			if (rooms[i].pods[k] == 'e')
				outlier_eject(&rules, &crowd, p, START);
			pod_settle(p, NULL);
		}
		rules.max_ejected = rooms[i].max_percent * PERCENT;
		outlier_survey(&rules, &v, START, &crowd);
		if (outlier_has_room(&rules, rooms[i].panic_percent * PERCENT,
			&crowd) != rooms[i].room)
			fail_msg("row %zu: %s", i, rooms[i].pods);
		free_version(&v);
	}
}

/*
 * 10 s, twice as long each time, at most a minute. Seconds that it does well
 * from its return to the next ejection, and for how long that is.
 */
static void
test_times(void **state)
{
	static const struct {
		unsigned well, out;
	} times[] = {
	    {0, 10},
	    {0, 20},
	    {9, 40},
	    {39, 60},
	    {59, 60},
	    /* a minute pays for the last time, 40 s for that before */
	    {60, 60},
	    {100, 40},
	    {40 + 20 + 10, 10},
	    {9, 20},
	    {20, 20},
	    {1000, 10},
	};
	struct version v = make_version(1);
	struct pod *p = v.pods[0];
	struct outlier_crowd crowd = {0};
	uint64_t now = START;

	(void)state;
	for (size_t i = 0; i < sizeof times / sizeof times[0]; i++) {
		uint32_t ms;

		now += times[i].well * SECOND;
		ms = outlier_eject(&defaults, &crowd, p, now);
		if (ms != times[i].out * 1000)
			fail_msg("row %zu: %u ms", i, ms);
		assert_int_equal(p->record.until_us, now + ms * 1000ull);
		assert_true(p->ejected && outlier_suspect(&p->row));
		pod_settle(p, "why");
		assert_int_equal(p->state, POD_EJECTED);
		now = p->record.until_us;
		p->ejected = false;
		pod_settle(p, NULL);
		assert_int_equal(p->state, POD_UP);
	}
	free_version(&v);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_in_a_row),
	    cmocka_unit_test(test_kept),
	    cmocka_unit_test(test_a_pod_begins_anew),
	    cmocka_unit_test(test_ratio),
	    cmocka_unit_test(test_ratio_in_words),
	    cmocka_unit_test(test_window),
	    cmocka_unit_test(test_counters_wrap),
	    cmocka_unit_test(test_room),
	    cmocka_unit_test(test_times),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
