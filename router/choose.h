/*
 * Which version takes a request: the first matching rule, else the exact
 * split of the weights; then what `empty` says where that version has no
 * ready pod. Any thread, no lock, no allocation.
 */
#ifndef ROUTER_CHOOSE_H
#define ROUTER_CHOOSE_H

#include "router/plan.h"

enum choice_by {
	CHOICE_RULE,
	CHOICE_WEIGHT,
	CHOICE_STABLE, /* the wanted version had no ready pod */
};

struct choice {
	const struct version *version; /* never NULL; may have no ready pod */
	const struct version *wanted;  /* what rule or weight said */
	int rule; /* index of the rule that decided, -1 when none did */
	enum choice_by by;
};

void choose_version(
    const struct service *s, const struct request *r, struct choice *c);

/* Rules of a service. Consumes the matches of the specs. NULL: no memory. */
struct ruleset *ruleset_new(struct rule_spec *rules, size_t n);
/* main thread only */
struct ruleset *ruleset_hold(struct ruleset *r);
void ruleset_drop(struct ruleset *r);
/* Index of the first match, or -1; its version index in *version. */
int ruleset_find(
    const struct ruleset *rs, const struct request *r, size_t *version);

#endif
