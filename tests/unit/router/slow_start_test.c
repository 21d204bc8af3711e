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

/* One state for each of the pods, by its first letter; the plan then. */
static struct plan *
put(struct plan *p, const char *states)
{
	for (size_t i = 0; states[i] != '\0'; i++) {
		struct pod *pod = v1(p)->pods[i];

		pod->order = POD_ORDER_NONE;
		pod->ejected = false;
		pod->checked = POD_UP;
		switch (states[i]) {
		case 's':
			pod->checked = POD_STARTING;
			break;
		case 'd':
			pod->checked = POD_DOWN;
			break;
		case 'e':
			pod->ejected = true;
			break;
		case 'm':
			pod->order = POD_ORDER_MAINT;
			break;
		case 'D':
			pod->order = POD_ORDER_DRAIN;
			break;
		}
		pod_settle(pod, NULL);
	}
	return settle(p);
}

/* At 50 %: who is asked when the pods are in these states. */
static const struct {
	const char *states;
	bool panic;
	const char *asked;
} panics[] = {
    {"uuuu", false, "++++"},
    {"uuud", false, "+++-"},
    {"uude", false, "++--"},
    {"uded", true, "++++"},
    {"dddd", true, "++++"},
    {"eeee", true, "++++"},
    /* who is ordered away takes no part */
    {"udDm", false, "+---"},
    {"ddDm", true, "++--"},
    {"mmmm", false, "----"},
    {"mmmd", true, "---+"},
    /* nor who is new: a cold pod never serves */
    {"ssss", false, "----"},
    {"usss", false, "+---"},
    {"udss", false, "+---"},
    {"dsss", true, "+---"},
    {"udds", true, "+++-"},
};

static void
test_panic(void **state)
{
	struct plan *p = build(&balance_random, 4, 0, OUTLIER_WHOLE / 2, NULL);

	(void)state;
	assert_false(v1(p)->panic);
	for (size_t i = 0; i < sizeof panics / sizeof panics[0]; i++) {
		char asked[] = "----";

		p = put(p, panics[i].states);
		for (size_t k = 0; k < v1(p)->nready; k++)
			for (size_t n = 0; n < 4; n++)
				if (v1(p)->ready[k] == v1(p)->pods[n])
					asked[n] = '+';
		if (v1(p)->panic != panics[i].panic ||
		    strcmp(asked, panics[i].asked) != 0)
			fail_msg("row %zu: %s: %s", i, panics[i].states, asked);
	}
	plan_drop(p);
}

static const char *
chosen(const struct plan *p)
{
	struct request r = {0};
	struct choice c;

	choose_version(p->services[0], &r, 0, &c);
	return c.version->name;
}

/* v2 has the weight: `empty: stable` comes first, then its own panic. */
static void
test_panic_and_empty(void **state)
{
	struct plan *p = build(&balance_random, 1, 0, OUTLIER_WHOLE, NULL);

	(void)state;
	assert_string_equal(chosen(p), "v2");
	set_down(p->services[0]->versions[1].pods[0]);
	p = put(p, "u");
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
