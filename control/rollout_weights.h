/*
 * From the candidate's share of what the two versions have to weights. Pure.
 */
#ifndef CONTROL_ROLLOUT_WEIGHTS_H
#define CONTROL_ROLLOUT_WEIGHTS_H

#include <stdint.h>

struct service;
struct service_spec;
struct weight_change;

/*
 * The weights of all versions, in their order, with void_sticky false. The two
 * have together what they had; where that was nothing they have everything. It
 * is expressed finely enough for a share (of SHARE_ALL) to hold, at least to
 * 0.01 %: so the weights of others may become larger numbers, in proportion.
 */
void rollout_weights(const struct service *s, const char *from, const char *to,
    uint32_t share, struct weight_change *changes);

/* The same for a service of a file just read. */
void rollout_spec_weights(
    struct service_spec *s, const char *from, const char *to, uint32_t share);

#endif
