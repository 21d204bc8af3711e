/* Expectations: what is read, what is met, what is said. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "load/board.h"
#include "load/count.h"
#include "load/expect.h"
#include "load/load.h"
#include "load/result.h"

/* 1000 requests: v1 800, of which 8 failed, and v2 200; 1 to 100 ms. */
struct world {
	struct result r;
	struct downtime_window windows[2];
};

static void
fill(struct result_row *row, const char *name, unsigned n, unsigned failed,
    double share)
{
	row->name = name;
	row->score = calloc(1, sizeof *row->score);
	row->share = share;
	count_add(&row->score->requests, n);
	count_add(&row->score->failures[FAILURE_STATUS], failed);
	for (unsigned i = 0; i < n; i++)
		histogram_add(&row->score->latency, (i % 100 + 1) * 1000000ull);
}

static void
world_make(struct world *w)
{
	memset(w, 0, sizeof *w);
	fill(&w->r.versions[0], "v1", 800, 8, 0.8);
	fill(&w->r.versions[1], "v2", 200, 0, 0.2);
	w->r.nversions = 2;
	fill(&w->r.total, "total", 1000, 8, 1);
	w->r.elapsed_ns = 10000000000ull;
	w->r.flips = 3;
	w->r.resent = 4;
	w->r.lag = calloc(1, sizeof *w->r.lag);
	histogram_add(w->r.lag, 250000);
	w->windows[0] = (struct downtime_window){0, 1500000000, 5};
	w->windows[1] = (struct downtime_window){4000000000, 4500000000, 3};
	w->r.downtime = (struct downtime_list){w->windows, 2, 0};
}

static void
world_end(struct world *w)
{
	free(w->r.versions[0].score);
	free(w->r.versions[1].score);
	free(w->r.total.score);
	free(w->r.lag);
}

static void
test_verdicts(void **state)
{
	static const struct {
		const char *text;
		bool met;
		const char *found;
	} rows[] = {
	    {"failures=0", false, "8"},
	    {"failures=8", true, "8"},
	    {"failures:v2=0", true, "0"},
	    {"failures<=8", true, "8"},
	    {"failures<8", false, "8"},
	    {"failures>7", true, "8"},
	    {"failures>=9", false, "8"},
	    {"failures!=8", false, "8"},
	    {"failures!=7", true, "8"},
	    {"requests=1000", true, "1000"},
	    {"requests:v1=801+-1", true, "800"},
	    {"requests:v1=802+-1", false, "800"},
	    {"requests:v1=808+-1%", true, "800"},
	    {"requests:v3=0", true, "0"},
	    {"share:v2=20%", true, "20%"},
	    {"share:v2=20%\xc2\xb1"
	     "1%",
		true, "20%"},
	    {"share:v2=21%\xc2\xb1"
	     "1%",
		true, "20%"},
	    {"share:v2=21.1%\xc2\xb1"
	     "1%",
		false, "20%"},
	    {"share:v2=19%+/-1%", true, "20%"},
	    {"share:v3=0%", true, "0%"},
	    {"error_rate<=0.8%", true, "0.8%"},
	    {"error_rate:v1<1%", false, "1%"},
	    {"error_rate:v3<1%", false, "no answer"},
	    {"flips=0", false, "3"},
	    {"flips=3", true, "3"},
	    {"p50<=51.1ms", true, NULL},
	    {"p50:v2>50500us", true, NULL},
	    {"p99<99ms", false, NULL},
	    {"p99:v3<1s", false, "no answer"},
	    {"max=100ms", true, "100ms"},
	    {"mean=50.5ms", true, "50.5ms"},
	    {"rate=100", true, "100"},
	    {"rate:v2=20", true, "20"},
	    {"downtime=2s", true, "2000ms"},
	    {"downtime=0", false, "2000ms"},
	    {"windows=2", true, "2"},
	    {"versions=2", true, "2"},
	    {"resent<5", true, "4"},
	    {"resent=0", false, "4"},
	    {"lag<1ms", true, NULL},
	};
	struct world w;

	(void)state;
	world_make(&w);
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		const struct load_words words = {&rows[i].text, 1};
		char why[256], found[EXPECT_FOUND_MAX];
		struct expectations e;

		if (!expect_read(&e, &words, why, sizeof why))
			fail_msg("%s: %s", rows[i].text, why);
		if (expect_met(&e.list[0], &w.r, found) != rows[i].met)
			fail_msg("%s: found %s", rows[i].text, found);
		if (rows[i].found != NULL)
			assert_string_equal(found, rows[i].found);
	}
	world_end(&w);
}

static void
test_wrong(void **state)
{
	static const char *const texts[] = {"", "=", "failures",
	    "failures=", "failures=x", "failures=1%", "failures==1",
	    "failures:=1", "flips:v1=0", "share=20%", "share:v2=20",
	    "share:v2=20%+-", "share:v2<20%+-1%", "p99<5", "p99<5km",
	    "downtime:v1=0", "p98<1ms", "Failures=0", "requests=1.2.3",
	    "requests=+-1"};

	(void)state;
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
		const struct load_words words = {&texts[i], 1};
		struct expectations e;
		char why[512] = "";

		if (expect_read(&e, &words, why, sizeof why))
			fail_msg("%s was taken", texts[i]);
		assert_non_null(strstr(why, "--expect: expected as"));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_verdicts),
	    cmocka_unit_test(test_wrong),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
