/* Whose turn it is to be mirrored, and what goes on from plan to plan. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "build_spec.h"
#include "router/mirror.h"
#include "router/pod.h"

#define WORKERS 2u

static struct plan *
build(const struct plan *old, const char *const *names, size_t n,
    size_t version, uint32_t share)
{
	struct spec *spec = spec_new();
	struct plan *p;
	char why[256];

	assert_non_null(spec);
	build_service(spec, "shop");
	for (size_t i = 0; i < n; i++)
		build_version(
		    spec, names[i], i == 0, 9001 + 10 * (unsigned)i, 1);
	build_route(spec, NULL, PATH_PREFIX, "/");
	build_last(spec)->terms.mirror = (struct mirror_spec){
	    .on = true, .version = version, .share = share};
	p = plan_build(spec, old, WORKERS, 0, why, sizeof why);
	assert_non_null(p);
	spec_free(spec);
	return p;
}

static const char *const abc[] = {"v1", "v2", "v3"};
static const char *const cab[] = {"v3", "v1", "v2"};

static unsigned
draw(const struct plan *p, unsigned n)
{
	unsigned drawn = 0;

	for (unsigned i = 0; i < n; i++)
		drawn += mirror_draw(p->services[0]);
	return drawn;
}

static void
test_share_is_exact_at_any_moment(void **state)
{
	static const uint32_t shares[] = {
	    0, 1, 100, 5000, 123456, 333333, 500000, 999999, MIRROR_ALL};

	(void)state;
	for (size_t i = 0; i < sizeof shares / sizeof shares[0]; i++) {
		struct plan *p = build(NULL, abc, 3, 1, shares[i]);
		uint64_t drawn = 0;

		for (uint64_t n = 1; n <= 20000; n++) {
			int64_t off;

			drawn += draw(p, 1);
			off = (int64_t)(drawn * MIRROR_ALL) -
			      (int64_t)(n * shares[i]);
			assert_in_range(
			    off + (int64_t)MIRROR_ALL, 0, 2 * MIRROR_ALL);
		}
		plan_drop(p);
	}
}

static void
count(const struct plan *p)
{
	const struct mirror *m = p->services[0]->mirror;

	mirror_skip(m, 0, MIRROR_SKIP_LIMIT);
	mirror_skip(m, 1, MIRROR_SKIP_LIMIT);
	mirror_differ(m, 1, MIRROR_DIFFERS_BODY);
	tally_answer(m->to.tally, 1, 200, 1);
}

static void
assert_counted(const struct plan *p, unsigned times)
{
	const struct mirror *m = p->services[0]->mirror;
	struct tally_sum sum;

	assert_int_equal(mirror_skipped(m, MIRROR_SKIP_LIMIT), 2 * times);
	assert_int_equal(mirror_skipped(m, MIRROR_SKIP_BODY), 0);
	assert_int_equal(mirror_differed(m, MIRROR_DIFFERS_BODY), times);
	assert_int_equal(mirror_differed(m, MIRROR_DIFFERS_STATUS), 0);
	tally_read(m->to.tally, &sum);
	assert_int_equal(tally_answers(&sum), times);
	tally_read(service_version(p->services[0], m->to.name)->tally, &sum);
	assert_int_equal(tally_answers(&sum), 0);
}

/* The split, too: ten requests give one at 10 %, however plans come. */
static void
test_goes_on_over_copies_and_reloads(void **state)
{
	struct plan *p = build(NULL, abc, 3, 1, 100000), *next;
	struct weight_change change = {"v3", 7 * WEIGHT_ONE, false};
	unsigned drawn = 0;
	char why[128];

	(void)state;
	for (unsigned round = 0; round < 10; round++) {
		count(p);
		for (unsigned i = 0; i < 10; i++) {
			drawn += draw(p, 1);
			if (i % 3 == 0)
				next = plan_with_health(p, "shop");
			else if (i % 3 == 1)
				next = plan_with_weights(
				    p, "shop", &change, 1, why, sizeof why);
			else /* the same version, by another index */
				next = build(p, i % 2 ? abc : cab, 3,
				    i % 2 ? 1 : 2, 100000);
			assert_non_null(next);
			plan_drop(p);
			p = next;
			assert_string_equal(
			    p->services[0]->mirror->to.name, "v2");
		}
		assert_int_equal(drawn, round + 1);
		assert_counted(p, round + 1);
	}
	plan_drop(p);
}

static void
test_begins_anew(void **state)
{
	struct plan *p = build(NULL, abc, 3, 1, 500000), *next;

	(void)state;
	count(p);
	next = build(p, abc, 3, 1, 250000); /* another share */
	assert_counted(next, 1);
	assert_ptr_not_equal(
	    next->services[0]->mirror->split, p->services[0]->mirror->split);
	plan_drop(p);
	p = build(next, abc, 3, 1, 0); /* switched off */
	assert_counted(p, 1);
	assert_int_equal(draw(p, 100), 0);
	plan_drop(next);
	next = build(p, abc, 3, 2, 0); /* another version */
	assert_counted(next, 0);
	plan_drop(p);
	plan_drop(next);
}

/* Everything as the version has it, but for the counters. */
static void
test_follows_the_version(void **state)
{
	struct plan *p = build(NULL, abc, 3, 1, MIRROR_ALL), *next;
	const struct version *v = &p->services[0]->versions[1];
	const struct version *to = &p->services[0]->mirror->to;

	(void)state;
	assert_int_equal(to->nready, 0);
	v->pods[0]->state = POD_UP;
	next = plan_with_health(p, "shop");
	assert_non_null(next);
	plan_drop(p);
	v = &next->services[0]->versions[1];
	to = &next->services[0]->mirror->to;
	assert_int_equal(to->nready, 1);
	assert_ptr_equal(to->ready, v->ready);
	assert_ptr_equal(to->ready[0], v->pods[0]);
	assert_int_equal(to->index, 1);
	assert_ptr_not_equal(to->tally, v->tally);
	plan_drop(next);
}

static void
test_names(void **state)
{
	(void)state;
	assert_string_equal(mirror_skip_name(MIRROR_SKIP_BODY), "body");
	assert_string_equal(mirror_skip_name(MIRROR_SKIP_LIMIT), "limit");
	assert_string_equal(
	    mirror_skip_name(MIRROR_SKIP_INCOMPLETE), "incomplete");
	assert_string_equal(
	    mirror_difference_name(MIRROR_DIFFERS_STATUS), "status");
	assert_string_equal(
	    mirror_difference_name(MIRROR_DIFFERS_BODY), "body");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_share_is_exact_at_any_moment),
	    cmocka_unit_test(test_goes_on_over_copies_and_reloads),
	    cmocka_unit_test(test_begins_anew),
	    cmocka_unit_test(test_follows_the_version),
	    cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
