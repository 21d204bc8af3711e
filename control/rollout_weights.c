/* Shares into weights, so that the sums hold. */
#include "control/rollout_weights.h"

#include <stdbool.h>
#include <string.h>

#include "router/plan.h"
#include "router/spec.h"
#include "router/split.h"
#include "strategies/strategy.h"

/* The smallest weight that a split takes beside others of that sum. */
static uint64_t
smallest(uint64_t sum)
{
	return (sum + SPLIT_PERIOD_MAX - 1) / SPLIT_PERIOD_MAX;
}

/* In so many parts a pair's weight is fine enough for any share. */
#define PARTS 10000u

/* A factor for all weights by which the pair has PARTS. */
static uint64_t
factor_of(uint64_t pair, uint64_t heaviest)
{
	const uint64_t factor = (PARTS + pair - 1) / pair;

	return heaviest > WEIGHT_MAX / factor ? 1 : factor;
}

/* The weight of the candidate, of the pair's. */
static uint64_t
part_of(uint64_t pair, uint32_t share, uint64_t sum)
{
	uint64_t part = pair / SHARE_ALL * share +
			(pair % SHARE_ALL * share + SHARE_ALL / 2) / SHARE_ALL;
	const uint64_t least = smallest(sum);

	if (share == 0 || share >= SHARE_ALL)
		return share == 0 ? 0 : pair;
	if (part < least)
		part = least;
	if (pair - part < least)
		part = pair > least ? pair - least : 0;
	return part;
}

/* Weights of n versions in place, the two being at these places. */
static void
share_out(uint64_t *weights, size_t n, size_t from, size_t to, uint32_t share)
{
	uint64_t pair = weights[from] + weights[to], heaviest = pair, sum = 0;
	uint64_t factor;

	if (pair == 0) {
		memset(weights, 0, n * sizeof *weights);
		pair = heaviest = SHARE_ALL;
	}
	for (size_t i = 0; i < n; i++)
		if (weights[i] > heaviest)
			heaviest = weights[i];
	factor = factor_of(pair, heaviest);
	pair *= factor;
	sum = pair;
	for (size_t i = 0; i < n; i++) {
		weights[i] *= factor;
		if (i != from && i != to)
			sum += weights[i];
	}
	weights[to] = part_of(pair, share, sum);
	weights[from] = pair - weights[to];
}

void
rollout_weights(const struct service *s, const char *from, const char *to,
    uint32_t share, struct weight_change *changes)
{
	uint64_t weights[SPLIT_VERSIONS_MAX];

	for (size_t i = 0; i < s->nversions; i++)
		weights[i] = s->versions[i].weight;
	share_out(weights, s->nversions, service_version(s, from)->index,
	    service_version(s, to)->index, share);
	for (size_t i = 0; i < s->nversions; i++)
		changes[i] = (struct weight_change){
		    .version = s->versions[i].name, .weight = weights[i]};
}

static size_t
find(const struct service_spec *s, const char *version)
{
	size_t i = 0;

	while (i < s->nversions && strcmp(s->versions[i].name, version) != 0)
		i++;
	return i;
}

void
rollout_spec_weights(
    struct service_spec *s, const char *from, const char *to, uint32_t share)
{
	const size_t old = find(s, from), new = find(s, to);
	uint64_t weights[SPLIT_VERSIONS_MAX];

	if (old == s->nversions || new == s->nversions ||
	    s->nversions > SPLIT_VERSIONS_MAX)
		return;
	for (size_t i = 0; i < s->nversions; i++)
		weights[i] = s->versions[i].weight;
	share_out(weights, s->nversions, old, new, share);
	for (size_t i = 0; i < s->nversions; i++)
		s->versions[i].weight = weights[i];
}
