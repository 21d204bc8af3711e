/*
 * A table of where each pod's tickets begin, and a guide into it: which pod
 * has every 2^shift-th ticket.
 */
#include "router/draw.h"

#include <stdlib.h>

#include "base/check.h"
#include "base/gcd.h"

#define DRAW_MAGIC 0xd4a30001u
/* 2^32 divided by the golden ratio: multiples of it spread evenly. */
#define GOLDEN 2654435769u

struct draw {
	unsigned magic;
	uint32_t total;
	uint32_t stride; /* between tickets in turn; coprime to total */
	unsigned shift;
	uint32_t *guide;  /* at most 2n + 2 pods */
	uint32_t start[]; /* of n pods, then the total */
};

struct draw *
draw_new(size_t n)
{
	struct draw *d = calloc(1, sizeof *d + (3 * n + 3) * sizeof(uint32_t));

	if (d == NULL)
		return NULL;
	d->magic = DRAW_MAGIC;
	d->guide = d->start + n + 1;
	return d;
}

void
draw_free(struct draw *d)
{
	if (d == NULL)
		return;
	CHECK_OBJ(d, DRAW_MAGIC);
	d->magic = 0;
	free(d);
}

/* total - 1 is coprime to it, so the search ends there. */
static uint32_t
stride_of(uint32_t total)
{
	uint32_t stride = (uint32_t)((uint64_t)total * GOLDEN >> 32) | 1;

	while (stride < total && gcd(stride, total) != 1)
		stride++;
	return stride;
}

static void
fill_guide(struct draw *d, size_t n)
{
	const uint32_t last = (d->total - 1) >> d->shift;
	uint32_t pod = 0;

	for (uint32_t g = 0; g <= last; g++) {
		while (d->start[pod + 1] <= g << d->shift)
			pod++;
		d->guide[g] = pod;
	}
	d->guide[last + 1] = (uint32_t)n - 1;
}

void
draw_fill(struct draw *d, const uint16_t *weights, size_t n)
{
	uint32_t common = 0;

	CHECK_OBJ(d, DRAW_MAGIC);
	CHECK(n > 0 && n <= PODS_MAX);
	for (size_t i = 0; i < n && common != 1; i++)
		common = gcd(weights[i], common);
	d->start[0] = 0;
	for (size_t i = 0; i < n; i++) {
		CHECK(weights[i] > 0 && weights[i] <= DRAW_WEIGHT_MAX);
		d->start[i + 1] = d->start[i] + weights[i] / common;
	}
	d->total = d->start[n];
	d->stride = stride_of(d->total);
	d->shift = 0;
	while ((d->total - 1) >> d->shift > 2 * n)
		d->shift++;
	fill_guide(d, n);
}

uint32_t
draw_total(const struct draw *d)
{
	CHECK_OBJ(d, DRAW_MAGIC);
	return d->total;
}

uint32_t
draw_weight(const struct draw *d, unsigned i)
{
	return d->start[i + 1] - d->start[i];
}

/* The guide leaves few pods to choose from, unless they weigh next to
 * nothing; and then they are seldom asked for. */
static unsigned
owner(const struct draw *d, uint32_t ticket)
{
	unsigned low = d->guide[ticket >> d->shift];
	unsigned high = d->guide[(ticket >> d->shift) + 1];

	while (low < high) {
		unsigned middle = (low + high) / 2;

		if (d->start[middle + 1] <= ticket)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

unsigned
draw_by_chance(const struct draw *d, uint32_t roll)
{
	CHECK_OBJ(d, DRAW_MAGIC);
	return owner(d, (uint32_t)((uint64_t)roll * d->total >> 32));
}

unsigned
draw_another(const struct draw *d, uint32_t roll, unsigned not )
{
	const uint32_t its = draw_weight(d, not );
	uint32_t ticket;

	CHECK_OBJ(d, DRAW_MAGIC);
	ticket = (uint32_t)((uint64_t)roll * (d->total - its) >> 32);
	if (ticket >= d->start[not ])
		ticket += its;
	return owner(d, ticket);
}

unsigned
draw_in_turn(const struct draw *d, uint32_t n)
{
	CHECK_OBJ(d, DRAW_MAGIC);
	return owner(d, (uint32_t)((uint64_t)n * d->stride % d->total));
}
