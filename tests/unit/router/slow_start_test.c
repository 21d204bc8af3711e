/* How new pods warm up, and which shares that gives; panic, too. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "build_spec.h"
#include "router/choose.h"
#include "router/draw.h"
#include "router/plan.h"
#include "router/pod.h"
#include "router/slow_start.h"

#define SECOND 1000000ull
#define START  (1000 * SECOND)
#define NEVER  UINT64_MAX

static void
set_down(struct pod *p)
{
	p->checked = POD_DOWN;
	pod_settle(p, "refused");
}

static void
set_up(struct pod *p)
{
	p->checked = POD_UP;
	pod_settle(p, NULL);
}

/* v1 with so many pods, v2 with one, of which none is up yet. */
static struct plan *
build(const struct balance_ops *balance, size_t npods, uint32_t slow_start_ms,
    uint32_t panic, const struct plan *old)
{
	struct spec *spec = spec_new();
	struct service_spec *s;
	struct plan *p;
	char why[256];

	assert_non_null(spec);
	build_service(spec, "shop");
	build_version(spec, "v1", 0, 9001, npods);
	build_version(spec, "v2", 100, 9901, 1);
	build_route(spec, NULL, PATH_PREFIX, "/");
	s = build_last(spec);
	s->terms.balance = balance;
	s->terms.slow_start_ms = slow_start_ms;
	s->terms.panic = panic;
	p = plan_build(spec, old, 1, 0, why, sizeof why);
	assert_non_null(p);
	spec_free(spec);
	return p;
}

static const struct version *
v1(const struct plan *p)
{
	return &p->services[0]->versions[0];
}

static void
all_up(const struct plan *p)
{
	for (size_t i = 0; i < v1(p)->npods; i++)
		set_up(v1(p)->pods[i]);
}

/* The plan as the pods are now; drops the old one. */
static struct plan *
settle(struct plan *old)
{
	struct plan *p = plan_with_health(old, "shop");

	assert_non_null(p);
	plan_drop(old);
	return p;
}

/* What is drawn of 2300 tickets for the pod at that place. */
static unsigned
share(const struct plan *p, unsigned pod)
{
	unsigned n = 0;

	assert_non_null(v1(p)->draw);
	for (uint32_t i = 0; i < draw_total(v1(p)->draw) * 100; i++)
		n += draw_in_turn(v1(p)->draw, i) == pod;
	return n;
}

/* 10 % of its weight at first, then more by the second, then all of it. */
static void
test_shares(void **state)
{
	struct plan *p = build(&balance_round_robin, 2, 9000, 0, NULL);
	uint64_t next = NEVER;

	(void)state;
	all_up(p);
	set_down(v1(p)->pods[1]);
	set_up(v1(p)->pods[1]);
	p = settle(p);
	assert_int_equal(draw_weight(v1(p)->draw, 0), 10);
	assert_int_equal(draw_weight(v1(p)->draw, 1), 1);
	assert_false(slow_start_step(p->services[0], START, &next));
	assert_int_equal(next, 450000);
	for (unsigned tenths = 5; tenths < 90; tenths += 5) {
		next = NEVER;
		assert_true(slow_start_step(
		    p->services[0], START + tenths * SECOND / 10, &next));
		assert_int_equal(next, 450000);
		p = settle(p);
		/* exact: so many of the heavier one's 20 parts */
		assert_int_equal(
		    share(p, 1) * 20, share(p, 0) * (2 + tenths / 5));
	}
	next = NEVER;
	assert_true(slow_start_step(p->services[0], START + 9 * SECOND, &next));
	assert_int_equal(next, NEVER);
	p = settle(p);
	assert_null(v1(p)->draw);
	assert_false(
	    slow_start_step(p->services[0], START + 9 * SECOND, &next));
	plan_drop(p);
}

/* The set of pods that a service begins with is warm, once. */
static void
test_the_first_ones_are_warm(void **state)
{
	struct plan *p = build(&balance_random, 3, 9000, 0, NULL);
	uint64_t next = NEVER;

	(void)state;
	set_up(v1(p)->pods[0]);
	p = settle(p);
	all_up(p);
	p = settle(p);
	assert_null(v1(p)->draw);
	assert_false(slow_start_step(p->services[0], START, &next));
	assert_int_equal(next, NEVER);
	plan_drop(p);
}

/* Who joins later is new; together they share alike. */
static void
test_joining(void **state)
{
	struct plan *first = build(&balance_random, 2, 9000, 0, NULL), *p;

	(void)state;
	all_up(first);
	p = build(&balance_random, 4, 9000, 0, first);
	plan_drop(first);
	all_up(p);
	p = settle(p);
	assert_int_equal(draw_weight(v1(p)->draw, 0), 10);
	assert_int_equal(draw_weight(v1(p)->draw, 2), 1);
	assert_int_equal(draw_weight(v1(p)->draw, 3), 1);
	set_down(v1(p)->pods[0]);
	set_down(v1(p)->pods[1]);
	p = settle(p);
	assert_null(v1(p)->draw);
	plan_drop(p);
}

/* Without it nobody is new, nor when it is switched on later. */
static void
test_off(void **state)
{
	struct plan *p = build(&balance_random, 2, 0, 0, NULL), *later;
	uint64_t next = NEVER;

	(void)state;
	all_up(p);
	set_down(v1(p)->pods[1]);
	set_up(v1(p)->pods[1]);
	p = settle(p);
	assert_null(v1(p)->draw);
	later = build(&balance_random, 2, 9000, 0, p);
	plan_drop(p);
	assert_null(v1(later)->draw);
	assert_false(slow_start_step(later->services[0], START, &next));
	plan_drop(later);
}

/* A hash moves no key for a new pod. */
static void
test_hash(void **state)
{
	struct plan *p = build(&balance_hash, 2, 9000, 0, NULL);

	(void)state;
	all_up(p);
	set_down(v1(p)->pods[1]);
	set_up(v1(p)->pods[1]);
	p = settle(p);
	assert_null(v1(p)->draw);
	plan_drop(p);
}

/* so many up of 4; whether that is panic at 50 %, and who is asked */
static void
test_panic(void **state)
{
	struct plan *p = build(&balance_random, 4, 0, OUTLIER_WHOLE / 2, NULL);

	(void)state;
	assert_true(v1(p)->panic);
	for (size_t up = 0; up <= 4; up++) {
		const bool panic = up < 2;

		if (up > 0)
			set_up(v1(p)->pods[up - 1]);
		p = settle(p);
		assert_int_equal(v1(p)->nup, up);
		assert_int_equal(v1(p)->panic, panic);
		assert_int_equal(v1(p)->nready, panic ? 4 : up);
	}
	/* two of four are not left: one of two is enough */
	v1(p)->pods[0]->order = POD_ORDER_DRAIN;
	v1(p)->pods[1]->order = POD_ORDER_MAINT;
	pod_settle(v1(p)->pods[0], NULL);
	pod_settle(v1(p)->pods[1], NULL);
	set_down(v1(p)->pods[2]);
	p = settle(p);
	assert_int_equal(v1(p)->nleft, 2);
	assert_false(v1(p)->panic);
	assert_int_equal(v1(p)->nready, 1);
	/* none: those that are left, not those that people have ordered */
	set_down(v1(p)->pods[3]);
	p = settle(p);
	assert_true(v1(p)->panic);
	assert_int_equal(v1(p)->nready, 2);
	assert_ptr_equal(v1(p)->ready[0], v1(p)->pods[2]);
	v1(p)->pods[2]->order = v1(p)->pods[3]->order = POD_ORDER_MAINT;
	pod_settle(v1(p)->pods[2], NULL);
	pod_settle(v1(p)->pods[3], NULL);
	p = settle(p);
	assert_false(v1(p)->panic);
	assert_int_equal(v1(p)->nready, 0);
	plan_drop(p);
}

static const char *
chosen(const struct plan *p)
{
	struct request r = {0};
	struct choice c;

	choose_version(p->services[0], &r, &c);
	return c.version->name;
}

/* v2 has the weight: `empty: stable` comes first, then its own panic. */
static void
test_panic_and_empty(void **state)
{
	struct plan *p = build(&balance_random, 1, 0, OUTLIER_WHOLE, NULL);

	(void)state;
	assert_string_equal(chosen(p), "v2");
	set_up(v1(p)->pods[0]);
	p = settle(p);
	assert_string_equal(chosen(p), "v1");
	set_down(v1(p)->pods[0]);
	p = settle(p);
	assert_string_equal(chosen(p), "v2");
	assert_int_equal(p->services[0]->versions[1].nready, 1);
	plan_drop(p);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_shares),
	    cmocka_unit_test(test_the_first_ones_are_warm),
	    cmocka_unit_test(test_joining),
	    cmocka_unit_test(test_off),
	    cmocka_unit_test(test_hash),
	    cmocka_unit_test(test_panic),
	    cmocka_unit_test(test_panic_and_empty),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
