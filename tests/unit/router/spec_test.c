/* A spec owns what it points to; what it leaks the sanitizers find. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "router/choose.h"
#include "router/pod_tls.h"
#include "tests/unit/router/build_spec.h"

static void
test_empty(void **state)
{
	struct spec *spec = spec_new();

	(void)state;
	assert_non_null(spec);
	assert_int_equal(spec->nservices, 0);
	spec_free(spec);
	spec_free(NULL);
}

static void
test_full(void **state)
{
	struct spec *spec = spec_new();

	(void)state;
	build_service(spec, "shop");
	build_version(spec, "v1", 80, 9100, 3);
	build_version(spec, "v2", 20, 9200, 0);
	build_route(spec, "*.example.com", PATH_PREFIX, "/");
	build_route(spec, NULL, PATH_REGEX, "^/x");
	build_rule(spec, "X-To", "two", 1);
	build_rule_weights(spec, (const unsigned[]){1, 2});
	build_service(spec, "empty");
	spec_free(spec);
}

/* What has moved out is not freed twice. */
static void
test_after_rules_moved(void **state)
{
	struct spec *spec = spec_new();
	const unsigned weights[] = {1};
	struct rule_spec *rules;
	struct ruleset *rs;
	char why[64];

	(void)state;
	build_service(spec, "shop");
	build_version(spec, "v1", 1, 9100, 0);
	build_rule(spec, "X-To", "two", 0);
	build_rule_weights(spec, weights);
	rules = spec->services[0].rules;
	rs = ruleset_new(rules, 1, 1, NULL, why, sizeof why);
	assert_non_null(rs);
	assert_null(rules[0].match);
	assert_null(rules[0].weights);
	spec_free(spec);
	ruleset_drop(rs);
}

static unsigned freed;

static void
count_free(struct pod_tls *t)
{
	(void)t;
	freed++;
}

/* Versions may share what secures their pods; the last lets it go. */
static void
test_pod_tls(void **state)
{
	struct pod_tls tls = {.holders = 1, .free = count_free};
	struct spec *spec = spec_new();

	(void)state;
	freed = 0;
	build_service(spec, "shop");
	build_version(spec, "v1", 80, 9100, 1);
	build_version(spec, "v2", 20, 9200, 1);
	spec->services[0].versions[0].tls = pod_tls_hold(&tls);
	spec->services[0].versions[1].tls = pod_tls_hold(&tls);
	assert_null(pod_tls_hold(NULL));
	pod_tls_drop(NULL);
	pod_tls_drop(&tls);
	assert_int_equal(freed, 0);
	spec_free(spec);
	assert_int_equal(freed, 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_empty),
	    cmocka_unit_test(test_full),
	    cmocka_unit_test(test_after_rules_moved),
	    cmocka_unit_test(test_pod_tls),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
