/*
 * The pods of a version by what stands for them in cookies: found among ten
 * thousand in a dozen steps. Made, copied and filled by the main thread, then
 * never changed again; any thread looks up.
 */
#ifndef ROUTER_STICKY_PODS_H
#define ROUTER_STICKY_PODS_H

#include <stddef.h>
#include <stdint.h>

struct pod;
struct sticky_key;
struct sticky_pods;

/* Borrows the pods; none is ready yet. NULL without memory. */
struct sticky_pods *sticky_pods_new(
    const struct sticky_key *k, struct pod *const *pods, size_t n);
/* The same pods, none ready; signs nothing anew. NULL without memory. */
struct sticky_pods *sticky_pods_copy(const struct sticky_pods *old);
/* NULL is fine. */
void sticky_pods_free(struct sticky_pods *s);

/* Ready are those that are up now. */
void sticky_pods_settle(struct sticky_pods *s);
/* The ready pod that this sticky_pod_id() stands for; else NULL. */
struct pod *sticky_pods_find(const struct sticky_pods *s, uint64_t id);

#endif
