/* What a rollout makes of a plan: stable, weights, closed and lead in one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "router/choose.h"
#include "router/plan.h"
#include "router/pod.h"
#include "router/release.h"
#include "tests/unit/router/build_spec.h"

static char why[256];

/* X-Lead: `value` */
static struct match *
lead_match(const char *value)
{
	struct match *m = match_new();
	struct pattern *p = pattern_new(PATTERN_EXACT, value, why, sizeof why);

	assert_non_null(m);
	assert_non_null(p);
	assert_int_equal(match_add(m, MATCH_HEADER, "X-Lead", &p, 1, false), 0);
	return m;
}

/* NULL for what is not there. */
static struct release *
releases(const char *preview, const char *ab)
{
	struct release *r = release_new();

	assert_non_null(r);
	r->preview = preview != NULL ? lead_match(preview) : NULL;
	r->ab_match = ab != NULL ? lead_match(ab) : NULL;
	return r;
}

/* shop: v1 (stable) 100, v2 0 and v3 0, if that is there; X-To: three. */
static struct spec *
shop(struct release *r, size_t nversions)
{
	struct spec *spec = spec_new();

	build_service(spec, "shop");
	build_version(spec, "v1", 100, 9100, 2);
	build_version(spec, "v2", 0, 9200, 2);
	if (nversions > 2) {
		build_version(spec, "v3", 0, 9300, 1);
		build_rule(spec, "X-To", "three", 2);
	}
	build_route(spec, NULL, PATH_PREFIX, "/");
	build_last(spec)->terms.health.enabled = false;
	build_last(spec)->terms.release = r;
	return spec;
}

static struct plan *
build(struct spec *spec, const struct plan *old)
{
	struct plan *p = plan_build(spec, old, 2, 0, why, sizeof why);

	if (p == NULL)
		fail_msg("%s", why);
	spec_free(spec);
	return p;
}

/* Puts the next one in its place; fails the test without one. */
static struct plan *
follow(struct plan *old, struct plan *next)
{
	if (next == NULL)
		fail_msg("%s", why);
	plan_drop(old);
	return next;
}

static struct plan *
change(struct plan *old, const struct release_change *c)
{
	return follow(old, plan_with_release(old, "shop", c, why, sizeof why));
}

static const struct service *
of(const struct plan *p)
{
	return plan_service(p, "shop");
}

/* The version of a request with these headers, and by what. */
static struct choice
choose(const struct plan *p, const char *lead, const char *to)
{
	const struct field fields[] = {
	    {SPAN("x-lead"), span_of(lead), FIELD_OTHER},
	    {SPAN("x-to"), span_of(to), FIELD_OTHER},
	};
	struct request r = {.fields = fields, .nfields = 2};
	struct choice c, foreseen;

	choose_foresee(of(p), &r, 0, &foreseen);
	choose_version(of(p), &r, 0, &c);
	assert_ptr_equal(c.version, foreseen.version);
	assert_int_equal(c.by, foreseen.by);
	return c;
}

static void
assert_chosen(const struct plan *p, const char *lead, const char *to,
    const char *version, enum choice_by by)
{
	const struct choice c = choose(p, lead, to);

	assert_string_equal(c.version->name, version);
	assert_int_equal(c.by, by);
	assert_int_equal(c.rule, by == CHOICE_RULE ? 0 : -1);
}

/* Each field alone, and that the others are as they were. */
static void
each_field_takes_force(void **state)
{
	static const struct weight_change ten[] = {
	    {"v1", 90 * WEIGHT_ONE, false}, {"v2", 10 * WEIGHT_ONE, false}};
	static const struct {
		struct release_change change;
		size_t stable, candidate;
		uint64_t v1, v2; /* whole */
		bool leads;
	} rows[] = {
	    {{0}, 0, 3, 100, 0, false},
	    {{.stable = "v2"}, 1, 3, 100, 0, false},
	    {{.weights = ten, .nweights = 2}, 0, 3, 90, 10, false},
	    {{.weights = ten, .nweights = 1}, 0, 3, 90, 0, false},
	    {{.closed = true}, 0, 3, 100, 0, false},
	    {{.closed = true, .candidate = "v3"}, 0, 2, 100, 0, false},
	    {{.lead = LEAD_PREVIEW, .candidate = "v2"}, 0, 1, 100, 0, true},
	    {{.lead = LEAD_AB, .candidate = "v3"}, 0, 2, 100, 0, true},
	    {{"v3", ten, 2, true, LEAD_AB, "v1"}, 2, 0, 90, 10, true},
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct plan *first = build(shop(releases("p", "a"), 3), NULL);
		struct plan *p = plan_with_release(
		    first, "shop", &rows[i].change, why, sizeof why);
		const struct service *s;

		assert_non_null(p);
		s = of(p);
		assert_int_equal(p->generation, 2);
		assert_int_equal(s->stable, rows[i].stable);
		assert_int_equal(s->closed, rows[i].change.closed);
		assert_int_equal(s->leads, rows[i].change.lead);
		assert_int_equal(s->candidate, rows[i].candidate);
		assert_int_equal(
		    s->versions[0].weight, rows[i].v1 * WEIGHT_ONE);
		assert_int_equal(
		    s->versions[1].weight, rows[i].v2 * WEIGHT_ONE);
		assert_true((s->lead != NULL) == rows[i].leads);
		if (s->leads == LEAD_PREVIEW)
			assert_ptr_equal(s->lead, s->terms->release->preview);
		if (s->leads == LEAD_AB)
			assert_ptr_equal(s->lead, s->terms->release->ab_match);
		assert_ptr_equal(s->own, of(first)->own);
		assert_ptr_equal(
		    s->versions[1].tally, of(first)->versions[1].tally);
		/* a plan never changes */
		assert_int_equal(of(first)->stable, 0);
		assert_false(of(first)->closed);
		assert_null(of(first)->lead);
		assert_int_equal(of(first)->candidate, 3);
		plan_drop(first);
		plan_drop(p);
	}
}

static void
wrong_changes_change_nothing(void **state)
{
	static const struct weight_change none[] = {
	    {"v1", 0, false}, {"v2", 0, false}};
	static const struct weight_change unknown[] = {{"v9", 1, false}};
	static const struct weight_change twice[] = {
	    {"v2", 1, false}, {"v2", 2, false}};
	static const struct {
		const char *service;
		bool has_release;
		struct release_change change;
		const char *why;
	} rows[] = {
	    {"cart", true, {0}, "unknown service \"cart\" (known: shop)"},
	    {"shop", true, {.stable = "v9"},
		"unknown version \"v9\" of service \"shop\" (known: v1, v2)"},
	    {"shop", true, {.lead = LEAD_AB, .candidate = "v8"},
		"unknown version \"v8\" of service \"shop\" (known: v1, v2)"},
	    {"shop", true, {.candidate = "v8"},
		"unknown version \"v8\" of service \"shop\" (known: v1, v2)"},
	    {"shop", true, {.weights = unknown, .nweights = 1},
		"unknown version \"v9\" of service \"shop\" (known: v1, v2)"},
	    {"shop", true, {.weights = twice, .nweights = 2},
		"version \"v2\" of service \"shop\" is named twice"},
	    {"shop", true, {.weights = none, .nweights = 2},
		"weights of service \"shop\" add up to 0: at least one "
		"version needs a weight above 0"},
	    {"shop", true, {.lead = LEAD_AB, .candidate = "v2"},
		"service \"shop\" has no match in release.ab that could lead "
		"to version \"v2\""},
	    {"shop", false, {.lead = LEAD_AB, .candidate = "v2"},
		"service \"shop\" has no match in release.ab that could lead "
		"to version \"v2\""},
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct release *r =
		    rows[i].has_release ? releases("p", NULL) : NULL;
		struct plan *p = build(shop(r, 2), NULL);

		assert_null(plan_with_release(
		    p, rows[i].service, &rows[i].change, why, sizeof why));
		assert_string_equal(why, rows[i].why);
		assert_int_equal(of(p)->stable, 0);
		assert_int_equal(of(p)->versions[0].weight, 100 * WEIGHT_ONE);
		assert_int_equal(of(p)->refs, 1);
		plan_drop(p);
	}
}

/* Then nobody is led, which is no error. */
static void
a_preview_may_be_missing(void **state)
{
	static const struct release_change preview = {
	    .lead = LEAD_PREVIEW, .candidate = "v2"};

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct plan *p =
		    build(shop(i == 0 ? NULL : releases(NULL, "a"), 2), NULL);

		p = change(p, &preview);
		assert_null(of(p)->lead);
		assert_int_equal(of(p)->leads, LEAD_PREVIEW);
		assert_int_equal(of(p)->candidate, 1);
		assert_chosen(p, "a", "", "v1", CHOICE_WEIGHT);
		plan_drop(p);
	}
}

static void
a_lead_comes_before_all_rules(void **state)
{
	static const struct release_change preview = {
	    .lead = LEAD_PREVIEW, .candidate = "v2"};
	static const struct release_change ab = {
	    .lead = LEAD_AB, .candidate = "v2"};
	static const struct release_change over = {0};
	struct plan *p = build(shop(releases("p", "a"), 3), NULL);

	(void)state;
	assert_chosen(p, "p", "", "v1", CHOICE_WEIGHT);
	assert_chosen(p, "p", "three", "v3", CHOICE_RULE);
	p = change(p, &preview);
	assert_chosen(p, "p", "", "v2", CHOICE_RELEASE);
	assert_chosen(p, "p", "three", "v2", CHOICE_RELEASE);
	assert_chosen(p, "a", "", "v1", CHOICE_WEIGHT);
	assert_chosen(p, "", "three", "v3", CHOICE_RULE);
	assert_int_equal(choose(p, "p", "").cookie, COOKIE_LEAVE);
	p = change(p, &ab);
	assert_chosen(p, "p", "", "v1", CHOICE_WEIGHT);
	assert_chosen(p, "a", "three", "v2", CHOICE_RELEASE);
	p = change(p, &over);
	assert_chosen(p, "a", "", "v1", CHOICE_WEIGHT);
	plan_drop(p);
}

/* It leads somewhere though nobody is there. */
static void
a_lead_follows_empty(void **state)
{
	static const struct release_change ab = {
	    .lead = LEAD_AB, .candidate = "v2"};
	static const struct {
		bool stable_up, empty_stable;
		const char *version;
		enum choice_by by;
	} rows[] = {
	    {true, true, "v1", CHOICE_STABLE},
	    {true, false, "v2", CHOICE_RELEASE},
	    {false, true, "v2", CHOICE_RELEASE},
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct spec *spec = shop(releases(NULL, "a"), 2);
		struct plan *p;

		build_last(spec)->terms.empty_stable = rows[i].empty_stable;
		p = change(build(spec, NULL), &ab);
		for (size_t v = rows[i].stable_up ? 1 : 0; v < 2; v++)
			for (size_t k = 0; k < 2; k++) {
				struct pod *pod = of(p)->versions[v].pods[k];

				pod->order = POD_ORDER_MAINT;
				pod_settle(pod, NULL);
			}
		p = follow(p, plan_with_health(p, "shop"));
		assert_chosen(p, "a", "", rows[i].version, rows[i].by);
		assert_string_equal(choose(p, "a", "").wanted->name, "v2");
		plan_drop(p);
	}
}

static const struct release_change closed_preview = {
    .stable = "v2", .closed = true, .lead = LEAD_PREVIEW, .candidate = "v2"};

static void
assert_kept(const struct plan *p)
{
	const struct service *s = of(p);

	assert_true(s->closed);
	assert_int_equal(s->leads, LEAD_PREVIEW);
	assert_non_null(s->lead);
	assert_ptr_equal(s->lead, s->terms->release->preview);
	assert_string_equal(s->versions[s->candidate].name, "v2");
}

static void
other_plans_leave_it(void **state)
{
	static const struct weight_change more[] = {
	    {"v2", 50 * WEIGHT_ONE, false}};
	struct plan *p = build(shop(releases("p", "a"), 3), NULL);
	const struct pod_spec pod = {
	    .address = of(p)->versions[0].pods[0]->address, .weight = 1};

	(void)state;
	p = change(p, &closed_preview);
	assert_kept(p);
	p = follow(p, plan_with_weights(p, "shop", more, 1, why, sizeof why));
	assert_kept(p);
	assert_int_equal(of(p)->stable, 1);
	p = follow(
	    p, plan_with_pods(p, "shop", "v2", &pod, 1, 0, why, sizeof why));
	assert_kept(p);
	assert_int_equal(of(p)->versions[1].npods, 1);
	p = follow(p, plan_with_health(p, "shop"));
	assert_kept(p);
	assert_int_equal(of(p)->stable, 1);
	assert_int_equal(of(p)->versions[1].weight, 50 * WEIGHT_ONE);
	plan_drop(p);
}

/* By the new file's matches; stable is what that says. */
static void
a_reload_goes_on(void **state)
{
	struct plan *a, *b;
	struct spec *spec;

	(void)state;
	a = change(build(shop(releases("p", "a"), 2), NULL), &closed_preview);
	b = build(shop(releases("q", "a"), 3), a);
	assert_kept(b);
	assert_int_equal(of(b)->stable, 0);
	plan_drop(a);
	a = b; /* other places of the same names */
	spec = spec_new();
	build_service(spec, "shop");
	build_version(spec, "v2", 100, 9200, 2);
	build_version(spec, "v1", 0, 9100, 2);
	build_last(spec)->terms.health.enabled = false;
	build_last(spec)->terms.release = releases("p", NULL);
	b = build(spec, a);
	assert_kept(b);
	assert_int_equal(of(b)->candidate, 0);
	plan_drop(a);
	a = b;
	b = build(shop(releases(NULL, "a"), 2), a);
	assert_null(of(b)->lead); /* until a file has one again */
	assert_int_equal(of(b)->leads, LEAD_PREVIEW);
	plan_drop(a);
	a = b;
	b = build(shop(releases("p", "a"), 2), a);
	assert_kept(b);
	plan_drop(a);
	plan_drop(b);
}

static void
a_candidate_may_be_no_more(void **state)
{
	struct plan *a, *b;
	struct spec *spec;

	(void)state;
	a = change(build(shop(releases("p", "a"), 2), NULL), &closed_preview);
	spec = spec_new();
	build_service(spec, "shop");
	build_version(spec, "v1", 100, 9100, 2);
	build_last(spec)->terms.release = releases("p", "a");
	b = build(spec, a);
	assert_true(of(b)->closed);
	assert_int_equal(of(b)->leads, LEAD_NONE);
	assert_null(of(b)->lead);
	assert_int_equal(of(b)->candidate, 1);
	plan_drop(a);
	a = b; /* a service that goes and comes begins anew */
	b = build(spec_new(), a);
	plan_drop(a);
	a = b;
	b = build(shop(NULL, 2), a);
	assert_false(of(b)->closed);
	assert_int_equal(of(b)->candidate, 2);
	plan_drop(a);
	plan_drop(b);
}

/* Weights of 0 for all hold as long as it is closed. */
static void
a_closed_service_needs_no_weight(void **state)
{
	static const struct weight_change none[] = {
	    {"v1", 0, false}, {"v2", 0, false}};
	static const struct weight_change all[] = {
	    {"v2", 100 * WEIGHT_ONE, false}};
	static const struct release_change open = {.stable = "v2"};
	struct release_change c = {
	    .weights = none, .nweights = 2, .closed = true};
	struct spec *spec = shop(NULL, 2);
	struct plan *p, *q;

	(void)state;
	spec->services[0].terms.ramp_ms = 1000;
	p = change(build(spec, NULL), &c);
	assert_true(of(p)->closed);
	assert_null(of(p)->split);
	assert_null(of(p)->ramp);
	p = follow(p, plan_with_health(p, "shop"));
	p = change(p, &c); /* once more, and by a reload */
	spec = shop(NULL, 2);
	spec->services[0].versions[0].weight = 0;
	p = follow(p, build(spec, p));
	assert_true(of(p)->closed);
	assert_null(of(p)->split);
	assert_null(plan_with_release(p, "shop", &open, why, sizeof why));
	assert_string_equal(why,
	    "weights of service \"shop\" add up to 0: at least one version "
	    "needs a weight above 0");
	q = follow(p, plan_with_weights(p, "shop", all, 1, why, sizeof why));
	assert_true(of(q)->closed);
	assert_non_null(of(q)->split);
	q = change(q, &open);
	assert_chosen(q, "", "", "v2", CHOICE_WEIGHT);
	assert_int_equal(of(q)->stable, 1);
	plan_drop(q);
}

/* A rollback: weight 0 and no cookie that leads back, in the same plan. */
static void
cookies_are_void_in_the_same_plan(void **state)
{
	static const struct weight_change back[] = {
	    {"v1", 100 * WEIGHT_ONE, false}, {"v2", 0, true}};
	static const struct release_change c = {.weights = back, .nweights = 2};
	struct plan *p = build(shop(NULL, 2), NULL);

	(void)state;
	p = change(p, &c);
	assert_int_equal(of(p)->versions[0].epoch, 0);
	assert_int_equal(of(p)->versions[1].epoch, 1);
	p = change(p, &c);
	assert_int_equal(of(p)->versions[1].epoch, 2);
	assert_int_equal(of(p)->epoch, 2);
	plan_drop(p);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(each_field_takes_force),
	    cmocka_unit_test(wrong_changes_change_nothing),
	    cmocka_unit_test(a_preview_may_be_missing),
	    cmocka_unit_test(a_lead_comes_before_all_rules),
	    cmocka_unit_test(a_lead_follows_empty),
	    cmocka_unit_test(other_plans_leave_it),
	    cmocka_unit_test(a_reload_goes_on),
	    cmocka_unit_test(a_candidate_may_be_no_more),
	    cmocka_unit_test(a_closed_service_needs_no_weight),
	    cmocka_unit_test(cookies_are_void_in_the_same_plan),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
