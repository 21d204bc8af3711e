/* Versions that ramp up. */
#include "router/ramp.h"

#include "router/plan.h"
#include "router/pod.h"
#include "router/split.h"

static void
follow(struct version *v, bool ramps)
{
	struct ramp *r = &v->ramp;

	if (v->nup == 0) {
		r->empty = !r->seasoned;
		r->warmth = POD_WARM;
		return;
	}
	if (r->empty) {
		r->warmth = POD_COLD;
		r->warms_us = 0;
	}
	r->empty = r->seasoned = false;
	if (!ramps)
		r->warmth = POD_WARM;
}

/* A part of its weight, but not less than a split can have. */
static uint64_t
part_of(const struct version *v, uint64_t total)
{
	const uint64_t least =
	    (total + SPLIT_PERIOD_MAX - 1) / SPLIT_PERIOD_MAX;
	const uint64_t part = v->weight * v->ramp.warmth / POD_WARM;

	if (v->weight < least)
		return v->weight;
	return part > least ? part : least;
}

/* The weights that hold now; false when those are the wanted ones. */
static bool
weigh(const struct service *s, uint64_t *weights)
{
	uint64_t total = 0, left = 0;

	for (size_t i = 0; i < s->nversions; i++)
		total += s->versions[i].weight;
	for (size_t i = 0; i < s->nversions; i++) {
		const struct version *v = &s->versions[i];

		weights[i] = v->weight;
		if (v->weight > 0 && v->ramp.warmth < POD_WARM)
			weights[i] = part_of(v, total);
		left += v->weight - weights[i];
	}
	weights[s->stable] += left;
	return left > 0;
}

static bool
is_made_of(const struct service *s, const uint64_t *weights)
{
	if (s->ramp == NULL)
		return false;
	for (size_t i = 0; i < s->nversions; i++)
		if (s->versions[i].ramp.weight != weights[i])
			return false;
	return true;
}

void
ramp_settle(struct service *s)
{
	const bool ramps =
	    s->terms->ramp_ms > 0 && s->versions[s->stable].nup > 0;
	uint64_t weights[SPLIT_VERSIONS_MAX];
	char why[160];

	for (size_t i = 0; i < s->nversions; i++)
		follow(&s->versions[i], ramps && i != s->stable);
	if (!weigh(s, weights)) {
		split_drop(s->ramp);
		s->ramp = NULL;
	} else if (!is_made_of(s, weights)) {
		split_drop(s->ramp);
		s->ramp = split_new(weights, s->nversions, why, sizeof why);
	}
	for (size_t i = 0; i < s->nversions; i++)
		s->versions[i].ramp.weight = weights[i];
}

uint64_t
ramp_weight(const struct service *s, size_t version)
{
	const struct version *v = &s->versions[version];

	return s->ramp != NULL ? v->ramp.weight : v->weight;
}
