/* The option table and readers of rules; their matches are read_match.c's. */
#include <stdio.h>
#include <string.h>

#include "conf/tables.h"
#include "router/match.h"

const struct option rule_options[] = {
    {
	.key = "match",
	.read = read_match,
	.type = "a map of tests, or a list of such maps",
	.help = "Tests of the request that must all hold, at least one; of "
		"a list, those of one map.",
	.required = true,
	.shape = OPTION_MAP,
	.sub = match_options,
	OPTION_FIELD(struct rule_spec, match),
    },
    {
	.key = "version",
	.read = option_read_later,
	.type = "the name of a version",
	.absent = "`weights` of the rule",
	.help = "Where requests that match go.",
    },
    {
	.key = "weights",
	.read = option_read_later,
	.type = "a map from versions to weights",
	.absent = "`version` of the rule",
	.help = "Shares of what the rule matches, instead of `version`.",
    },
    {
	.key = "empty",
	.read = option_read_word,
	.words = empty_words,
	.absent = "that of the service",
	.help = "Who answers when the version of the rule has no pod that is "
		"up.",
	OPTION_FIELD(struct rule_spec, empty_stable),
    },
    {.key = NULL},
};

bool
read_single_key(
    struct errors *e, const struct option *table, const struct node *map)
{
	char list[128] = "";
	size_t used = 0;

	if (map->n == 1)
		return true;
	for (; table->key != NULL && used < sizeof list; table++)
		used += (size_t)snprintf(list + used, sizeof list - used,
		    "%s%s", used > 0 ? ", " : "", table->key);
	errors_add(
	    e, map->at, "expected exactly one of %s, found %zu", list, map->n);
	return false;
}

/* A key that is of no use may well be the one that is missing. */
static bool
all_known(const struct node *rule)
{
	for (const struct node *m = rule->first; m != NULL; m = m->next) {
		const struct option *o = rule_options;

		while (o->key != NULL && strcmp(o->key, m->key->text) != 0)
			o++;
		if (o->key == NULL)
			return false;
	}
	return true;
}

static void
read_rule(struct errors *e, const struct option *o, const struct node *value,
    struct rule_spec *r)
{
	bool version = node_get(value, "version") != NULL;
	const struct node *weights = node_get(value, "weights");

	option_walk(e, o->sub, value, r);
	r->own_empty = node_get(value, "empty") != NULL;
	if (version && weights != NULL)
		errors_add(e, weights->key->at,
		    "expected either \"version\" or \"weights\", found both");
	else if (!version && weights == NULL && value->kind == NODE_MAP &&
		 all_known(value))
		errors_add(
		    e, value->at, "missing key \"version\" or \"weights\"");
}

void
read_rules(struct errors *e, const struct option *o, const struct node *value,
    void *field)
{
	struct service_spec *s = field;

	if (!option_kind(e, o, value, NODE_LIST))
		return;
	s->rules = read_alloc(e, value, sizeof *s->rules);
	if (s->rules == NULL)
		return;
	for (const struct node *m = value->first; m != NULL; m = m->next)
		read_rule(e, o, m, &s->rules[s->nrules++]);
}
