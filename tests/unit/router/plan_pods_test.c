/*
 * Other pods for one version of a plan: who goes on, who joins and how, who
 * is gone, and that nothing else changes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "router/plan.h"
#include "router/pod.h"
#include "router/tally.h"
#include "tests/unit/router/build_spec.h"

#define WORKERS 2u
#define MANY	10000u

static char why[256];

static struct plan *
build(size_t npods, bool checked)
{
	struct spec *spec = spec_new();
	struct plan *p;

	build_service(spec, "shop");
	build_last(spec)->terms.health.enabled = checked;
	build_version(spec, "v1", 80, 9100, npods);
	build_version(spec, "v2", 20, 9100, 1);
	build_route(spec, NULL, PATH_PREFIX, "/");
	p = plan_build(spec, NULL, WORKERS, 1, why, sizeof why);
	assert_non_null(p);
	spec_free(spec);
	return p;
}

static struct pod_spec
wish(unsigned port, uint16_t weight, enum pod_order order)
{
	struct pod_spec w = {.weight = weight, .order = order};
	char text[32];

	snprintf(text, sizeof text, "127.0.0.1:%u", port);
	assert_true(address_parse(span_of(text), &w.address));
	return w;
}

static const struct version *
version(const struct plan *p, const char *name)
{
	return service_version(plan_service(p, "shop"), name);
}

static void
test_some_go_on(void **state)
{
	struct plan *a = build(3, true), *b;
	const struct version *v = version(a, "v1"), *w;
	struct pod_spec list[] = {
	    wish(9102, 5, POD_ORDER_NONE),
	    wish(9100, 1, POD_ORDER_DRAIN), /* only those that join take it */
	    wish(9200, 2, POD_ORDER_NONE),
	    wish(9201, 1, POD_ORDER_DRAIN),
	    wish(9202, 1, POD_ORDER_MAINT),
	};

	(void)state;
	b = plan_with_pods(a, "shop", "v1", list, 5, 77, why, sizeof why);
	assert_non_null(b);
	w = version(b, "v1");
	assert_int_equal(w->npods, 5);
	assert_ptr_equal(w->pods[0], v->pods[2]);
	assert_ptr_equal(w->pods[1], v->pods[0]);
	assert_int_equal(w->pods[1]->order, POD_ORDER_NONE);
	assert_int_equal(w->weights[0], 5);
	assert_int_equal(w->weights[2], 2);
	assert_int_equal(w->pods[2]->state, POD_STARTING);
	assert_int_equal(w->pods[2]->health.joined_us, 77);
	assert_int_equal(w->pods[3]->state, POD_DRAINING);
	assert_string_equal(w->pods[3]->reason, "ordered to drain");
	assert_int_equal(w->pods[4]->state, POD_MAINT);

	/* All else is shared, or the same. */
	assert_ptr_equal(w->tally, v->tally);
	assert_int_equal(w->weight, v->weight);
	assert_ptr_equal(
	    plan_service(a, "shop")->split, plan_service(b, "shop")->split);
	assert_ptr_equal(version(a, "v2")->pods[0], version(b, "v2")->pods[0]);
	assert_int_equal(version(b, "v2")->index, 1);

	plan_retire(a, b);
	assert_true(v->pods[1]->gone);
	assert_false(v->pods[0]->gone);
	assert_false(w->pods[2]->gone);
	assert_true(w->pods[3]->gone && w->pods[4]->gone);
	/* The same address in another version is another pod. */
	assert_false(version(b, "v2")->pods[0]->gone);
	plan_drop(a);
	plan_drop(b);
}

static void
test_ready(void **state)
{
	struct plan *a = build(2, false), *b, *c;
	struct pod_spec list[] = {wish(9101, 1, POD_ORDER_NONE),
	    wish(9300, 1, POD_ORDER_NONE), wish(9301, 1, POD_ORDER_DRAIN)};

	(void)state;
	b = plan_with_pods(a, "shop", "v1", list, 3, 1, why, sizeof why);
	assert_int_equal(version(b, "v1")->nready, 2);
	assert_ptr_equal(version(b, "v1")->ready[1], version(b, "v1")->pods[1]);
	c = plan_with_pods(b, "shop", "v1", NULL, 0, 1, why, sizeof why);
	assert_int_equal(version(c, "v1")->npods, 0);
	assert_int_equal(version(c, "v1")->nready, 0);
	plan_drop(a);
	plan_drop(b);
	plan_drop(c);
}

static void
test_unknown(void **state)
{
	struct plan *a = build(1, true);

	(void)state;
	assert_null(
	    plan_with_pods(a, "news", "v1", NULL, 0, 1, why, sizeof why));
	assert_string_equal(why, "unknown service \"news\" (known: shop)");
	assert_null(
	    plan_with_pods(a, "shop", "v9", NULL, 0, 1, why, sizeof why));
	assert_non_null(strstr(why, "unknown version \"v9\""));
	plan_drop(a);
}

/* In another order each is looked for by its address: it takes no square. */
static void
test_many_in_another_order(void **state)
{
	struct plan *a = build(MANY, true), *b;
	struct pod_spec *list = calloc(MANY, sizeof *list);
	const struct version *v = version(a, "v1");

	(void)state;
	for (unsigned i = 0; i < MANY; i++)
		list[i] = (struct pod_spec){
		    .address = v->pods[(i * 7919u + 5) % MANY]->address,
		    .weight = 1};
	b = plan_with_pods(a, "shop", "v1", list, MANY, 1, why, sizeof why);
	for (unsigned i = 0; i < MANY; i++)
		assert_ptr_equal(
		    version(b, "v1")->pods[i], v->pods[(i * 7919u + 5) % MANY]);
	plan_retire(a, b);
	for (unsigned i = 0; i < MANY; i++)
		assert_false(v->pods[i]->gone);
	free(list);
	plan_drop(a);
	plan_drop(b);
}

static void
test_checked_anew(void **state)
{
	struct plan *a = build(1, true);
	struct pod *p = version(a, "v1")->pods[0];
	const struct health_rules *rules =
	    &plan_service(a, "shop")->terms->health;
	struct health_rules off = {.enabled = false};

	(void)state;
	p->checked = POD_UP;
	p->health.good = 4;
	p->order = POD_ORDER_MAINT;
	assert_true(pod_settle(p, pod_order_reason(p->order)));
	assert_string_equal(p->reason, "ordered to rest");
	p->order = POD_ORDER_NONE;
	p->checked = health_join(rules, &p->health, 55);
	assert_true(pod_settle(p, "not checked yet"));
	assert_int_equal(p->state, POD_STARTING);
	assert_int_equal(p->health.good, 0);
	assert_int_equal(p->health.joined_us, 55);
	p->checked = health_join(&off, &p->health, 56);
	assert_true(pod_settle(p, NULL));
	assert_int_equal(p->state, POD_UP);
	plan_drop(a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_some_go_on),
	    cmocka_unit_test(test_ready),
	    cmocka_unit_test(test_unknown),
	    cmocka_unit_test(test_many_in_another_order),
	    cmocka_unit_test(test_checked_anew),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
