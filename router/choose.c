/* From a request to a version: rules, then the split, then what is ready. */
#include "router/choose.h"

#include <stdlib.h>

#include "base/check.h"
#include "router/split.h"

#define RULESET_MAGIC 0x201e0001u

struct rule {
	struct match *match;
	size_t version;
};

struct ruleset {
	unsigned magic;
	int refs; /* main only */
	size_t n;
	struct rule rules[];
};

struct ruleset *
ruleset_new(struct rule_spec *rules, size_t n)
{
	struct ruleset *rs = malloc(sizeof *rs + n * sizeof rs->rules[0]);

	if (rs != NULL) {
		rs->magic = RULESET_MAGIC;
		rs->refs = 1;
		rs->n = n;
	}
	for (size_t i = 0; i < n; i++) {
		if (rs != NULL)
			rs->rules[i] =
			    (struct rule){rules[i].match, rules[i].version};
		else
			match_free(rules[i].match);
		rules[i].match = NULL;
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
		match_free(rs->rules[i].match);
	rs->magic = 0;
	free(rs);
}

int
ruleset_find(const struct ruleset *rs, const struct request *r, size_t *version)
{
	CHECK_OBJ(rs, RULESET_MAGIC);
	for (size_t i = 0; i < rs->n; i++) {
		if (match_test(rs->rules[i].match, r)) {
			*version = rs->rules[i].version;
			return (int)i;
		}
	}
	return -1;
}

void
choose_version(
    const struct service *s, const struct request *r, struct choice *c)
{
	const struct version *stable = &s->versions[s->stable];
	size_t version;

	c->by = CHOICE_RULE;
	c->rule = ruleset_find(s->rules, r, &version);
	if (c->rule < 0) {
		c->by = CHOICE_WEIGHT;
		version = split_next(s->split);
	}
	CHECK(version < s->nversions);
	c->wanted = c->version = &s->versions[version];
	if (c->wanted->nready == 0 && s->empty_stable && stable->nready > 0) {
		c->by = CHOICE_STABLE;
		c->version = stable;
	}
}
