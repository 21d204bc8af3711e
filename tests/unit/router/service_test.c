/* What a settled service has for its balance policy to look up. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "build_spec.h"
#include "router/draw.h"
#include "router/hash_ring.h"
#include "router/plan.h"
#include "router/pod.h"
#include "router/service.h"

static struct plan *
build(const struct balance_ops *balance, const uint16_t *weights, size_t n,
    const struct plan *old)
{
	struct spec *spec = spec_new();
	struct service_spec *s;
	struct plan *p;
	char why[256];

	assert_non_null(spec);
	build_service(spec, "shop");
	build_version(spec, "v1", 100, 9001, n);
	build_route(spec, NULL, PATH_PREFIX, "/");
	s = build_last(spec);
	s->terms.balance = balance;
	s->terms.hash.on = HASH_ON_COOKIE;
	s->terms.hash.name = strdup("uid");
	if (weights != NULL) {
		s->versions[0].pod_weights = calloc(n, sizeof *weights);
		assert_non_null(s->versions[0].pod_weights);
		memcpy(
		    s->versions[0].pod_weights, weights, n * sizeof *weights);
	}
	p = plan_build(spec, old, 1, 0, why, sizeof why);
	assert_non_null(p);
	spec_free(spec);
	return p;
}

static const struct version *
only(const struct plan *p)
{
	return &p->services[0]->versions[0];
}

/* The plan after these pods have changed; drops the old one. */
static struct plan *
settle(struct plan *old, enum pod_state first, enum pod_state others)
{
	const struct version *v = only(old);
	struct plan *p;

	for (size_t i = 0; i < v->npods; i++) {
		v->pods[i]->checked = i == 0 ? first : others;
		pod_settle(v->pods[i], NULL);
	}
	p = plan_with_health(old, "shop");
	assert_non_null(p);
	plan_drop(old);
	return p;
}

static void
test_equal_weights_need_no_draw(void **state)
{
	static const uint16_t sevens[] = {7, 7, 7};
	struct plan *p = build(&balance_random, NULL, 3, NULL);

	(void)state;
	p = settle(p, POD_UP, POD_UP);
	assert_int_equal(only(p)->nready, 3);
	assert_null(only(p)->draw);
	assert_null(only(p)->ring);
	plan_drop(p);
	p = settle(build(&balance_random, sevens, 3, NULL), POD_UP, POD_UP);
	assert_null(only(p)->draw);
	plan_drop(p);
}

/* Only those that are ready are drawn, by the weights of the latest spec. */
static void
test_draw_of_ready_pods(void **state)
{
	static const uint16_t weights[] = {5, 1, 1}, later[] = {1, 2, 3};
	struct plan *p = build(&balance_random, weights, 3, NULL), *old;

	(void)state;
	assert_int_equal(only(p)->nready, 0);
	p = settle(p, POD_UP, POD_UP);
	assert_int_equal(draw_total(only(p)->draw), 7);
	assert_int_equal(draw_weight(only(p)->draw, 0), 5);
	p = settle(p, POD_DOWN, POD_UP);
	assert_int_equal(only(p)->nready, 2);
	assert_null(only(p)->draw);
	old = p;
	p = build(&balance_random, later, 3, old);
	assert_ptr_equal(only(p)->pods[1], only(old)->pods[1]);
	assert_int_equal(draw_total(only(p)->draw), 5);
	assert_int_equal(draw_weight(only(p)->draw, 1), 3);
	plan_drop(old);
	p = settle(p, POD_UP, POD_UP);
	assert_int_equal(draw_total(only(p)->draw), 6);
	plan_drop(p);
}

static void
test_ring_of_ready_pods(void **state)
{
	struct plan *p = build(&balance_hash, NULL, 3, NULL);

	(void)state;
	assert_non_null(only(p)->ring);
	p = settle(p, POD_DOWN, POD_UP);
	for (uint64_t key = 0; key < 100; key++) {
		uint32_t at = hash_ring_find(only(p)->ring, key << 57);

		assert_in_range(hash_ring_pod(only(p)->ring, at), 0, 1);
	}
	assert_int_equal(p->services[0]->terms->hash.on, HASH_ON_COOKIE);
	assert_string_equal(p->services[0]->terms->hash.name, "uid");
	p = settle(p, POD_DOWN, POD_DOWN);
	assert_int_equal(only(p)->nready, 0);
	plan_drop(p);
	p = build(&balance_hash, NULL, 0, NULL);
	assert_int_equal(only(p)->nready, 0);
	plan_drop(p);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_equal_weights_need_no_draw),
	    cmocka_unit_test(test_draw_of_ready_pods),
	    cmocka_unit_test(test_ring_of_ready_pods),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
