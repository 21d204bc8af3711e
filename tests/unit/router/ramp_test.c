/* How versions ramp up: which shares hold from plan to plan. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sys/socket.h>

#include "build_spec.h"
#include "router/choose.h"
#include "router/plan.h"
#include "router/pod.h"
#include "router/slow_start.h"
#include "router/split.h"

#define SECOND	1000000ull
#define START	(1000 * SECOND)
#define RAMP_MS 9000u
#define DRAWS	2000u

enum {
	V1,
	V2,
	V3,
	VERSIONS
}; /* v1 is stable */

/* Weights 50, 40 and 10, a pod each; of v3 with `old`, as if it came later. */
static struct plan *
build(const struct plan *old, unsigned nversions, uint32_t ramp_ms)
{
	struct spec *spec = spec_new();
	struct plan *p;
	char why[256];

	assert_non_null(spec);
	build_service(spec, "shop");
	build_version(spec, "v1", 50, 9001, 1);
	build_version(spec, "v2", 40, 9002, 1);
	if (nversions > V3)
		build_version(spec, "v3", 10, 9003, 1);
	build_route(spec, NULL, PATH_PREFIX, "/");
	build_last(spec)->terms.ramp_ms = ramp_ms;
	p = plan_build(spec, old, 1, 0, why, sizeof why);
	assert_non_null(p);
	spec_free(spec);
	return p;
}

static struct plan *
set(struct plan *old, unsigned version, enum pod_state checked)
{
	struct pod *pod = old->services[0]->versions[version].pods[0];
	struct plan *p;

	pod->checked = checked;
	pod_settle(pod, NULL);
	p = plan_with_health(old, "shop");
	assert_non_null(p);
	plan_drop(old);
	return p;
}

/* The plan so many tenths of the ramp later. */
static struct plan *
step(struct plan *old, unsigned tenths)
{
	uint64_t next = UINT64_MAX;
	struct plan *p;

	slow_start_step(
	    old->services[0], START + tenths * (RAMP_MS / 10) * 1000ull, &next);
	assert_int_equal(next, tenths < 10 ? RAMP_MS * 1000 / 20 : UINT64_MAX);
	p = plan_with_health(old, "shop");
	assert_non_null(p);
	plan_drop(old);
	return p;
}

static struct plan *
begin(unsigned nversions, uint32_t ramp_ms)
{
	struct plan *p = build(NULL, nversions, ramp_ms);

	for (unsigned i = 0; i < nversions; i++)
		p = set(p, i, POD_UP);
	return p;
}

static void
assert_shares(const struct plan *p, unsigned v1, unsigned v2, unsigned v3)
{
	const unsigned want[VERSIONS] = {v1, v2, v3};
	unsigned have[VERSIONS] = {0};
	struct request r = {0};
	struct choice c;

	for (unsigned i = 0; i < DRAWS; i++) {
		choose_version(p->services[0], &r, 0, &c);
		have[c.wanted->index]++;
	}
	for (unsigned i = 0; i < VERSIONS; i++)
		if (have[i] * 100 != want[i] * DRAWS / 10)
			fail_msg("v%u has %u of %u, not %u in 1000", i + 1,
			    have[i], DRAWS, want[i]);
}

/* 10 % of its share, more by and by, all of it; the rest is stable's. */
static void
test_recovery(void **state)
{
	struct plan *p = begin(VERSIONS, RAMP_MS);
	const struct split *split;

	(void)state;
	assert_shares(p, 500, 400, 100);
	p = set(p, V2, POD_DOWN);
	assert_shares(p, 500, 400, 100); /* `empty` says who answers */
	p = set(p, V2, POD_UP);
	assert_shares(p, 860, 40, 100);
	p = step(p, 0);
	split = p->services[0]->ramp;
	assert_shares(p, 860, 40, 100);
	p = step(p, 0);
	assert_ptr_equal(p->services[0]->ramp, split); /* it goes on */
	p = step(p, 5);
	assert_shares(p, 500 + 180, 220, 100);
	assert_int_equal(p->services[0]->versions[V2].weight, 40 * WEIGHT_ONE);
	p = step(p, 10);
	assert_null(p->services[0]->ramp);
	assert_shares(p, 500, 400, 100);
	plan_drop(p);
}

/* Not at the start, not for stable, not without that, not without the key. */
static void
test_no_ramp(void **state)
{
	struct plan *p = begin(VERSIONS, RAMP_MS);

	(void)state;
	assert_null(p->services[0]->ramp);
	p = set(p, V1, POD_DOWN);
	p = set(p, V1, POD_UP);
	assert_null(p->services[0]->ramp);
	plan_drop(p);
	p = begin(VERSIONS, RAMP_MS); /* who would have the rest? */
	p = set(p, V2, POD_DOWN);
	p = set(p, V1, POD_DOWN);
	p = set(p, V2, POD_UP);
	assert_null(p->services[0]->ramp);
	p = set(p, V1, POD_UP);
	assert_null(p->services[0]->ramp);
	plan_drop(p);
	p = begin(VERSIONS, 0);
	p = set(p, V2, POD_DOWN);
	p = set(p, V2, POD_UP);
	assert_null(p->services[0]->ramp);
	plan_drop(p);
}

/* A version that a reload brings; another reload in the middle. */
static void
test_a_new_version(void **state)
{
	struct plan *first = begin(V3, RAMP_MS), *p, *again;

	(void)state;
	p = build(first, VERSIONS, RAMP_MS);
	plan_drop(first);
	assert_null(p->services[0]->ramp);
	p = set(p, V3, POD_UP);
	assert_shares(p, 590, 400, 10);
	p = step(p, 0);
	p = step(p, 5);
	assert_shares(p, 545, 400, 55);
	again = build(p, VERSIONS, RAMP_MS);
	plan_drop(p);
	assert_shares(again, 545, 400, 55);
	p = build(again, VERSIONS, 0);
	plan_drop(again);
	assert_null(p->services[0]->ramp);
	plan_drop(p);
}

/* People's weights hold at once, but for the part that ramps up. */
static void
test_weights_in_the_middle(void **state)
{
	const struct weight_change changes[] = {{"v1", 0, false},
	    {"v2", 80 * WEIGHT_ONE, false}, {"v3", 20 * WEIGHT_ONE, false}};
	struct plan *p = begin(VERSIONS, RAMP_MS), *next;
	char why[256];

	(void)state;
	p = set(p, V2, POD_DOWN);
	p = set(p, V2, POD_UP);
	next = plan_with_weights(p, "shop", changes, 3, why, sizeof why);
	assert_non_null(next);
	plan_drop(p);
	assert_shares(next, 720, 80, 200);
	plan_drop(next);
}

/* Users of a cohort come by and by, and nobody goes back. */
static void
test_cohort(void **state)
{
	static const unsigned tenths[] = {0, 2, 5, 7, 10};
	struct plan *p = begin(V3, RAMP_MS);
	struct terms *terms = p->services[0]->terms;
	bool has[400] = {false};
	unsigned before = 0;

	(void)state;
	terms->cohort.key.on = HASH_ON_CLIENT;
	p = set(p, V2, POD_DOWN);
	p = set(p, V2, POD_UP);
	for (size_t i = 0; i < sizeof tenths / sizeof tenths[0]; i++) {
		unsigned n = 0;

		p = step(p, tenths[i]);
		for (unsigned u = 0; u < 400; u++) {
			struct request r = {.family = AF_INET,
			    .client = {10, 0, (uint8_t)(u / 256), (uint8_t)u}};
			struct choice c;

			choose_version(p->services[0], &r, 0, &c);
			assert_true(!has[u] || c.wanted->index == V2);
			has[u] = c.wanted->index == V2;
			n += has[u];
		}
		assert_true(n > before);
		before = n;
	}
	/* 4 of 9, give or take */
	assert_in_range(before, 140, 220);
	plan_drop(p);
}

/* The least share that there can be stays one. */
static void
test_least_share(void **state)
{
	const struct weight_change changes[] = {
	    {"v1", 999999 * (uint64_t)WEIGHT_ONE, false},
	    {"v2", WEIGHT_ONE, false}, {"v3", 0, false}};
	struct plan *p = begin(VERSIONS, RAMP_MS), *next;
	char why[256];

	(void)state;
	next = plan_with_weights(p, "shop", changes, 3, why, sizeof why);
	assert_non_null(next);
	plan_drop(p);
	p = set(next, V2, POD_DOWN);
	p = set(p, V2, POD_UP);
	assert_null(p->services[0]->ramp);
	plan_drop(p);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_recovery),
	    cmocka_unit_test(test_no_ramp),
	    cmocka_unit_test(test_a_new_version),
	    cmocka_unit_test(test_weights_in_the_middle),
	    cmocka_unit_test(test_cohort),
	    cmocka_unit_test(test_least_share),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
