/* Names of versions to indexes: stable, weights, rules, mirror. */
#include <stdlib.h>
#include <string.h>

#include "conf/suggest.h"
#include "conf/tables.h"
#include "router/split.h"

_Static_assert(
    OPT_DECIMALS == WEIGHT_ONE, "weights are read in the router's unit");

static void
refuse_version(
    struct errors *e, const struct service_spec *s, const struct node *name)
{
	const char *known[SPLIT_VERSIONS_MAX], *nearest;
	char found[OPT_QUOTE_MAX], list[512];
	size_t n = 0;

	for (size_t i = 0; i < s->nversions; i++)
		if (s->versions[i].name != NULL)
			known[n++] = s->versions[i].name;
	opt_quote(span_of(name->text), found, sizeof found);
	suggest_list(known, n, list, sizeof list);
	nearest = suggest_nearest(name->text, known, n);
	if (nearest != NULL)
		errors_add(e, name->at,
		    "unknown version %s, did you mean \"%s\"? known: %s", found,
		    nearest, list);
	else
		errors_add(
		    e, name->at, "unknown version %s, known: %s", found, list);
}

/* False, reported, when there is no such version. */
static bool
find_version(struct errors *e, const struct service_spec *s,
    const struct node *name, size_t *index)
{
	for (size_t i = 0; i < s->nversions; i++) {
		const char *known = s->versions[i].name;

		if (known != NULL && strcmp(known, name->text) == 0) {
			*index = i;
			return true;
		}
	}
	refuse_version(e, s, name);
	return false;
}

static void
resolve_name(struct errors *e, const struct node *name,
    const struct service_spec *s, size_t *index)
{
	const struct option o = {.type = "the name of a version"};

	if (name != NULL && option_text(e, &o, name) != NULL)
		find_version(e, s, name, index);
}

static bool
read_weight(struct errors *e, const struct node *value, uint64_t *weight)
{
	const struct option o = {
	    .read = option_read_value,
	    .kind = OPT_WEIGHT,
	    .max = WEIGHT_MAX,
	    .size = sizeof *weight,
	};
	size_t before = e->n;

	option_read_value(e, &o, value, weight);
	return e->n == before;
}

/* Weights that can each be read may still be wrong together. */
static void
check_weights(
    struct errors *e, const struct node *weights, const uint64_t *all, size_t n)
{
	struct split *split;
	char why[256] = "out of memory";

	split = split_new(all, n, why, sizeof why);
	if (split == NULL)
		errors_add(e, weights->at, "%s", why);
	else
		split_drop(split);
}

/* Into one weight per version, those that are not named 0. */
static bool
read_weights(struct errors *e, const struct node *weights,
    const struct service_spec *s, uint64_t *all)
{
	const struct option o = {.type = "a map from versions to weights"};
	bool good = true;

	if (!option_kind(e, &o, weights, NODE_MAP))
		return false;
	memset(all, 0, s->nversions * sizeof *all);
	for (const struct node *m = weights->first; m != NULL; m = m->next) {
		uint64_t weight = 0;
		size_t i;

		if (!read_weight(e, m, &weight))
			good = false;
		if (find_version(e, s, m->key, &i))
			all[i] = weight;
		else
			good = false;
	}
	if (good)
		check_weights(e, weights, all, s->nversions);
	return true;
}

static void
resolve_weights(
    struct errors *e, const struct node *weights, struct service_spec *s)
{
	uint64_t all[SPLIT_VERSIONS_MAX];

	if (weights == NULL)
		s->versions[s->stable].weight = 100 * WEIGHT_ONE;
	else if (read_weights(e, weights, s, all))
		for (size_t i = 0; i < s->nversions; i++)
			s->versions[i].weight = all[i];
}

static void
resolve_rule(struct errors *e, const struct node *rule,
    const struct service_spec *s, struct rule_spec *r)
{
	const struct node *weights = node_get(rule, "weights");

	resolve_name(e, node_get(rule, "version"), s, &r->version);
	if (weights == NULL)
		return;
	r->weights = calloc(s->nversions, sizeof *r->weights);
	if (r->weights == NULL)
		errors_no_memory(e);
	else
		read_weights(e, weights, s, r->weights);
}

void
resolve_versions(
    struct errors *e, const struct node *service, struct service_spec *s)
{
	const struct node *rules = node_get(service, "rules");
	const struct node *rule;

	if (s->nversions == 0)
		return;
	resolve_name(e, node_get(service, "stable"), s, &s->stable);
	resolve_weights(e, node_get(service, "weights"), s);
	resolve_name(e, node_get(node_get(service, "mirror"), "version"), s,
	    &s->terms.mirror.version);
	if (s->nrules == 0)
		return;
	rule = rules->first;
	for (size_t i = 0; i < s->nrules; i++, rule = rule->next)
		resolve_rule(e, rule, s, &s->rules[i]);
}
