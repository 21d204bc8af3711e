/*
 * Consistent hashing: each pod has points on a circle, more of them the more
 * it weighs, and a key belongs to the pod whose point follows it. So a pod
 * that leaves moves no key but its own, and gets them all back. Points depend
 * on addresses alone: every replica of the proxy has the same.
 *
 * How many points there are goes by all pods of the version, not by those
 * that are ready; so what comes and goes with health checks moves the least.
 * Filled once, then only read, by any thread.
 */
#ifndef ROUTER_HASH_RING_H
#define ROUTER_HASH_RING_H

#include <stddef.h>
#include <stdint.h>

struct hash_ring;
struct pod;

/* For n pods of these weights, all that may be ready. NULL: no memory. */
struct hash_ring *hash_ring_new(const uint16_t *weights, size_t n);
void hash_ring_free(struct hash_ring *r);
/* Those that are ready, which stay where they are, and their weights. */
void hash_ring_fill(struct hash_ring *r, struct pod *const *ready,
    const uint16_t *weights, size_t n);

/* The place of the first point from the key on; there must be a ready pod. */
uint32_t hash_ring_find(const struct hash_ring *r, uint64_t key);
uint32_t hash_ring_next(const struct hash_ring *r, uint32_t place);
/* Index of the ready pod to whom the point belongs. */
unsigned hash_ring_pod(const struct hash_ring *r, uint32_t place);

#endif
