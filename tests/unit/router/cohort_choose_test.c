/* Versions of users: from services and rules with weights, as these change. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "router/choose.h"
#include "tests/unit/router/build_spec.h"

#define USERS 2000u

/* v1 (stable), v2, v3 with these weights; users are told by X-User. */
static struct spec *
with_weights(const unsigned *weights)
{
	struct spec *spec = spec_new();
	struct service_spec *s;

	build_service(spec, "shop");
	build_version(spec, "v1", weights[0], 9100, 1);
	build_version(spec, "v2", weights[1], 9200, 1);
	build_version(spec, "v3", weights[2], 9300, 1);
	s = build_last(spec);
	s->terms.health.enabled = false;
	s->terms.cohort.key.on = HASH_ON_HEADER;
	s->terms.cohort.key.name = strdup("X-User");
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

static struct plan *
change(struct plan *old, uint64_t v1, uint64_t v2)
{
	const struct weight_change changes[] = {
	    {"v1", v1 * WEIGHT_ONE, false}, {"v2", v2 * WEIGHT_ONE, false}};
	char why[128];
	struct plan *p =
	    plan_with_weights(old, "shop", changes, 2, why, sizeof why);

	assert_non_null(p);
	plan_drop(old);
	return p;
}

/* X-To: `to`, where that is not empty. */
static struct choice
choose_to(const struct plan *p, unsigned user, const char *to)
{
	char text[24];
	int n = snprintf(text, sizeof text, "user-%u", user);
	struct field fields[] = {
	    {SPAN("x-user"), {text, (size_t)n}, FIELD_OTHER},
	    {SPAN("x-to"), span_of(to), FIELD_OTHER},
	};
	struct request r = {.fields = fields, .nfields = 2};
	struct choice c, foreseen;

	choose_foresee(p->services[0], &r, 0, &foreseen);
	choose_version(p->services[0], &r, 0, &c);
	assert_true(c.hashed && foreseen.hashed);
	assert_true(c.bucket == foreseen.bucket && c.bucket != 0);
	assert_ptr_equal(c.version, foreseen.version);
	assert_ptr_equal(c.wanted, foreseen.wanted);
	return c;
}

static struct choice
choose(const struct plan *p, unsigned user)
{
	struct choice c = choose_to(p, user, "");

	assert_int_equal(c.rule, -1);
	return c;
}

static struct choice
choose_nobody(const struct plan *p)
{
	struct request r = {.nfields = 0};
	struct choice c;

	choose_version(p->services[0], &r, 0, &c);
	assert_false(c.hashed);
	assert_true(c.bucket == 0);
	return c;
}

/* A canary grows, is taken back, and grows again: v3's users stay. */
static void
test_users_under_changing_weights(void **state)
{
	static const unsigned start[] = {90, 0, 10};
	static const uint64_t shares[] = {1, 5, 25, 60, 90, 25, 0, 5, 90, 1};
	struct plan *p = build(with_weights(start), NULL);
	unsigned before[USERS], had = 0;

	(void)state;
	for (unsigned i = 0; i < USERS; i++)
		before[i] = choose(p, i).version->index;
	for (size_t k = 0; k < sizeof shares / sizeof shares[0]; k++) {
		unsigned counts[3] = {0};

		p = change(p, 90 - shares[k], shares[k]);
		for (unsigned i = 0; i < USERS; i++) {
			struct choice c = choose(p, i);
			unsigned now = c.version->index;

			assert_int_equal(c.by, CHOICE_WEIGHT);
			counts[now]++;
			if (now == before[i])
				continue;
			assert_int_equal(now, shares[k] > had ? 1 : 0);
			assert_int_equal(before[i], shares[k] > had ? 0 : 1);
			before[i] = now;
		}
		had = (unsigned)shares[k];
		assert_int_equal(counts[1] == 0, had == 0);
		assert_true(counts[1] <= USERS * had / 100 * 13 / 10 + 20);
		assert_true(counts[2] > USERS / 15 && counts[2] < USERS / 7);
	}
	plan_drop(p);
}

static void
see(const struct plan *p, unsigned *versions)
{
	for (unsigned i = 0; i < USERS; i++)
		versions[i] = choose(p, i).version->index;
}

/* As a rollout does it: the candidate's share, and at last it is stable. */
static struct plan *
release(struct plan *old, unsigned from, unsigned to, uint64_t share, bool over)
{
	static const char *const names[] = {"v1", "v2", "v3"};
	const struct weight_change weights[] = {
	    {names[from], (100 - share) * WEIGHT_ONE, false},
	    {names[to], share * WEIGHT_ONE, false}};
	const struct release_change change = {
	    .stable = over ? names[to] : NULL,
	    .weights = weights,
	    .nweights = 2,
	};
	char why[128];
	struct plan *p =
	    plan_with_release(old, "shop", &change, why, sizeof why);

	assert_non_null(p);
	plan_drop(old);
	return p;
}

/*
 * Releases one after the other, from and to versions at any place: each only
 * takes users from its stable version, and promoting it moves nobody.
 */
static void
test_users_over_releases(void **state)
{
	static const unsigned start[] = {100, 0, 0};
	static const unsigned ways[][2] = {
	    {0, 1}, {1, 2}, {2, 0}, {0, 2}, {2, 1}, {1, 0}};
	static const uint64_t shares[] = {5, 20, 50, 100};
	struct plan *p = build(with_weights(start), NULL);
	unsigned before[USERS], now[USERS];

	(void)state;
	for (size_t w = 0; w < sizeof ways / sizeof ways[0]; w++) {
		const unsigned from = ways[w][0], to = ways[w][1];

		assert_int_equal(p->services[0]->stable, from);
		see(p, before);
		for (size_t k = 0; k < sizeof shares / sizeof shares[0]; k++) {
			unsigned moved = 0;

			p = release(p, from, to, shares[k], false);
			see(p, now);
			for (unsigned i = 0; i < USERS; i++) {
				if (now[i] == before[i])
					continue;
				assert_int_equal(before[i], from);
				assert_int_equal(now[i], to);
				moved++;
			}
			assert_true(moved > 0);
			memcpy(before, now, sizeof now);
		}
		p = release(p, from, to, 100, true);
		see(p, now);
		assert_memory_equal(now, before, sizeof now);
	}
	plan_drop(p);
}

/* As in another replica, after a restart there, or a reload here. */
static void
test_replicas_agree(void **state)
{
	static const unsigned weights[] = {70, 20, 10}, other[] = {7, 2, 1};
	struct plan *a = build(with_weights(weights), NULL);
	struct plan *b = build(with_weights(other), NULL);
	struct plan *c = build(with_weights(other), a);

	(void)state;
	for (unsigned i = 0; i < USERS; i++) {
		struct choice in_a = choose(a, i);

		assert_int_equal(
		    in_a.version->index, choose(b, i).version->index);
		assert_int_equal(
		    in_a.version->index, choose(c, i).version->index);
	}
	plan_drop(a);
	plan_drop(b);
	plan_drop(c);
}

/* Who cannot be told apart is split exactly, whoever comes in between. */
static void
test_nobody_is_split_exactly(void **state)
{
	static const unsigned weights[] = {70, 20, 10};
	struct plan *p = build(with_weights(weights), NULL);
	unsigned counts[3] = {0};

	(void)state;
	for (unsigned i = 0; i < 1000; i++) {
		choose(p, i);
		counts[choose_nobody(p).version->index]++;
	}
	assert_int_equal(counts[0], 700);
	assert_int_equal(counts[1], 200);
	assert_int_equal(counts[2], 100);
	plan_drop(p);
}

static void
add_rules(struct spec *spec, const unsigned *weights)
{
	build_rule(spec, "X-To", "ab", 0);
	build_rule_weights(spec, weights);
	build_rule(spec, "X-To", "three", 2);
}

/* The same place as for the service's weights, laid out for the rule's. */
static void
test_rules(void **state)
{
	static const unsigned weights[] = {60, 20, 20}, ab[] = {20, 80, 0};
	struct spec *spec = with_weights(weights);
	struct plan *p;
	unsigned counts[3] = {0};

	(void)state;
	add_rules(spec, ab);
	p = build(spec, NULL);
	for (unsigned i = 0; i < USERS; i++) {
		struct choice by_service = choose(p, i);
		struct choice by_rule = choose_to(p, i, "ab");

		assert_int_equal(by_rule.by, CHOICE_RULE);
		assert_int_equal(by_rule.rule, 0);
		assert_true(by_rule.bucket == by_service.bucket);
		if (by_service.version->index == 1) /* it has more there */
			assert_int_equal(by_rule.version->index, 1);
		counts[by_rule.version->index]++;
	}
	assert_true(counts[0] > USERS * 15 / 100);
	assert_true(counts[1] > USERS * 75 / 100);
	assert_int_equal(counts[2], 0);
	p = change(p, 1, 0); /* the rule's weights are its own */
	for (unsigned i = 0; i < USERS; i++)
		counts[choose_to(p, i, "ab").version->index]--;
	assert_true(counts[0] == 0 && counts[1] == 0 && counts[2] == 0);
	plan_drop(p);
}

/* A rule that names its version asks nobody who he is. */
static void
test_rule_without_weights(void **state)
{
	static const unsigned weights[] = {1, 1, 0}, ab[] = {1, 1, 0};
	const struct field fields[] = {
	    {SPAN("x-user"), SPAN("ann"), FIELD_OTHER},
	    {SPAN("x-to"), SPAN("three"), FIELD_OTHER},
	};
	struct request r = {.fields = fields, .nfields = 2};
	struct spec *spec = with_weights(weights);
	struct choice c = {.hashed = true, .bucket = 7};
	struct plan *p;

	(void)state;
	add_rules(spec, ab);
	p = build(spec, NULL);
	choose_version(p->services[0], &r, 0, &c);
	assert_string_equal(c.version->name, "v3");
	assert_false(c.hashed);
	assert_true(c.bucket == 0);
	plan_drop(p);
}

/* A newcomer is a user like any other, also where a rule has weights. */
static void
test_newcomer(void **state)
{
	static const unsigned weights[] = {1, 1, 0}, ab[] = {1, 1, 0};
	struct field to = {SPAN("x-to"), SPAN("ab"), FIELD_OTHER};
	struct spec *spec = with_weights(weights);
	struct plan *p;

	(void)state;
	add_rules(spec, ab);
	p = build(spec, NULL);
	for (unsigned i = 0; i < USERS; i++) {
		char text[24];
		int n = snprintf(text, sizeof text, "user-%u", i);
		struct request r = {
		    .newcomer = {text, (size_t)n},
		    .fields = &to,
		    .nfields = i % 2,
		};
		struct choice c;

		choose_version(p->services[0], &r, 0, &c);
		assert_true(c.hashed);
		assert_int_equal(c.version->index, choose(p, i).version->index);
	}
	plan_drop(p);
}

/* Users of a version that is down go to stable, and come back. */
static void
test_version_without_pods(void **state)
{
	static const unsigned weights[] = {50, 50, 0};
	struct plan *whole = build(with_weights(weights), NULL), *p;
	struct spec *spec = with_weights(weights);

	(void)state;
	build_last(spec)->versions[1].npods = 0;
	p = build(spec, NULL);
	for (unsigned i = 0; i < USERS; i++) {
		struct choice c = choose(p, i);

		assert_int_equal(c.version->index, 0);
		assert_int_equal(
		    c.wanted->index, choose(whole, i).version->index);
		assert_int_equal(
		    c.by, c.wanted->index == 1 ? CHOICE_STABLE : CHOICE_WEIGHT);
	}
	plan_drop(whole);
	plan_drop(p);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_users_under_changing_weights),
	    cmocka_unit_test(test_users_over_releases),
	    cmocka_unit_test(test_replicas_agree),
	    cmocka_unit_test(test_nobody_is_split_exactly),
	    cmocka_unit_test(test_rules),
	    cmocka_unit_test(test_rule_without_weights),
	    cmocka_unit_test(test_newcomer),
	    cmocka_unit_test(test_version_without_pods),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
