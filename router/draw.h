/*
 * Drawing a pod by weight in constant time: tickets 0..total-1, as many in a
 * row for each pod as it has weight. Filled once, then only read, by any
 * thread. Where all weights are equal no draw is needed.
 */
#ifndef ROUTER_DRAW_H
#define ROUTER_DRAW_H

#include <stddef.h>
#include <stdint.h>

#define POD_WEIGHT_MAX 1000u
/* While pods warm up their weights are finer: see router/slow_start.h. */
#define DRAW_WEIGHT_MAX (20u * POD_WEIGHT_MAX)
/* So that the weights of a version add up in 32 bits. */
#define PODS_MAX 1000000u
/* Of these a name may resolve to so many; see control/name.h. */
#define NAME_ADDRESSES_MAX 1000u

struct draw;

/* Room for up to n pods. NULL without memory. */
struct draw *draw_new(size_t n);
void draw_free(struct draw *d);
/*
 * The weights of n pods, 1 <= n <= PODS_MAX, each 1..DRAW_WEIGHT_MAX; all
 * together they fit 32 bits.
 */
void draw_fill(struct draw *d, const uint16_t *weights, size_t n);

/* The weights are divided by what they have in common; so is their sum. */
uint32_t draw_total(const struct draw *d);
uint32_t draw_weight(const struct draw *d, unsigned i);

/* 32 random bits to the index of a pod. */
unsigned draw_by_chance(const struct draw *d, uint32_t roll);
/* The same without the pod `not`; there must be another one. */
unsigned draw_another(const struct draw *d, uint32_t roll, unsigned not );
/*
 * The n-th of an endless order in which any draw_total() tickets in a row
 * give each pod its weight exactly, spread over the whole round.
 */
unsigned draw_in_turn(const struct draw *d, uint32_t n);

#endif
