/*
 * How who is new takes a share by and by: the measure of its weight that it
 * takes, from POD_COLD to POD_WARM parts of it (router/pod.h). It is written
 * down in the pod, or in the version where that ramps up; the service is
 * settled again for it to count. Main thread only; the clock is an argument.
 */
#ifndef ROUTER_SLOW_START_H
#define ROUTER_SLOW_START_H

#include <stdbool.h>
#include <stdint.h>

struct service;

/*
 * Warms the service's pods and versions as of now. True when one of them takes
 * another share than before. `next_us` becomes the time until the next step of
 * one of them, if that is less; it stays when all are warm.
 */
bool slow_start_step(
    const struct service *s, uint64_t now_us, uint64_t *next_us);

#endif
