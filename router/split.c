/*
 * Tijdeman's chairman assignment (Discrete Mathematics 32, 1980), in
 * integers. With k versions of weight w[i], W their sum, and D = 2k-2: the
 * n-th ticket goes, among the versions with D*(n*w[i] - c[i]*W) >= W, where
 * c[i] is what i has had, to the one with the smallest (D*(c[i]+1)-1)/w[i].
 * Then |c[i] - n*w[i]/W| <= 1 - 1/D for every n.
 */
#include "router/split.h"

#include <stdalign.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/gcd.h"

#define SPLIT_MAGIC 0x59170001u

struct split {
	unsigned magic;
	int refs; /* main only */
	uint32_t period;
	uint8_t *order; /* period version indices */

	/* written by all workers, so alone in its cache line */
	alignas(64) _Atomic uint64_t next;
};

/* What has a weight above 0; the others play no part in the order. */
struct shares {
	size_t k;
	uint64_t total;
	uint64_t weight[SPLIT_VERSIONS_MAX];
	uint8_t version[SPLIT_VERSIONS_MAX];
};

static void
reduce(struct shares *s)
{
	uint64_t common = 0;

	for (size_t i = 0; i < s->k; i++)
		common = gcd(s->weight[i], common);
	for (size_t i = 0; i < s->k; i++)
		s->weight[i] /= common;
	s->total /= common;
}

/* A weight as people write it: without zeros at its end. */
static void
format_weight(uint64_t w, char *buf, size_t size)
{
	size_t n = (size_t)snprintf(buf, size, "%llu.%04llu",
	    (unsigned long long)(w / WEIGHT_ONE),
	    (unsigned long long)(w % WEIGHT_ONE));

	while (buf[n - 1] == '0')
		buf[--n] = '\0';
	if (buf[n - 1] == '.')
		buf[n - 1] = '\0';
}

static int
check_smallest(const struct shares *s, char *why, size_t why_size)
{
	char weight[32], sum[32];

	for (size_t i = 0; i < s->k; i++) {
		if (s->weight[i] * SPLIT_PERIOD_MAX >= s->total)
			continue;
		format_weight(s->weight[i], weight, sizeof weight);
		format_weight(s->total, sum, sizeof sum);
		snprintf(why, why_size,
		    "weight %s is too small a part of their sum %s: the "
		    "smallest share above 0 is 1/%u",
		    weight, sum, SPLIT_PERIOD_MAX);
		return -1;
	}
	return 0;
}

static int
take_weights(struct shares *s, const uint64_t *weights, size_t n, char *why,
    size_t why_size)
{
	s->k = 0;
	s->total = 0;
	if (n > SPLIT_VERSIONS_MAX) {
		snprintf(why, why_size, "%zu weights, at most %u are possible",
		    n, SPLIT_VERSIONS_MAX);
		return -1;
	}
	for (size_t i = 0; i < n; i++) {
		if (weights[i] == 0)
			continue;
		if (weights[i] > WEIGHT_MAX) {
			snprintf(why, why_size, "a weight is above %llu",
			    WEIGHT_MAX / WEIGHT_ONE);
			return -1;
		}
		s->weight[s->k] = weights[i];
		s->version[s->k++] = (uint8_t)i;
		s->total += weights[i];
	}
	if (s->k == 0) {
		snprintf(why, why_size,
		    "weights add up to 0: at least one version needs a weight "
		    "above 0");
		return -1;
	}
	return check_smallest(s, why, why_size);
}

/*
 * Brings the sum down to SPLIT_PERIOD_MAX by largest remainder. Every weight
 * is at least 1/SPLIT_PERIOD_MAX of the sum, so none becomes 0.
 */
static void
scale(struct shares *s)
{
	uint64_t rest[SPLIT_VERSIONS_MAX], left = SPLIT_PERIOD_MAX;

	if (s->total <= SPLIT_PERIOD_MAX)
		return;
	for (size_t i = 0; i < s->k; i++) {
		uint64_t scaled = s->weight[i] * SPLIT_PERIOD_MAX;

		s->weight[i] = scaled / s->total;
		rest[i] = scaled % s->total;
		left -= s->weight[i];
	}
	for (; left > 0; left--) {
		size_t most = 0;

		for (size_t i = 1; i < s->k; i++)
			if (rest[i] > rest[most])
				most = i;
		s->weight[most]++;
		rest[most] = 0;
	}
	s->total = SPLIT_PERIOD_MAX;
	reduce(s);
}

/*
 * Fills order[0..total). `lag` is D*(n*w - c*W) and `due` D*(c+1)-1, both
 * kept up by addition; the largest product is below 2^50.
 */
static void
assign(const struct shares *s, uint8_t *order)
{
	const int64_t d = s->k > 1 ? 2 * (int64_t)s->k - 2 : 1;
	const int64_t total = (int64_t)s->total;
	int64_t lag[SPLIT_VERSIONS_MAX] = {0}, due[SPLIT_VERSIONS_MAX];

	for (size_t i = 0; i < s->k; i++)
		due[i] = d - 1;
	for (uint64_t n = 0; n < s->total; n++) {
		size_t best = s->k;

		for (size_t i = 0; i < s->k; i++) {
			lag[i] += d * (int64_t)s->weight[i];
			if (lag[i] < total)
				continue;
			if (best == s->k ||
			    due[i] * (int64_t)s->weight[best] <
				due[best] * (int64_t)s->weight[i])
				best = i;
		}
		CHECK(best < s->k);
		lag[best] -= d * total;
		due[best] += d;
		order[n] = s->version[best];
	}
	for (size_t i = 0; i < s->k; i++)
		CHECK(lag[i] == 0);
}

struct split *
split_new(const uint64_t *weights, size_t n, char *why, size_t why_size)
{
	struct shares shares;
	struct split *s;

	if (take_weights(&shares, weights, n, why, why_size) != 0)
		return NULL;
	reduce(&shares);
	scale(&shares);
	s = aligned_alloc(alignof(struct split), sizeof *s);
	if (s == NULL)
		goto fail;
	memset(s, 0, sizeof *s);
	s->order = malloc(shares.total);
	if (s->order == NULL)
		goto fail;
	s->magic = SPLIT_MAGIC;
	s->refs = 1;
	s->period = (uint32_t)shares.total;
	atomic_init(&s->next, 0);
	assign(&shares, s->order);
	return s;
fail:
	snprintf(why, why_size, "out of memory");
	free(s);
	return NULL;
}

struct split *
split_hold(struct split *s)
{
	CHECK_OBJ(s, SPLIT_MAGIC);
	s->refs++;
	return s;
}

void
split_drop(struct split *s)
{
	if (s == NULL)
		return;
	CHECK_OBJ(s, SPLIT_MAGIC);
	CHECK(s->refs > 0);
	if (--s->refs > 0)
		return;
	s->magic = 0;
	free(s->order);
	free(s);
}

unsigned
split_next(struct split *s)
{
	CHECK_OBJ(s, SPLIT_MAGIC);
	return split_at(
	    s, atomic_fetch_add_explicit(&s->next, 1, memory_order_relaxed));
}

unsigned
split_peek(const struct split *s)
{
	CHECK_OBJ(s, SPLIT_MAGIC);
	return split_at(
	    s, atomic_load_explicit(&s->next, memory_order_relaxed));
}

unsigned
split_at(const struct split *s, uint64_t n)
{
	CHECK_OBJ(s, SPLIT_MAGIC);
	return s->order[n % s->period];
}

uint32_t
split_period(const struct split *s)
{
	CHECK_OBJ(s, SPLIT_MAGIC);
	return s->period;
}
