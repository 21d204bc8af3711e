/* Windows over tallies: what leaves them, what stays, and the shares. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "control/window.h"
#include "router/plan.h"
#include "router/tally.h"

#define WORKERS 2u

/* Two versions of one service, as far as windows look at a plan. */
struct fixture {
	struct version versions[2];
	struct service service;
	struct service *services[1];
	struct plan plan;
	struct windows *windows;
};

static int
setup(void **state)
{
	static struct fixture f;

	f = (struct fixture){0};
	for (unsigned i = 0; i < 2; i++) {
		f.versions[i].index = i;
		f.versions[i].tally = tally_new(WORKERS);
		assert_non_null(f.versions[i].tally);
	}
	f.service.versions = f.versions;
	f.service.nversions = 2;
	f.services[0] = &f.service;
	f.plan.services = f.services;
	f.plan.nservices = 1;
	f.windows = windows_new();
	assert_non_null(f.windows);
	*state = &f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	windows_free(f->windows);
	tally_drop(f->versions[0].tally);
	tally_drop(f->versions[1].tally);
	return 0;
}

static void
answers(struct fixture *f, unsigned version, unsigned n, uint64_t us)
{
	for (unsigned i = 0; i < n; i++)
		tally_answer(f->versions[version].tally, i % WORKERS, 200, us);
}

static void
ticks(struct fixture *f, unsigned n)
{
	while (n-- > 0)
		windows_tick(f->windows, &f->plan);
}

static struct window_view
view(const struct fixture *f, size_t version)
{
	struct window_view v;

	windows_read(f->windows, &f->service, version, &v);
	return v;
}

static void
nothing_happened(void **state)
{
	struct fixture *f = *state;
	struct window_view v = view(f, 0);

	assert_int_equal(v.requests, 0);
	assert_int_equal(v.errors, 0);
	assert_true(v.error_ratio == 0 && v.share == 0);
	assert_int_equal(v.p50_us, 0);
	assert_int_equal(v.p99_us, 0);
}

static void
counts_before_the_first_tick(void **state)
{
	struct fixture *f = *state;

	answers(f, 0, 30, 1000);
	answers(f, 1, 10, 1000);
	assert_int_equal(view(f, 0).requests, 30);
	assert_true(view(f, 0).share == 0.75);
	assert_true(view(f, 1).share == 0.25);
}

static void
young_process_counts_from_its_start(void **state)
{
	struct fixture *f = *state;

	answers(f, 0, 5, 1000);
	ticks(f, 1);
	answers(f, 0, 7, 1000);
	ticks(f, WINDOW_SECONDS - 1);
	assert_int_equal(view(f, 0).requests, 12);
}

static void
old_seconds_leave(void **state)
{
	struct fixture *f = *state;

	answers(f, 0, 5, 1000);
	ticks(f, 1);
	answers(f, 0, 7, 1000);
	ticks(f, 1);
	/* the tick that is one more than the window takes the first away */
	ticks(f, WINDOW_SECONDS - 2);
	assert_int_equal(view(f, 0).requests, 12);
	ticks(f, 1);
	assert_int_equal(view(f, 0).requests, 7);
	ticks(f, 1);
	assert_int_equal(view(f, 0).requests, 0);
	assert_int_equal(view(f, 0).p99_us, 0);
	/* and it goes round the ring */
	ticks(f, 5 * WINDOW_SECONDS);
	answers(f, 0, 3, 1000);
	assert_int_equal(view(f, 0).requests, 3);
}

static void
a_steady_rate_is_seen_as_such(void **state)
{
	struct fixture *f = *state;

	for (unsigned i = 0; i < 3 * WINDOW_SECONDS; i++) {
		answers(f, 0, 10, 1000);
		ticks(f, 1);
	}
	assert_int_equal(view(f, 0).requests, 10 * WINDOW_SECONDS);
}

static void
errors_and_their_ratio(void **state)
{
	struct fixture *f = *state;
	struct tally *t = f->versions[0].tally;

	answers(f, 0, 90, 1000);
	for (unsigned i = 0; i < 6; i++) {
		tally_answer(t, 0, 500, 1000);
		tally_error(t, 0, REASON_STATUS);
	}
	for (unsigned i = 0; i < 4; i++)
		tally_error(t, 1, REASON_TIMEOUT);
	assert_int_equal(view(f, 0).requests, 100);
	assert_int_equal(view(f, 0).errors, 10);
	assert_true(view(f, 0).error_ratio == 0.1);
	/* the client's doing is not the version's */
	tally_error(t, 1, REASON_CLIENT_ABORT);
	assert_int_equal(view(f, 0).errors, 10);
	ticks(f, WINDOW_SECONDS + 1);
	assert_int_equal(view(f, 0).errors, 0);
	assert_true(view(f, 0).error_ratio == 0);
}

static void
quantiles_are_those_of_the_window(void **state)
{
	struct fixture *f = *state;
	struct window_view v;

	answers(f, 0, 1000, 5000000);
	ticks(f, WINDOW_SECONDS + 1);
	answers(f, 0, 98, 1000);
	answers(f, 0, 2, 100000);
	v = view(f, 0);
	assert_int_equal(v.requests, 100);
	assert_in_range(v.p50_us, 1000, 1125);
	assert_in_range(v.p99_us, 100000, 112500);
}

static void
forgets_a_tally_that_left(void **state)
{
	struct fixture *f = *state;

	answers(f, 1, 4, 1000);
	ticks(f, WINDOW_SECONDS + 1);
	assert_int_equal(view(f, 1).requests, 0);
	assert_int_equal(f->versions[1].tally->refs, 2);
	f->service.nversions = 1;
	ticks(f, 1);
	assert_int_equal(f->versions[1].tally->refs, 1);
	assert_int_equal(f->versions[0].tally->refs, 2);
}

/* A reload keeps the tally: what it counted stays where it is in time. */
static void
goes_on_over_a_reload(void **state)
{
	struct fixture *f = *state;
	struct version other = f->versions[0];

	answers(f, 0, 8, 1000);
	ticks(f, 1);
	f->versions[0] = f->versions[1];
	f->versions[1] = other;
	ticks(f, 1);
	assert_int_equal(view(f, 1).requests, 8);
	assert_int_equal(view(f, 0).requests, 0);
	ticks(f, WINDOW_SECONDS - 1);
	assert_int_equal(view(f, 1).requests, 0);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(nothing_happened),
	    TEST(counts_before_the_first_tick),
	    TEST(young_process_counts_from_its_start),
	    TEST(old_seconds_leave),
	    TEST(a_steady_rate_is_seen_as_such),
	    TEST(errors_and_their_ratio),
	    TEST(quantiles_are_those_of_the_window),
	    TEST(forgets_a_tally_that_left),
	    TEST(goes_on_over_a_reload),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
