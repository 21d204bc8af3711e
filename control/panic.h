/*
 * Saying when a version begins and ceases to be in panic (so few of its pods
 * are up that all are asked). Main thread only.
 */
#ifndef CONTROL_PANIC_H
#define CONTROL_PANIC_H

struct events;
struct plan;

/* An event for each version in which the plans differ. `old` may be NULL. */
void panic_compare(
    struct events *ev, const struct plan *old, const struct plan *new);

#endif
