/*
 * Ejecting pods that fail on live traffic, and taking them back when their
 * time is over; the rules are router/outlier.h's. Main thread only.
 */
#ifndef CONTROL_OUTLIER_H
#define CONTROL_OUTLIER_H

struct event_base;
struct outliers;
struct publish;
struct roster;

/* NULL without memory. The others outlive it. */
struct outliers *outliers_new(
    struct event_base *base, struct publish *publish, struct roster *roster);
/* NULL is fine. */
void outliers_free(struct outliers *o);

/*
 * A worker has found a pod out (MSG_POD_FAILS), or the plan is another one:
 * all pods of the plan in force are looked at before the loop waits again.
 */
void outliers_look(struct outliers *o);

/* Nobody is ejected or taken back any more. */
void outliers_stop(struct outliers *o);

#endif
