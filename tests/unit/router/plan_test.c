/*
 * From one plan to the next: what goes on, what is new, what is gone, and
 * that a wrong change changes nothing. Leaks are the sanitizers' part.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "router/choose.h"
#include "router/plan.h"
#include "router/pod.h"
#include "router/pod_tls.h"
#include "router/tally.h"
#include "tests/unit/router/build_spec.h"

#define WORKERS 2u

static char why[256];

/* Two services: shop with v1 (3 pods) and v2 (1 pod), blog with v1. */
static struct spec *
shop_spec(uint64_t weight1, uint64_t weight2)
{
	struct spec *spec = spec_new();

	build_service(spec, "shop");
	build_version(spec, "v1", weight1, 9100, 3);
	build_version(spec, "v2", weight2, 9200, 1);
	build_route(spec, "shop.example.com", PATH_PREFIX, "/");
	build_route(spec, NULL, PATH_REGEX, "\\.png$");
	build_rule(spec, "X-To", "two", 1);
	build_service(spec, "blog");
	build_version(spec, "v1", 100, 9300, 1);
	build_route(spec, "blog.example.com", PATH_PREFIX, "/");
	return spec;
}

static struct plan *
build(struct spec *spec, const struct plan *old, uint64_t now_us)
{
	struct plan *p;

	why[0] = '\0';
	p = plan_build(spec, old, WORKERS, now_us, why, sizeof why);
	if (p == NULL)
		fail_msg("%s", why);
	spec_free(spec);
	return p;
}

static const struct version *
version(const struct plan *p, const char *service, const char *name)
{
	const struct service *s = plan_service(p, service);

	assert_non_null(s);
	assert_non_null(service_version(s, name));
	return service_version(s, name);
}

static void
set_state(const struct version *v, size_t pod, enum pod_state state)
{
	v->pods[pod]->order = state == POD_MAINT      ? POD_ORDER_MAINT
			      : state == POD_DRAINING ? POD_ORDER_DRAIN
						      : POD_ORDER_NONE;
	if (state <= POD_DOWN)
		v->pods[pod]->checked = state;
	pod_settle(v->pods[pod], NULL);
}

static void
test_first(void **state)
{
	struct plan *p = build(shop_spec(80, 20), NULL, 5);
	const struct service *s = plan_service(p, "shop");
	const struct version *v1 = version(p, "shop", "v1");

	(void)state;
	assert_int_equal(p->generation, 1);
	assert_int_equal(p->nservices, 2);
	assert_null(plan_service(p, "sho"));
	assert_null(service_version(s, "v3"));
	assert_int_equal(s->versions[1].index, 1);
	assert_int_equal(v1->weight, 80 * WEIGHT_ONE);
	assert_int_equal(v1->npods, 3);
	assert_int_equal(v1->nready, 0);
	assert_int_equal(v1->pods[0]->state, POD_STARTING);
	assert_int_equal(v1->pods[0]->health.joined_us, 5);
	assert_int_equal(v1->pods[0]->nslots, WORKERS);
	assert_string_equal(v1->pods[2]->address.text, "127.0.0.1:9102");
	assert_string_equal(s->terms->health.path, "/healthz");
	assert_int_equal(s->own->nslots, WORKERS);
	assert_int_equal(split_period(s->split), 5);
	plan_drop(p);
	plan_drop(NULL);
}

static void
test_initial_states(void **state)
{
	static const struct {
		bool enabled, initial_up;
		enum pod_state state;
	} rows[] = {
	    {true, false, POD_STARTING},
	    {true, true, POD_UP},
	    {false, false, POD_UP},
	    {false, true, POD_UP},
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct spec *spec = shop_spec(1, 1);
		const struct version *v;
		struct plan *p;

		spec->services[0].terms.health.enabled = rows[i].enabled;
		spec->services[0].terms.health.initial_up = rows[i].initial_up;
		p = build(spec, NULL, 0);
		v = version(p, "shop", "v1");
		assert_int_equal(v->pods[1]->state, rows[i].state);
		assert_int_equal(
		    v->nready, rows[i].state == POD_UP ? v->npods : 0);
		assert_true((v->pods[1]->reason[0] == '\0') ==
			    (rows[i].state == POD_UP));
		plan_drop(p);
	}
}

static void
test_match(void **state)
{
	static const struct {
		const char *host, *path, *service;
	} rows[] = {
	    {"shop.example.com", "/cart", "shop"},
	    {"Blog.Example.com", "/", "blog"},
	    {"other", "/x.png", "shop"},
	    {"other", "/x", NULL},
	};
	struct plan *p = build(shop_spec(1, 1), NULL, 0);

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct request r = {.host = span_of(rows[i].host),
		    .path = span_of(rows[i].path)};
		const struct route *route;
		const struct service *s = plan_match(p, &r, &route);

		assert_true((s != NULL) == (rows[i].service != NULL));
		assert_true((s != NULL) == (route != NULL));
		assert_ptr_equal(plan_match(p, &r, NULL), s);
		if (s != NULL)
			assert_string_equal(s->name, rows[i].service);
	}
	plan_drop(p);
}

/* The same file again: everything that lives goes on. */
static void
test_rebuild_same(void **state)
{
	struct plan *a = build(shop_spec(80, 20), NULL, 0), *b;
	const struct version *v = version(a, "shop", "v1"), *w;

	(void)state;
	set_state(v, 0, POD_UP);
	set_state(v, 2, POD_MAINT);
	v->pods[1]->health.good = 1;
	split_next(a->services[0]->split);
	b = build(shop_spec(80, 20), a, 77);
	w = version(b, "shop", "v1");
	assert_int_equal(b->generation, 2);
	for (size_t i = 0; i < 3; i++)
		assert_ptr_equal(w->pods[i], v->pods[i]);
	assert_int_equal(w->nready, 1);
	assert_ptr_equal(w->ready[0], v->pods[0]);
	assert_int_equal(v->nready, 0); /* a plan never changes */
	assert_int_equal(w->pods[1]->health.good, 1);
	assert_int_equal(w->pods[1]->health.joined_us, 0);
	assert_ptr_equal(w->tally, v->tally);
	assert_ptr_equal(b->services[0]->own, a->services[0]->own);
	assert_ptr_equal(b->services[0]->split, a->services[0]->split);
	plan_drop(a);
	assert_int_equal(w->pods[0]->refs, 1);
	assert_int_equal(w->tally->refs, 1);
	plan_drop(b);
}

/* Pods move, join and leave; versions and services come and go. */
static void
test_rebuild_changed(void **state)
{
	struct plan *a = build(shop_spec(80, 20), NULL, 0), *b;
	const struct version *v1 = version(a, "shop", "v1"), *w1;
	struct spec *spec = spec_new();

	(void)state;
	build_service(spec, "shop");
	build_version(spec, "v3", 10, 9200, 1);
	build_version(spec, "v1", 90, 9101, 3);
	build_service(spec, "news");
	build_version(spec, "v1", 1, 9300, 1);
	b = build(spec, a, 9);
	w1 = version(b, "shop", "v1");
	assert_ptr_equal(w1->pods[0], v1->pods[1]);
	assert_ptr_equal(w1->pods[1], v1->pods[2]);
	assert_string_equal(w1->pods[2]->address.text, "127.0.0.1:9103");
	assert_int_equal(w1->pods[2]->health.joined_us, 9);
	assert_ptr_equal(w1->tally, v1->tally);
	/* The same address in another version or service is another pod. */
	assert_ptr_not_equal(version(b, "shop", "v3")->pods[0],
	    version(a, "shop", "v2")->pods[0]);
	assert_ptr_not_equal(version(b, "news", "v1")->pods[0],
	    version(a, "blog", "v1")->pods[0]);
	assert_ptr_not_equal(
	    version(b, "news", "v1")->tally, version(a, "blog", "v1")->tally);
	assert_ptr_not_equal(
	    plan_service(b, "shop")->split, plan_service(a, "shop")->split);

	plan_retire(NULL, a);
	plan_retire(a, b);
	assert_true(v1->pods[0]->gone);
	assert_false(v1->pods[1]->gone);
	assert_false(v1->pods[2]->gone);
	assert_true(version(a, "shop", "v2")->pods[0]->gone);
	assert_true(version(a, "blog", "v1")->pods[0]->gone);
	assert_false(w1->pods[2]->gone);
	assert_false(version(b, "shop", "v3")->pods[0]->gone);
	/* And back again. */
	plan_retire(b, a);
	assert_false(v1->pods[0]->gone);
	assert_false(version(a, "shop", "v2")->pods[0]->gone);
	assert_true(w1->pods[2]->gone);
	plan_drop(a);
	plan_drop(b);
}

/* The split goes on only for the same names and weights in the same order. */
static void
test_rebuild_split(void **state)
{
	static const struct {
		const char *names[2];
		uint64_t weights[2];
		bool same;
	} rows[] = {
	    {{"v1", "v2"}, {80, 20}, true},
	    {{"v1", "v2"}, {20, 80}, false},
	    {{"v2", "v1"}, {20, 80}, false},
	    {{"v2", "v1"}, {80, 20}, false},
	    {{"v1", "v3"}, {80, 20}, false},
	};
	struct plan *a = build(shop_spec(80, 20), NULL, 0);

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct spec *spec = spec_new();
		struct plan *b;

		build_service(spec, "shop");
		for (int j = 0; j < 2; j++)
			build_version(spec, rows[i].names[j],
			    rows[i].weights[j], 9100 + 100 * j, 1);
		b = build(spec, a, 0);
		assert_true((b->services[0]->split == a->services[0]->split) ==
			    rows[i].same);
		plan_drop(b);
	}
	plan_drop(a);
}

static void
test_checks_switched_off(void **state)
{
	struct plan *a = build(shop_spec(80, 20), NULL, 0), *b, *c;
	const struct version *v = version(a, "shop", "v1");
	struct spec *spec = shop_spec(80, 20);

	(void)state;
	set_state(v, 0, POD_DOWN);
	set_state(v, 1, POD_DRAINING);
	v->pods[0]->health.bad = 9;
	spec->services[0].terms.health.enabled = false;
	b = build(spec, a, 0);
	v = version(b, "shop", "v1");
	assert_int_equal(v->pods[0]->state, POD_UP);
	assert_string_equal(v->pods[0]->reason, "");
	assert_int_equal(v->pods[0]->health.bad, 0);
	assert_int_equal(v->pods[1]->state, POD_DRAINING);
	assert_int_equal(v->pods[2]->state, POD_UP);
	assert_int_equal(v->nready, 2);
	assert_int_equal(version(b, "blog", "v1")->nready, 0);
	/* On again: what is up stays up until a check says otherwise. */
	c = build(shop_spec(80, 20), b, 0);
	assert_int_equal(version(c, "shop", "v1")->nready, 2);
	plan_drop(a);
	plan_drop(b);
	plan_drop(c);
}

/* A spec that cannot be: the old plan and its pods are as they were. */
static void
test_refused(void **state)
{
	struct plan *a = build(shop_spec(80, 20), NULL, 0);
	struct spec *spec = shop_spec(80, 20);

	(void)state;
	spec->services[0].terms.health.enabled = false;
	build_route(spec, "shop.example.com", PATH_PREFIX, "/");
	assert_null(plan_build(spec, a, WORKERS, 0, why, sizeof why));
	assert_string_equal(why,
	    "route shop.example.com/ of service \"blog\" already leads to "
	    "service \"shop\"");
	spec_free(spec);
	assert_int_equal(
	    version(a, "shop", "v1")->pods[0]->state, POD_STARTING);
	assert_int_equal(version(a, "shop", "v1")->pods[0]->refs, 1);

	spec = shop_spec(0, 0);
	assert_null(plan_build(spec, a, WORKERS, 0, why, sizeof why));
	assert_string_equal(why,
	    "weights of service \"shop\" add up to 0: at least one version "
	    "needs a weight above 0");
	spec_free(spec);

	spec = shop_spec(1, 2000000);
	assert_null(plan_build(spec, a, WORKERS, 0, why, sizeof why));
	assert_string_equal(
	    why, "weights of service \"shop\": a weight is above 1000000");
	spec_free(spec);
	plan_drop(a);
}

static void
test_with_weights(void **state)
{
	const struct weight_change change = {
	    .version = "v2", .weight = 60 * WEIGHT_ONE};
	struct plan *a = build(shop_spec(80, 20), NULL, 0), *b;
	const struct version *v;

	(void)state;
	set_state(version(a, "shop", "v2"), 0, POD_UP);
	b = plan_with_weights(a, "shop", &change, 1, why, sizeof why);
	assert_non_null(b);
	v = version(b, "shop", "v2");
	assert_int_equal(b->generation, 2);
	assert_int_equal(v->weight, 60 * WEIGHT_ONE);
	assert_int_equal(version(b, "shop", "v1")->weight, 80 * WEIGHT_ONE);
	assert_int_equal(version(a, "shop", "v2")->weight, 20 * WEIGHT_ONE);
	assert_int_equal(split_period(b->services[0]->split), 7);
	assert_int_equal(split_period(a->services[0]->split), 5);
	/* What did not change is shared. */
	assert_ptr_equal(b->services[1], a->services[1]);
	assert_ptr_equal(b->routes, a->routes);
	assert_ptr_equal(b->services[0]->rules, a->services[0]->rules);
	assert_ptr_equal(b->services[0]->own, a->services[0]->own);
	assert_ptr_equal(v->tally, version(a, "shop", "v2")->tally);
	assert_ptr_equal(v->pods[0], version(a, "shop", "v2")->pods[0]);
	assert_int_equal(v->nready, 1);
	plan_drop(a);
	assert_string_equal(b->services[0]->terms->health.path, "/healthz");
	assert_string_equal(b->services[1]->name, "blog");
	plan_drop(b);
}

/* Setting what is set already does not begin the order anew. */
static void
test_with_same_weights(void **state)
{
	const struct weight_change changes[] = {
	    {"v2", 20 * WEIGHT_ONE, false}, {"v1", 80 * WEIGHT_ONE, false}};
	struct plan *a = build(shop_spec(80, 20), NULL, 0);

	(void)state;
	for (size_t n = 0; n <= 2; n++) {
		struct plan *b =
		    plan_with_weights(a, "shop", changes, n, why, sizeof why);

		assert_non_null(b);
		assert_ptr_equal(b->services[0]->split, a->services[0]->split);
		plan_drop(b);
	}
	plan_drop(a);
}

static void
test_with_wrong_weights(void **state)
{
	static const struct {
		const char *service;
		struct weight_change changes[2];
		size_t n;
		const char *why;
	} rows[] = {
	    {"x", {{"v1", 1, false}}, 1,
		"unknown service \"x\" (known: shop, blog)"},
	    {"shop", {{"v1", 1, false}, {"v9", 1, false}}, 2,
		"unknown version \"v9\" of service \"shop\" (known: v1, v2)"},
	    {"shop", {{"v1", 1, false}, {"v1", 1, false}}, 2,
		"version \"v1\" of service \"shop\" is named twice"},
	    {"shop", {{"v1", 0, false}, {"v2", 0, false}}, 2,
		"weights of service \"shop\" add up to 0: at least one "
		"version needs a weight above 0"},
	    {"blog", {{"v1", 0, false}}, 1,
		"weights of service \"blog\" add up to 0: at least one "
		"version needs a weight above 0"},
	    {"shop", {{"v2", WEIGHT_MAX + 1, false}}, 1,
		"weights of service \"shop\": a weight is above 1000000"},
	    {"shop", {{"v2", WEIGHT_MAX, false}, {"v1", 1, false}}, 2,
		"weights of service \"shop\": weight 0.0001 is too small a "
		"part of their sum 1000000.0001: the smallest share above 0 "
		"is 1/1000000"},
	};
	struct plan *a = build(shop_spec(80, 20), NULL, 0);

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		assert_null(plan_with_weights(a, rows[i].service,
		    rows[i].changes, rows[i].n, why, sizeof why));
		assert_string_equal(why, rows[i].why);
	}
	assert_int_equal(version(a, "shop", "v1")->weight, 80 * WEIGHT_ONE);
	assert_int_equal(version(a, "shop", "v1")->pods[0]->refs, 1);
	plan_drop(a);
}

static void
test_with_health(void **state)
{
	struct plan *a = build(shop_spec(80, 20), NULL, 0), *b, *c;
	const struct version *v = version(a, "shop", "v1"), *w;

	(void)state;
	set_state(v, 0, POD_UP);
	set_state(v, 1, POD_DOWN);
	set_state(v, 2, POD_UP);
	b = plan_with_health(a, "shop");
	assert_non_null(b);
	w = version(b, "shop", "v1");
	assert_int_equal(v->nready, 0);
	assert_int_equal(w->nready, 2);
	assert_ptr_equal(w->ready[0], v->pods[0]);
	assert_ptr_equal(w->ready[1], v->pods[2]);
	assert_ptr_equal(b->services[0]->split, a->services[0]->split);
	assert_ptr_equal(b->services[1], a->services[1]);
	set_state(v, 0, POD_DRAINING);
	c = plan_with_health(b, "shop");
	assert_int_equal(version(c, "shop", "v1")->nready, 1);
	assert_int_equal(w->nready, 2);
	assert_int_equal(c->generation, 3);
	plan_drop(a);
	a = plan_with_health(c, "none of ours");
	assert_int_equal(a->generation, 4);
	assert_ptr_equal(a->services[0], c->services[0]);
	plan_drop(b);
	plan_drop(c);
	plan_drop(a);
}

/* A plan that its last holder lets go of late. */
static void
test_hold(void **state)
{
	struct plan *p = build(shop_spec(80, 20), NULL, 0);

	(void)state;
	assert_ptr_equal(plan_hold(p), p);
	plan_drop(p);
	assert_int_equal(p->magic, PLAN_MAGIC);
	plan_drop(p);
}

/*
 * Weights, health and reloads in any order, with every plan let go of in
 * another order: the last one still has all it needs.
 */
static void
test_chain(void **state)
{
	struct plan *plans[40] = {
	    build(shop_spec(80, 20), NULL, 0),
	};
	const size_t n = sizeof plans / sizeof plans[0];

	(void)state;
	for (size_t i = 1; i < n; i++) {
		struct plan *last = plans[i - 1];
		struct weight_change change = {
		    .version = "v2", .weight = i * WEIGHT_ONE};

		set_state(version(last, "shop", "v1"), i % 3,
		    i % 2 ? POD_UP : POD_DOWN);
		if (i % 3 == 0)
			plans[i] = plan_with_weights(
			    last, "shop", &change, 1, why, sizeof why);
		else if (i % 3 == 1)
			plans[i] = plan_with_health(last, "shop");
		else
			plans[i] = build(shop_spec(80, i), last, i);
		assert_non_null(plans[i]);
		assert_int_equal(plans[i]->generation, i + 1);
		plan_retire(last, plans[i]);
		if (i % 4 == 3)
			plan_drop(plans[i - 2]);
	}
	for (size_t i = 0; i + 1 < n; i++)
		if (i % 4 != 1)
			plan_drop(plans[i]);
	for (size_t i = 0; i < 3; i++) {
		struct pod *p = version(plans[n - 1], "shop", "v1")->pods[i];

		assert_int_equal(p->refs, 1);
		assert_false(p->gone);
	}
	plan_drop(plans[n - 1]);
}

static unsigned freed;

static void
count_free(struct pod_tls *t)
{
	(void)t;
	freed++;
}

static void
assert_link(const struct plan *p, struct pod_tls *tls)
{
	const struct version *v2 = version(p, "shop", "v2");

	assert_int_equal(v2->protocol, POD_H2);
	assert_ptr_equal(v2->tls, tls);
	assert_int_equal(version(p, "shop", "v1")->protocol, POD_HTTP1);
	assert_null(version(p, "shop", "v1")->tls);
	assert_int_equal(plan_service(p, "shop")->terms->error_grpc, 1u << 14);
	assert_int_equal(plan_service(p, "blog")->terms->error_grpc, 0);
}

/* What pods speak, and over what, is in each plan made from the first. */
static void
test_link(void **state)
{
	struct pod_tls tls = {.holders = 1, .free = count_free};
	struct weight_change change = {
	    .version = "v1", .weight = 50 * WEIGHT_ONE};
	struct spec *spec = shop_spec(80, 20);
	struct plan *first, *second, *third;

	(void)state;
	freed = 0;
	spec->services[0].terms.error_grpc = 1u << 14;
	spec->services[0].versions[1].protocol = POD_H2;
	spec->services[0].versions[1].tls = &tls;
	first = build(spec, NULL, 0);
	second = plan_with_weights(first, "shop", &change, 1, why, sizeof why);
	third = plan_with_health(first, "shop");
	assert_link(first, &tls);
	plan_drop(first);
	assert_link(second, &tls);
	plan_drop(second);
	assert_link(third, &tls);
	assert_int_equal(freed, 0);
	plan_drop(third);
	assert_int_equal(freed, 1);
}

/* A pod goes on, but the next config may say otherwise how it is spoken to. */
static void
test_link_changes(void **state)
{
	struct plan *old = build(shop_spec(80, 20), NULL, 0), *new;
	struct spec *spec = shop_spec(80, 20);

	(void)state;
	spec->services[0].versions[1].protocol = POD_H2C;
	new = build(spec, old, 0);
	assert_int_equal(version(old, "shop", "v2")->protocol, POD_HTTP1);
	assert_int_equal(version(new, "shop", "v2")->protocol, POD_H2C);
	assert_ptr_equal(version(new, "shop", "v2")->pods[0],
	    version(old, "shop", "v2")->pods[0]);
	plan_drop(old);
	plan_drop(new);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_first),
	    cmocka_unit_test(test_initial_states),
	    cmocka_unit_test(test_match),
	    cmocka_unit_test(test_rebuild_same),
	    cmocka_unit_test(test_rebuild_changed),
	    cmocka_unit_test(test_rebuild_split),
	    cmocka_unit_test(test_checks_switched_off),
	    cmocka_unit_test(test_refused),
	    cmocka_unit_test(test_with_weights),
	    cmocka_unit_test(test_with_same_weights),
	    cmocka_unit_test(test_with_wrong_weights),
	    cmocka_unit_test(test_with_health),
	    cmocka_unit_test(test_hold),
	    cmocka_unit_test(test_chain),
	    cmocka_unit_test(test_link),
	    cmocka_unit_test(test_link_changes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
