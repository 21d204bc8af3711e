/* Which version takes a request: rules, weights, and versions without pods. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

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
	build_last(spec)->health.enabled = false;
	build_last(spec)->empty_stable = empty_stable;
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

	choose_version(p->services[0], &r, &c);
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
	struct ruleset *rs = ruleset_new(NULL, 0), *same;
	struct request r = {.fields = NULL};
	size_t version = 7;

	(void)state;
	assert_non_null(rs);
	assert_int_equal(ruleset_find(rs, &r, &version), -1);
	assert_int_equal(version, 7);
	same = ruleset_hold(rs);
	ruleset_drop(rs);
	assert_int_equal(ruleset_find(same, &r, &version), -1);
	ruleset_drop(same);
	ruleset_drop(NULL);
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
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
