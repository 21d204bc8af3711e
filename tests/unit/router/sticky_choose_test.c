/*
 * Rule, cookie, weights: who wins, for how long a cookie holds, and what it
 * is when its version is empty, void or gone.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "router/choose.h"
#include "router/pod.h"
#include "router/sticky_find.h"
#include "tests/unit/router/build_spec.h"

#define NOW 1790000000u
#define TTL 1000u

static struct sticky_key *key;

static int
setup(void **state)
{
	(void)state;
	key = sticky_key_new(SPAN("a secret of the test"));
	return key != NULL ? 0 : -1;
}

static int
teardown(void **state)
{
	(void)state;
	sticky_key_drop(key);
	return 0;
}

/* v1 (stable) 100, v2 0, v3 0; a rule sends X-To: three to v3. */
static struct spec *
shop_spec(unsigned pods2, bool empty_stable, bool pod)
{
	struct spec *spec = spec_new();
	struct terms *terms;

	build_service(spec, "shop");
	terms = &build_last(spec)->terms;
	terms->health.enabled = false;
	terms->empty_stable = empty_stable;
	terms->sticky = (struct sticky){
	    .name = strdup("shunt"),
	    .ttl_s = TTL,
	    .pod = pod,
	};
	spec_stick(spec, key);
	build_version(spec, "v1", 100, 9100, 2);
	build_version(spec, "v2", 0, 9200, pods2);
	build_version(spec, "v3", 0, 9300, 1);
	build_rule(spec, "X-To", "three", 2);
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

struct cookie {
	char text[STICKY_TEXT_MAX + 16];
	struct span span; /* "shunt=..." */
};

static void
bake(struct cookie *c, const char *version, uint32_t epoch, uint64_t expires_s,
    uint64_t pod)
{
	const struct sticky_mark m = {span_of(version), epoch, expires_s, pod};
	char *p = span_put(c->text, SPAN("shunt="));
	size_t n = sticky_write(key, SPAN("shop"), &m, p);

	assert_true(n > 0);
	c->span = (struct span){c->text, 6 + n};
}

static struct choice
choose(const struct plan *p, struct span cookies, const char *to)
{
	struct field fields[] = {
	    {SPAN("cookie"), cookies, FIELD_COOKIE},
	    {SPAN("x-to"), span_of(to), FIELD_OTHER},
	};
	struct request r = {.fields = fields, .nfields = 2};
	struct choice c, same;

	choose_foresee(p->services[0], &r, NOW, &same);
	choose_version(p->services[0], &r, NOW, &c);
	assert_ptr_equal(same.version, c.version);
	assert_int_equal(same.by, c.by);
	assert_int_equal(same.cookie, c.cookie);
	return c;
}

/* A version without pods is v2; the weights always say v1. */
static void
test_precedence(void **state)
{
	static const struct {
		unsigned pods2;
		bool empty_stable;
		const char *cookie, *to, *version, *wanted;
		enum choice_by by;
		enum choice_cookie order;
	} rows[] = {
	    {1, true, NULL, "", "v1", "v1", CHOICE_WEIGHT, COOKIE_ISSUE},
	    {1, true, "v2", "", "v2", "v2", CHOICE_STICKY, COOKIE_KEEP},
	    {1, true, "v1", "", "v1", "v1", CHOICE_STICKY, COOKIE_KEEP},
	    {1, true, "v2", "three", "v3", "v3", CHOICE_RULE, COOKIE_LEAVE},
	    {1, true, NULL, "three", "v3", "v3", CHOICE_RULE, COOKIE_LEAVE},
	    {1, true, "v9", "", "v1", "v1", CHOICE_WEIGHT, COOKIE_ISSUE},
	    {0, true, "v2", "", "v1", "v2", CHOICE_STABLE, COOKIE_LEAVE},
	    {0, false, "v2", "", "v2", "v2", CHOICE_STICKY, COOKIE_KEEP},
	    {0, true, "v2", "three", "v3", "v3", CHOICE_RULE, COOKIE_LEAVE},
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct plan *p =
		    build(shop_spec(rows[i].pods2, rows[i].empty_stable, false),
			NULL);
		struct cookie cookie = {.span = SPAN("x=y")};
		struct choice c;

		if (rows[i].cookie != NULL)
			bake(&cookie, rows[i].cookie, 0, NOW + TTL, 0);
		c = choose(p, cookie.span, rows[i].to);
		assert_string_equal(c.version->name, rows[i].version);
		assert_string_equal(c.wanted->name, rows[i].wanted);
		assert_int_equal(c.by, rows[i].by);
		assert_int_equal(c.cookie, rows[i].order);
		assert_null(c.pod);
		plan_drop(p);
	}
}

/* Who sticks draws no ticket: the split goes on as if they were not there. */
static void
test_draws_nothing(void **state)
{
	struct plan *p = build(shop_spec(1, true, false), NULL);
	struct split *split = p->services[0]->split;
	struct cookie cookie;
	unsigned next;

	(void)state;
	bake(&cookie, "v2", 0, NOW + TTL, 0);
	next = split_peek(split);
	for (int i = 0; i < 10; i++)
		assert_int_equal(choose(p, cookie.span, "").by, CHOICE_STICKY);
	assert_int_equal(split_peek(split), next);
	plan_drop(p);
}

static void
test_time(void **state)
{
	static const struct {
		int64_t left;
		enum choice_by by;
		enum choice_cookie order;
	} rows[] = {
	    {-1, CHOICE_WEIGHT, COOKIE_ISSUE}, {0, CHOICE_WEIGHT, COOKIE_ISSUE},
	    {1, CHOICE_STICKY, COOKIE_ISSUE},
	    {TTL / 2 - 1, CHOICE_STICKY, COOKIE_ISSUE},
	    {TTL / 2, CHOICE_STICKY, COOKIE_KEEP},
	    {TTL, CHOICE_STICKY, COOKIE_KEEP},
	    {TTL * 3 / 2, CHOICE_STICKY, COOKIE_KEEP}, /* another's clock */
	    {TTL * 3 / 2 + 1, CHOICE_STICKY, COOKIE_ISSUE}, /* ttl was longer */
	};
	struct plan *p = build(shop_spec(1, true, false), NULL);

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct cookie cookie;
		struct choice c;

		bake(&cookie, "v2", 0, (uint64_t)(NOW + rows[i].left), 0);
		c = choose(p, cookie.span, "");
		assert_int_equal(c.by, rows[i].by);
		assert_int_equal(c.cookie, rows[i].order);
	}
	plan_drop(p);
}

/* The one that holds is found, wherever it stands among the first four. */
static void
test_several_cookies(void **state)
{
	static const struct {
		const char *before, *after;
		bool found;
	} rows[] = {
	    {"", "", true},
	    {"a=b; ", "; c=d", true},
	    {"shunt=; shunt=x;", "", true},
	    {"shunt=1;shunt=\"2\"; shunt=3; ", "; shunt=4", true},
	    {"shunt=1; shunt=2; shunt=3; shunt=4; ", "", false},
	    {"Shunt=1; ", "", true},
	    {"x", "", false},
	    {"", "x", false},
	};
	struct plan *p = build(shop_spec(1, true, false), NULL);
	struct cookie cookie;

	(void)state;
	bake(&cookie, "v2", 0, NOW + TTL, 0);
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		char text[STICKY_TEXT_MAX + 64];
		int n = snprintf(text, sizeof text, "%s%.*s%s", rows[i].before,
		    SPAN_ARG(cookie.span), rows[i].after);
		struct choice c = choose(p, (struct span){text, (size_t)n}, "");

		assert_int_equal(
		    c.by, rows[i].found ? CHOICE_STICKY : CHOICE_WEIGHT);
	}
	plan_drop(p);
}

static struct plan *
shift(struct plan *old, const struct weight_change *change)
{
	char why[128];
	struct plan *p =
	    plan_with_weights(old, "shop", change, 1, why, sizeof why);

	if (p == NULL)
		fail_msg("%s", why);
	plan_drop(old);
	return p;
}

static enum choice_by
chosen(const struct plan *p, const char *version, uint32_t epoch)
{
	struct cookie cookie;
	struct choice c;

	bake(&cookie, version, epoch, NOW + TTL, 0);
	c = choose(p, cookie.span, "");
	return c.by;
}

/*
 * Weight 0 keeps those who are there, a new epoch does not; it stays through
 * health, weights and reloads, and a version that comes back does not bring
 * the cookies back that were void.
 */
static void
test_epochs(void **state)
{
	const struct weight_change some = {"v2", 10 * WEIGHT_ONE, false};
	const struct weight_change none = {"v2", 0, false};
	const struct weight_change gone = {"v2", 0, true};
	struct plan *p = build(shop_spec(1, true, false), NULL), *next;
	struct spec *spec;

	(void)state;
	p = shift(p, &some);
	p = shift(p, &none);
	assert_int_equal(chosen(p, "v2", 0), CHOICE_STICKY);
	p = shift(p, &gone);
	assert_int_equal(chosen(p, "v2", 0), CHOICE_WEIGHT);
	assert_int_equal(chosen(p, "v2", 1), CHOICE_STICKY);
	assert_int_equal(chosen(p, "v1", 0), CHOICE_STICKY);
	assert_int_equal(chosen(p, "v1", 1), CHOICE_WEIGHT);
	p = shift(p, &some);
	next = plan_with_health(p, "shop");
	plan_drop(p);
	p = build(shop_spec(1, true, false), next);
	plan_drop(next);
	assert_int_equal(chosen(p, "v2", 0), CHOICE_WEIGHT);
	assert_int_equal(chosen(p, "v2", 1), CHOICE_STICKY);

	/* v2 leaves, and comes again */
	spec = shop_spec(1, true, false);
	free(spec->services[0].versions[1].name);
	spec->services[0].versions[1].name = strdup("v4");
	next = build(spec, p);
	plan_drop(p);
	assert_int_equal(chosen(next, "v2", 1), CHOICE_WEIGHT);
	p = build(shop_spec(1, true, false), next);
	plan_drop(next);
	assert_int_equal(chosen(p, "v2", 0), CHOICE_WEIGHT);
	assert_int_equal(chosen(p, "v1", 0), CHOICE_STICKY);
	p = shift(p, &gone);
	assert_int_equal(chosen(p, "v2", 1), CHOICE_WEIGHT);
	assert_int_equal(chosen(p, "v2", 2), CHOICE_STICKY);
	plan_drop(p);
}

/* What was kept of another process, or of before the service left. */
static void
test_epochs_of_before(void **state)
{
	const struct weight_change gone = {"v2", 0, true};
	struct plan *p = build(shop_spec(1, true, false), NULL);

	(void)state;
	assert_false(plan_raise_epochs(p, "other", 3));
	assert_false(plan_raise_epochs(p, "shop", 0));
	assert_true(plan_raise_epochs(p, "shop", 3));
	assert_int_equal(chosen(p, "v1", 3), CHOICE_STICKY);
	assert_int_equal(chosen(p, "v2", 3), CHOICE_STICKY);
	assert_int_equal(chosen(p, "v2", 0), CHOICE_WEIGHT);
	plan_set_epoch(p, "shop", "v1", 0);
	plan_set_epoch(p, "shop", "v2", 2);
	plan_set_epoch(p, "shop", "v9", 1);
	plan_set_epoch(p, "other", "v1", 1);
	assert_int_equal(chosen(p, "v1", 0), CHOICE_STICKY);
	assert_int_equal(chosen(p, "v1", 3), CHOICE_WEIGHT);
	assert_int_equal(chosen(p, "v2", 2), CHOICE_STICKY);
	/* the same again, or less, is of before */
	assert_false(plan_raise_epochs(p, "shop", 3));
	assert_false(plan_raise_epochs(p, "shop", 2));
	assert_int_equal(chosen(p, "v1", 0), CHOICE_STICKY);
	p = shift(p, &gone);
	assert_int_equal(chosen(p, "v2", 4), CHOICE_STICKY);
	assert_int_equal(chosen(p, "v2", 2), CHOICE_WEIGHT);
	assert_int_equal(chosen(p, "v1", 0), CHOICE_STICKY);
	plan_drop(p);
}

/* The cookie's pod, as long as it is up and of that version. */
static void
test_pods(void **state)
{
	struct plan *p = build(shop_spec(1, true, true), NULL), *next;
	const struct version *v1 = &p->services[0]->versions[0];
	const struct version *v2 = &p->services[0]->versions[1];
	uint64_t second = sticky_pod_id(key, &v1->pods[1]->address);
	struct cookie cookie;
	struct choice c;

	(void)state;
	bake(&cookie, "v1", 0, NOW + TTL, second);
	c = choose(p, cookie.span, "");
	assert_int_equal(c.by, CHOICE_STICKY);
	assert_ptr_equal(c.pod, v1->pods[1]);
	bake(&cookie, "v2", 0, NOW + TTL, second);
	c = choose(p, cookie.span, "");
	assert_ptr_equal(c.version, v2);
	assert_null(c.pod);
	bake(&cookie, "v1", 0, NOW + TTL, 0); /* before pod: true */
	assert_null(choose(p, cookie.span, "").pod);

	v1->pods[1]->order = POD_ORDER_DRAIN;
	assert_true(pod_settle(v1->pods[1], NULL));
	next = plan_with_health(p, "shop");
	bake(&cookie, "v1", 0, NOW + TTL, second);
	c = choose(next, cookie.span, "");
	assert_int_equal(c.by, CHOICE_STICKY);
	assert_null(c.pod);
	assert_ptr_equal(choose(p, cookie.span, "").pod, v1->pods[1]);
	plan_drop(p);
	plan_drop(next);
}

/* Without a cookie in the config, or a key yet, there is none to be had. */
static void
test_off(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		struct spec *spec = shop_spec(1, true, true);
		struct sticky *sticky = &spec->services[0].terms.sticky;
		struct cookie cookie;
		struct plan *p;
		struct choice c;

		if (i == 0) {
			free(sticky->name);
			sticky->name = NULL;
		} else {
			sticky_key_drop(sticky->key);
			sticky->key = NULL;
		}
		p = build(spec, NULL);
		assert_false(sticky_is_on(p->services[0]));
		bake(&cookie, "v2", 0, NOW + TTL, 0);
		c = choose(p, cookie.span, "");
		assert_int_equal(c.by, CHOICE_WEIGHT);
		assert_int_equal(c.cookie, COOKIE_LEAVE);
		plan_drop(p);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_precedence),
	    cmocka_unit_test(test_draws_nothing),
	    cmocka_unit_test(test_time),
	    cmocka_unit_test(test_several_cookies),
	    cmocka_unit_test(test_epochs),
	    cmocka_unit_test(test_epochs_of_before),
	    cmocka_unit_test(test_pods),
	    cmocka_unit_test(test_off),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
