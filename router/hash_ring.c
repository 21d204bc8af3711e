/*
 * Points by parts of the circle, equal ones, and a guide to where the points
 * of each part begin. Hashes spread evenly, so a part has but a few points:
 * looking through them is cheaper than it would be to sort them all.
 */
#include "router/hash_ring.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "router/hash_key.h"
#include "router/pod.h"

#define RING_MAGIC 0x41460001u
/*
 * Points per pod of mean weight: what a pod gets of the keys deviates by
 * about 1/sqrt(points), 6 % of it with 256. Many pods have fewer, so that
 * the ring is made in milliseconds.
 */
#define POINTS_MOST  256u
#define POINTS_LEAST 16u
#define POINTS_ALL   200000u
#define POD_SEED     0x90d5eedu

struct point {
	uint32_t at;
	uint32_t pod;
};

struct hash_ring {
	unsigned magic;
	unsigned shift;	  /* from a place on the circle to its part */
	uint64_t scale;	  /* points per weight, in 1/2^20 */
	uint32_t npoints; /* of pods that are ready */
	uint32_t room;
	uint32_t *guide;	  /* first point of each part */
	struct pod *const *ready; /* borrowed */
	struct point points[];
};

static uint32_t
points_of(uint64_t scale, uint16_t weight)
{
	uint64_t n = weight * scale >> 20;

	return n > 0 ? (uint32_t)n : 1;
}

/* Parts of the circle for so many points, as bits: with about 4 to 8 each. */
static unsigned
part_bits(uint32_t npoints)
{
	unsigned bits = 1;

	while (bits < 31 && 8u << bits < npoints)
		bits++;
	return bits;
}

static uint64_t
points_per_weight(const uint16_t *weights, size_t n)
{
	uint64_t each = POINTS_MOST, sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += weights[i];
	if (n * POINTS_MOST > POINTS_ALL)
		each = POINTS_ALL / n;
	if (each < POINTS_LEAST)
		each = POINTS_LEAST;
	return sum > 0 ? (each * n << 20) / sum : 0;
}

struct hash_ring *
hash_ring_new(const uint16_t *weights, size_t n)
{
	const uint64_t scale = points_per_weight(weights, n);
	struct hash_ring *r;
	size_t room = 0, parts;

	for (size_t i = 0; i < n; i++)
		room += points_of(scale, weights[i]);
	parts = (size_t)1 << part_bits((uint32_t)room);
	r = malloc(sizeof *r + room * sizeof r->points[0] +
		   (parts + 1) * sizeof r->guide[0]);
	if (r == NULL)
		return NULL;
	*r = (struct hash_ring){
	    .magic = RING_MAGIC,
	    .scale = scale,
	    .room = (uint32_t)room,
	    .guide = (uint32_t *)(r->points + room),
	};
	return r;
}

void
hash_ring_free(struct hash_ring *r)
{
	if (r == NULL)
		return;
	CHECK_OBJ(r, RING_MAGIC);
	r->magic = 0;
	free(r);
}

/* The address as bytes, without family: that is in the byte order of here. */
static uint64_t
pod_hash(const struct pod *p)
{
	const size_t family = offsetof(struct sockaddr, sa_data);
	struct span bytes = {
	    (const char *)&p->address.sa + family, p->address.len - family};

	return hash_bytes(bytes, POD_SEED);
}

/* Place of the k-th point of a pod. */
static uint32_t
place_of(uint64_t hash, uint32_t k)
{
	return (uint32_t)(hash_mix(hash + k * 0x9e3779b97f4a7c15u) >> 32);
}

/* How many points each part has, summed up to where it begins. */
static void
count_points(struct hash_ring *r, struct pod *const *ready,
    const uint16_t *weights, size_t n)
{
	const uint32_t parts = 1u << (32 - r->shift);
	uint32_t sum = 0;

	memset(r->guide, 0, (parts + 1) * sizeof r->guide[0]);
	for (size_t i = 0; i < n; i++) {
		const uint32_t points = points_of(r->scale, weights[i]);
		const uint64_t hash = pod_hash(ready[i]);

		for (uint32_t k = 0; k < points; k++)
			r->guide[place_of(hash, k) >> r->shift]++;
	}
	for (uint32_t part = 0; part < parts; part++) {
		const uint32_t here = r->guide[part];

		r->guide[part] = sum;
		sum += here;
	}
}

/* Moves the guide on to the end of each part while it fills. */
static void
place_points(struct hash_ring *r, struct pod *const *ready,
    const uint16_t *weights, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const uint32_t points = points_of(r->scale, weights[i]);
		const uint64_t hash = pod_hash(ready[i]);

		for (uint32_t k = 0; k < points; k++) {
			const uint32_t at = place_of(hash, k);

			r->points[r->guide[at >> r->shift]++] =
			    (struct point){at, (uint32_t)i};
		}
	}
}

void
hash_ring_fill(struct hash_ring *r, struct pod *const *ready,
    const uint16_t *weights, size_t n)
{
	size_t parts;

	CHECK_OBJ(r, RING_MAGIC);
	r->ready = ready;
	r->npoints = 0;
	for (size_t i = 0; i < n; i++)
		r->npoints += points_of(r->scale, weights[i]);
	CHECK(r->npoints <= r->room);
	r->shift = 32 - part_bits(r->npoints);
	count_points(r, ready, weights, n);
	place_points(r, ready, weights, n);
	parts = (size_t)1 << (32 - r->shift);
	memmove(r->guide + 1, r->guide, parts * sizeof r->guide[0]);
	r->guide[0] = 0;
}

/* Two pods at one place are told apart by their addresses. */
static bool
goes_before(const struct hash_ring *r, uint32_t a, uint32_t b)
{
	const struct point *p = &r->points[a], *q = &r->points[b];

	if (p->at != q->at)
		return p->at < q->at;
	return memcmp(&r->ready[p->pod]->address.sa,
		   &r->ready[q->pod]->address.sa,
		   sizeof r->ready[p->pod]->address.sa) < 0;
}

/* The first point from there on, or again from the start of the circle. */
static uint32_t
seek(const struct hash_ring *r, uint64_t from)
{
	const uint32_t parts = 1u << (32 - r->shift);
	uint32_t part = (uint32_t)(from >> r->shift), best = r->npoints;

	for (;; part++, from = 0) {
		part %= parts;
		for (uint32_t i = r->guide[part]; i < r->guide[part + 1]; i++)
			if (r->points[i].at >= from &&
			    (best == r->npoints || goes_before(r, i, best)))
				best = i;
		if (best < r->npoints)
			return best;
	}
}

uint32_t
hash_ring_find(const struct hash_ring *r, uint64_t key)
{
	CHECK_OBJ(r, RING_MAGIC);
	CHECK(r->npoints > 0);
	return seek(r, key >> 32);
}

uint32_t
hash_ring_next(const struct hash_ring *r, uint32_t place)
{
	const uint64_t next = (uint64_t)r->points[place].at + 1;

	return seek(r, next <= UINT32_MAX ? next : 0);
}

unsigned
hash_ring_pod(const struct hash_ring *r, uint32_t place)
{
	return r->points[place].pod;
}
