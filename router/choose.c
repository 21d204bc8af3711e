/* From a request to a version: lead, rules, cookie, weights; what is ready. */
#include "router/choose.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "router/split.h"
#include "router/sticky_find.h"

#define RULESET_MAGIC 0x201e0001u

struct rule {
	struct match *match;
	size_t version;
	uint64_t *weights;   /* NULL: all go to `version` */
	struct split *split; /* of the weights */
	bool own_empty, empty_stable;
};

struct ruleset {
	unsigned magic;
	int refs; /* main only */
	size_t nversions;
	size_t n;
	struct rule rules[];
};

/* The split of the rule at that place, if it has these weights. */
static struct split *
split_go_on(const struct ruleset *old, size_t i, const uint64_t *weights)
{
	const uint64_t *before;

	if (old == NULL || i >= old->n)
		return NULL;
	before = old->rules[i].weights;
	if (before == NULL ||
	    memcmp(before, weights, old->nversions * sizeof *weights) != 0)
		return NULL;
	return split_hold(old->rules[i].split);
}

/* -1, with the reason in why, when the weights are wrong together. */
static int
add_split(struct ruleset *rs, size_t i, const struct ruleset *old, char *why,
    size_t why_size)
{
	struct rule *rule = &rs->rules[i];
	char wrong[160];

	if (rule->weights == NULL)
		return 0;
	rule->split = split_go_on(old, i, rule->weights);
	if (rule->split == NULL)
		rule->split = split_new(
		    rule->weights, rs->nversions, wrong, sizeof wrong);
	if (rule->split != NULL)
		return 0;
	snprintf(why, why_size, "rule %zu: %s", i, wrong);
	return -1;
}

/* Moves what the spec points to. */
static struct rule
take_rule(struct rule_spec *spec)
{
	struct rule rule = {
	    .match = spec->match,
	    .version = spec->version,
	    .weights = spec->weights,
	    .own_empty = spec->own_empty,
	    .empty_stable = spec->empty_stable,
	};

	spec->match = NULL;
	spec->weights = NULL;
	return rule;
}

static void
rule_clear(struct rule *rule)
{
	match_free(rule->match);
	split_drop(rule->split);
	free(rule->weights);
}

struct ruleset *
ruleset_new(struct rule_spec *rules, size_t n, size_t nversions,
    const struct ruleset *old, char *why, size_t why_size)
{
	struct ruleset *rs = malloc(sizeof *rs + n * sizeof rs->rules[0]);

	if (rs == NULL) {
		snprintf(why, why_size, "out of memory");
		for (size_t i = 0; i < n; i++) {
			struct rule rule = take_rule(&rules[i]);

			rule_clear(&rule);
		}
		return NULL;
	}
	CHECK(old == NULL || old->nversions == nversions);
	rs->magic = RULESET_MAGIC;
	rs->refs = 1;
	rs->nversions = nversions;
	rs->n = n;
	for (size_t i = 0; i < n; i++)
		rs->rules[i] = take_rule(&rules[i]);
	for (size_t i = 0; i < n; i++) {
		if (add_split(rs, i, old, why, why_size) != 0) {
			ruleset_drop(rs);
			return NULL;
		}
	}
	return rs;
}

struct ruleset *
ruleset_hold(struct ruleset *rs)
{
	CHECK_OBJ(rs, RULESET_MAGIC);
	rs->refs++;
	return rs;
}

void
ruleset_drop(struct ruleset *rs)
{
	if (rs == NULL)
		return;
	CHECK_OBJ(rs, RULESET_MAGIC);
	CHECK(rs->refs > 0);
	if (--rs->refs > 0)
		return;
	for (size_t i = 0; i < rs->n; i++)
		rule_clear(&rs->rules[i]);
	rs->magic = 0;
	free(rs);
}

int
ruleset_find(const struct ruleset *rs, const struct request *r)
{
	CHECK_OBJ(rs, RULESET_MAGIC);
	for (size_t i = 0; i < rs->n; i++)
		if (match_test(rs->rules[i].match, r))
			return (int)i;
	return -1;
}

static const struct rule *
rule_at(const struct ruleset *rs, int rule)
{
	CHECK_OBJ(rs, RULESET_MAGIC);
	CHECK(rule >= 0 && (size_t)rule < rs->n);
	return &rs->rules[rule];
}

static size_t
ticket(struct split *s, bool draw)
{
	return draw ? split_next(s) : split_peek(s);
}

size_t
ruleset_size(const struct ruleset *rs)
{
	CHECK_OBJ(rs, RULESET_MAGIC);
	return rs->n;
}

const uint64_t *
ruleset_weights(const struct ruleset *rs, int rule)
{
	return rule_at(rs, rule)->weights;
}

bool
ruleset_leads(const struct ruleset *rs, size_t version)
{
	CHECK_OBJ(rs, RULESET_MAGIC);
	for (size_t i = 0; i < rs->n; i++) {
		const struct rule *r = &rs->rules[i];

		if (r->weights != NULL ? r->weights[version] > 0
				       : r->version == version)
			return true;
	}
	return false;
}

void
ruleset_describe(const struct ruleset *rs, int rule, char *buf, size_t size)
{
	match_describe(rule_at(rs, rule)->match, buf, size);
}

bool
ruleset_empty_stable(const struct ruleset *rs, int rule, bool stable)
{
	const struct rule *it = rule_at(rs, rule);

	return it->own_empty ? it->empty_stable : stable;
}

/* Whether the weights go by the place of the request's user. */
static bool
find_bucket(const struct service *s, const struct request *r, struct choice *c)
{
	const struct cohort *cohort = &s->terms->cohort;

	c->hashed = cohort->key.on != HASH_ON_NOTHING &&
		    cohort_bucket(cohort, r, &c->bucket);
	return c->hashed;
}

static size_t
by_rule(const struct service *s, const struct request *r, bool draw,
    struct choice *c)
{
	const struct rule *rule = rule_at(s->rules, c->rule);

	if (rule->split == NULL)
		return rule->version;
	if (!find_bucket(s, r, c))
		return ticket(rule->split, draw);
	return cohort_version(
	    rule->weights, s->nversions, s->stable, c->bucket);
}

static size_t
by_weights(const struct service *s, const struct request *r, bool draw,
    struct choice *c)
{
	uint64_t weights[SPLIT_VERSIONS_MAX];

	if (!find_bucket(s, r, c))
		return ticket(s->ramp != NULL ? s->ramp : s->split, draw);
	CHECK(s->nversions <= SPLIT_VERSIONS_MAX);
	for (size_t i = 0; i < s->nversions; i++)
		weights[i] = ramp_weight(s, i);
	return cohort_version(weights, s->nversions, s->stable, c->bucket);
}

static void
choose(const struct service *s, const struct request *r, uint64_t now_s,
    bool draw, struct choice *c)
{
	const struct version *stable = &s->versions[s->stable];
	bool empty_stable = s->terms->empty_stable;
	struct sticky_found stuck;
	size_t version;

	CHECK(!s->closed);
	c->hashed = false;
	c->bucket = 0;
	c->stuck = c->led = false;
	c->cookie = COOKIE_LEAVE;
	c->pod = NULL;
	c->rule = -1;
	if (s->lead != NULL && match_test(s->lead, r)) {
		c->by = CHOICE_RELEASE;
		c->led = true;
		version = s->candidate;
	} else if ((c->rule = ruleset_find(s->rules, r)) >= 0) {
		c->by = CHOICE_RULE;
		version = by_rule(s, r, draw, c);
		empty_stable =
		    ruleset_empty_stable(s->rules, c->rule, empty_stable);
	} else if (sticky_find(s, r, now_s, &stuck)) {
		c->by = CHOICE_STICKY;
		c->stuck = true;
		c->cookie = stuck.renew ? COOKIE_ISSUE : COOKIE_KEEP;
		c->pod = stuck.pod;
		version = stuck.version->index;
	} else {
		c->by = CHOICE_WEIGHT;
		if (sticky_is_on(s))
			c->cookie = COOKIE_ISSUE;
		version = by_weights(s, r, draw, c);
	}
	CHECK(version < s->nversions);
	c->wanted = c->version = &s->versions[version];
	if (c->wanted->nup == 0 && empty_stable && stable->nup > 0) {
		c->by = CHOICE_STABLE;
		c->cookie = COOKIE_LEAVE;
		c->version = stable;
	}
}

void
choose_version(const struct service *s, const struct request *r, uint64_t now_s,
    struct choice *c)
{
	choose(s, r, now_s, true, c);
}

void
choose_foresee(const struct service *s, const struct request *r, uint64_t now_s,
    struct choice *c)
{
	choose(s, r, now_s, false, c);
}
