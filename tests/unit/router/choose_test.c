/* Which version takes a request: rules, weights, and versions without pods. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>

#include "router/choose.h"
#include "router/pod.h"
#include "tests/unit/router/build_spec.h"

/* v1 (stable) 80, v2 20, v3 0; all pods up at once. */
static struct plan *
make(unsigned pods1, unsigned pods2, unsigned pods3, bool empty_stable)
{
	struct spec *spec = spec_new();
	struct plan *p;
	char why[128];

	build_service(spec, "shop");
	build_last(spec)->terms.health.enabled = false;
	build_last(spec)->terms.empty_stable = empty_stable;
	build_version(spec, "v1", 80, 9100, pods1);
	build_version(spec, "v2", 20, 9200, pods2);
	build_version(spec, "v3", 0, 9300, pods3);
	build_rule(spec, "X-To", "two", 1);
	build_rule(spec, "X-To", "three", 2);
	build_rule(spec, "X-Any", "1", 0);
	build_rule(spec, "X-To", "three", 0);
	p = plan_build(spec, NULL, 1, 0, why, sizeof why);
	if (p == NULL)
		fail_msg("%s", why);
	spec_free(spec);
	return p;
}

static struct choice
choose(const struct plan *p, const char *to, const char *any)
{
	struct field fields[] = {
	    {SPAN("x-any"), span_of(any), FIELD_OTHER},
	    {SPAN("x-to"), span_of(to), FIELD_OTHER},
	};
	struct request r = {.fields = fields, .nfields = 2};
	struct choice c;

	choose_version(p->services[0], &r, 0, &c);
	return c;
}

static void
test_rules(void **state)
{
	static const struct {
		const char *to, *any, *version;
		int rule;
	} rows[] = {
	    {"two", "", "v2", 0},
	    {"two", "1", "v2", 0},
	    {"three", "", "v3", 1}, /* although its weight is 0 */
	    {"three", "1", "v3", 1},
	    {"", "1", "v1", 2},
	};
	struct plan *p = make(1, 1, 1, true);

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct choice c = choose(p, rows[i].to, rows[i].any);

		assert_int_equal(c.by, CHOICE_RULE);
		assert_int_equal(c.rule, rows[i].rule);
		assert_string_equal(c.version->name, rows[i].version);
		assert_ptr_equal(c.version, c.wanted);
	}
	plan_drop(p);
}

/* 80/20/0 over 100 requests, whatever rules decide in between. */
static void
test_weights(void **state)
{
	struct plan *p = make(1, 1, 1, true);
	unsigned counts[3] = {0};

	(void)state;
	for (int i = 0; i < 100; i++) {
		struct choice c = choose(p, "", "");

		assert_int_equal(c.by, CHOICE_WEIGHT);
		assert_int_equal(c.rule, -1);
		assert_ptr_equal(c.version, c.wanted);
		counts[c.version->index]++;
		for (int j = 0; j < i % 3; j++)
			choose(p, j ? "two" : "three", "");
	}
	assert_int_equal(counts[0], 80);
	assert_int_equal(counts[1], 20);
	assert_int_equal(counts[2], 0);
	plan_drop(p);
}

static void
test_without_ready_pods(void **state)
{
	static const struct {
		unsigned pods1, pods2;
		bool empty_stable;
		const char *to, *version, *wanted;
		enum choice_by by;
		int rule;
	} rows[] = {
	    {1, 0, true, "two", "v1", "v2", CHOICE_STABLE, 0},
	    {1, 0, false, "two", "v2", "v2", CHOICE_RULE, 0},
	    {0, 0, true, "two", "v2", "v2", CHOICE_RULE, 0},
	    {0, 1, true, "two", "v2", "v2", CHOICE_RULE, 0},
	    {0, 1, true, "one", "v1", "v1", CHOICE_RULE, 2},
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct plan *p =
		    make(rows[i].pods1, rows[i].pods2, 1, rows[i].empty_stable);
		bool one = strcmp(rows[i].to, "one") == 0;
		struct choice c = choose(p, rows[i].to, one ? "1" : "");

		assert_string_equal(c.version->name, rows[i].version);
		assert_string_equal(c.wanted->name, rows[i].wanted);
		assert_int_equal(c.by, rows[i].by);
		assert_int_equal(c.rule, rows[i].rule);
		plan_drop(p);
	}
}

/* What the split wants goes to stable, too, and still counts as drawn. */
static void
test_weight_without_ready_pods(void **state)
{
	struct plan *p = make(1, 0, 1, true);
	unsigned moved = 0;

	(void)state;
	for (int i = 0; i < 100; i++) {
		struct choice c = choose(p, "", "");

		assert_string_equal(c.version->name, "v1");
		assert_int_equal(c.rule, -1);
		if (c.by == CHOICE_STABLE) {
			assert_string_equal(c.wanted->name, "v2");
			moved++;
		} else {
			assert_int_equal(c.by, CHOICE_WEIGHT);
		}
	}
	assert_int_equal(moved, 20);
	plan_drop(p);
}

static void
test_no_rules(void **state)
{
	char why[64];
	struct ruleset *rs = ruleset_new(NULL, 0, 2, NULL, why, sizeof why);
	struct ruleset *same;
	struct request r = {.fields = NULL};

	(void)state;
	assert_non_null(rs);
	assert_int_equal(ruleset_find(rs, &r), -1);
	same = ruleset_hold(rs);
	ruleset_drop(rs);
	assert_int_equal(ruleset_find(same, &r), -1);
	ruleset_drop(same);
	ruleset_drop(NULL);
}

/* Rule 0 has weights of its own over three versions; the service 1/0/0. */
static struct spec *
weighted(const unsigned *weights)
{
	struct spec *spec = spec_new();

	build_service(spec, "shop");
	build_last(spec)->terms.health.enabled = false;
	build_version(spec, "v1", 1, 9100, 1);
	build_version(spec, "v2", 0, 9200, 1);
	build_version(spec, "v3", 0, 9300, 1);
	build_rule(spec, "X-To", "ab", 0);
	build_rule_weights(spec, weights);
	return spec;
}

static struct plan *
build(struct spec *spec, const struct plan *old)
{
	char why[128];
	struct plan *p = plan_build(spec, old, 1, 0, why, sizeof why);

	if (p == NULL)
		fail_msg("%s", why);
	spec_free(spec);
	return p;
}

/* Counts what the rule gave to each version; after each, within one. */
static void
draw(const struct plan *p, const unsigned *weights, unsigned n,
    unsigned counts[3])
{
	unsigned sum = weights[0] + weights[1] + weights[2];
	unsigned total = counts[0] + counts[1] + counts[2];

	for (unsigned i = 0; i < n; i++) {
		struct choice c = choose(p, "ab", "");

		assert_int_equal(c.by, CHOICE_RULE);
		assert_int_equal(c.rule, 0);
		counts[c.version->index]++;
		total++;
		for (int v = 0; v < 3; v++) {
			double share = (double)total * weights[v] / sum;

			assert_true(counts[v] < share + 1 + 1e-9);
			assert_true(counts[v] > share - 1 - 1e-9);
		}
	}
}

/* Weights by chance; other requests between draw none of the tickets. */
static void
test_rule_weights(void **state)
{
	uint32_t seed = 1;

	(void)state;
	for (int round = 0; round < 50; round++) {
		unsigned weights[3], counts[3] = {0};
		struct plan *p;

		for (int v = 0; v < 3; v++) {
			seed = seed * 1664525 + 1013904223;
			weights[v] = seed >> 24;
		}
		weights[round % 3] *= round % 2;
		weights[(round + 1) % 3]++;
		p = build(weighted(weights), NULL);
		for (int i = 0; i < 20; i++) {
			struct choice c = choose(p, "", "");

			assert_int_equal(c.version->index, 0);
			draw(p, weights, 37, counts);
		}
		plan_drop(p);
	}
}

static struct choice
foresee(const struct plan *p, const char *to)
{
	struct field field = {SPAN("x-to"), span_of(to), FIELD_OTHER};
	struct request r = {.fields = &field, .nfields = 1};
	struct choice c;

	choose_foresee(p->services[0], &r, 0, &c);
	return c;
}

/* What is foreseen is chosen next, however often it was looked at. */
static void
test_foreseen(void **state)
{
	const unsigned weights[] = {3, 0, 2};
	struct plan *p = build(weighted(weights), NULL);

	(void)state;
	for (int i = 0; i < 50; i++) {
		const char *to = i % 3 == 0 ? "ab" : "";
		struct choice before = foresee(p, to), now;

		for (int k = 0; k < i % 4; k++)
			foresee(p, i % 2 ? "ab" : "");
		now = choose(p, to, "");
		assert_ptr_equal(before.version, now.version);
		assert_ptr_equal(before.wanted, now.wanted);
		assert_int_equal(before.rule, now.rule);
		assert_int_equal(before.by, now.by);
	}
	plan_drop(p);
}

static void
test_weights_of_rules(void **state)
{
	const unsigned weights[] = {3, 0, 2};
	struct plan *weighty = build(weighted(weights), NULL);
	struct plan *plain = make(1, 1, 1, true);
	const struct ruleset *rs = weighty->services[0]->rules;

	(void)state;
	assert_int_equal(ruleset_size(rs), 1);
	for (int v = 0; v < 3; v++)
		assert_int_equal(
		    ruleset_weights(rs, 0)[v], weights[v] * WEIGHT_ONE);
	rs = plain->services[0]->rules;
	assert_int_equal(ruleset_size(rs), 4);
	assert_null(ruleset_weights(rs, 3));
	plan_drop(weighty);
	plan_drop(plain);
}

struct drawer {
	pthread_t thread;
	const struct plan *plan;
	unsigned counts[3];
};

static void *
draw_often(void *arg)
{
	struct drawer *d = arg;
	struct field field = {SPAN("x-to"), SPAN("ab"), FIELD_OTHER};
	struct request r = {.fields = &field, .nfields = 1};
	struct choice c;

	for (int i = 0; i < 25001; i++) {
		choose_version(d->plan->services[0], &r, 0, &c);
		d->counts[c.version->index]++;
	}
	return NULL;
}

/* What workers draw at the same time is exact in their sum. */
static void
test_rule_weights_of_workers(void **state)
{
	const unsigned weights[] = {70, 29, 1};
	struct plan *p = build(weighted(weights), NULL);
	struct drawer drawers[4] = {{.plan = NULL}};

	(void)state;
	for (int i = 0; i < 4; i++) {
		drawers[i].plan = p;
		assert_int_equal(pthread_create(&drawers[i].thread, NULL,
				     draw_often, &drawers[i]),
		    0);
	}
	for (int i = 0; i < 4; i++)
		pthread_join(drawers[i].thread, NULL);
	for (int v = 0; v < 3; v++) {
		double share = 4 * 25001 * weights[v] / 100.0;
		unsigned count = 0;

		for (int i = 0; i < 4; i++)
			count += drawers[i].counts[v];
		assert_true(count < share + 1 && count > share - 1);
	}
	plan_drop(p);
}

/* Changes of the service's weights, its health, or a reload in between. */
static void
test_rule_weights_go_on(void **state)
{
	const struct weight_change change = {
	    .version = "v2", .weight = 7 * WEIGHT_ONE};
	const unsigned weights[] = {1, 2, 4}, others[] = {4, 2, 1};
	unsigned counts[3] = {0}, fresh[3] = {0};
	struct plan *p[5];
	char why[128];

	(void)state;
	p[0] = build(weighted(weights), NULL);
	draw(p[0], weights, 3, counts);
	p[1] = plan_with_weights(p[0], "shop", &change, 1, why, sizeof why);
	assert_non_null(p[1]);
	draw(p[1], weights, 5, counts);
	p[2] = plan_with_health(p[1], "shop");
	assert_non_null(p[2]);
	draw(p[2], weights, 5, counts);
	p[3] = build(weighted(weights), p[2]);
	draw(p[3], weights, 100, counts);
	p[4] = build(weighted(others), p[3]);
	draw(p[4], others, 100, fresh);
	for (int i = 0; i < 5; i++)
		plan_drop(p[i]);
}

/* Another version at an index is another split. */
static void
test_rule_weights_of_other_versions(void **state)
{
	const unsigned weights[] = {1, 2, 4};
	unsigned counts[3] = {0};
	struct spec *spec = weighted(weights);
	struct plan *a = build(weighted(weights), NULL), *b;
	char *name = spec->services[0].versions[0].name;

	(void)state;
	draw(a, weights, 3, counts);
	memset(counts, 0, sizeof counts);
	name[1] = '9';
	b = build(spec, a);
	draw(b, weights, 100, counts);
	plan_drop(a);
	plan_drop(b);
}

static void
test_wrong_rule_weights(void **state)
{
	const unsigned nothing[] = {0, 0, 0};
	struct spec *spec = weighted(nothing);
	char why[192];

	(void)state;
	assert_null(plan_build(spec, NULL, 1, 0, why, sizeof why));
	assert_string_equal(why,
	    "service \"shop\": rule 0: weights add up to 0: at least one "
	    "version needs a weight above 0");
	spec_free(spec);
}

/* What the rule says of `empty` holds whatever the service says. */
static void
test_empty_of_rules(void **state)
{
	static const struct {
		bool service, own, rule;
		const char *version;
		enum choice_by by;
	} rows[] = {
	    {true, false, false, "v1", CHOICE_STABLE},
	    {false, false, true, "v2", CHOICE_RULE},
	    {true, true, false, "v2", CHOICE_RULE},
	    {false, true, true, "v1", CHOICE_STABLE},
	    {true, true, true, "v1", CHOICE_STABLE},
	    {false, true, false, "v2", CHOICE_RULE},
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0] * 2; i++) {
		const unsigned all_v2[] = {0, 1, 0};
		struct spec *spec = weighted(all_v2);
		struct service_spec *s = build_last(spec);
		struct plan *p;
		struct choice c;

		if (i % 2 == 0) { /* the same without weights */
			free(s->rules[0].weights);
			s->rules[0].weights = NULL;
			s->rules[0].version = 1;
		}
		s->versions[1].npods = 0;
		s->terms.empty_stable = rows[i / 2].service;
		s->rules[0].own_empty = rows[i / 2].own;
		s->rules[0].empty_stable = rows[i / 2].rule;
		p = build(spec, NULL);
		c = choose(p, "ab", "");
		assert_string_equal(c.version->name, rows[i / 2].version);
		assert_string_equal(c.wanted->name, "v2");
		assert_int_equal(c.by, rows[i / 2].by);
		assert_int_equal(c.rule, 0);
		plan_drop(p);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_rules),
	    cmocka_unit_test(test_weights),
	    cmocka_unit_test(test_without_ready_pods),
	    cmocka_unit_test(test_weight_without_ready_pods),
	    cmocka_unit_test(test_no_rules),
	    cmocka_unit_test(test_rule_weights),
	    cmocka_unit_test(test_foreseen),
	    cmocka_unit_test(test_weights_of_rules),
	    cmocka_unit_test(test_rule_weights_of_workers),
	    cmocka_unit_test(test_rule_weights_go_on),
	    cmocka_unit_test(test_rule_weights_of_other_versions),
	    cmocka_unit_test(test_wrong_rule_weights),
	    cmocka_unit_test(test_empty_of_rules),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
