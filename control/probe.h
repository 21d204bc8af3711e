/*
 * Active health checks: one probe per pod of the plan in force; what they
 * find goes to the roster. A pod in maint is not checked, and at once when
 * that ends; all others are, whatever their state. Main only.
 */
#ifndef CONTROL_PROBE_H
#define CONTROL_PROBE_H

struct event_base;
struct plan;
struct probes;
struct roster;

/* Checks nothing yet. NULL without memory. The roster outlives it. */
struct probes *probes_new(struct event_base *base, struct roster *roster);
/* Checks under way are cut; NULL is fine. */
void probes_free(struct probes *p);

/*
 * Checks the pods of this plan from now on, by its rules. Pods that were
 * checked before go on in their rhythm. To be called when the set of pods or
 * their rules changed. -1 without memory: all stays as it was.
 */
int probes_update(struct probes *p, const struct plan *plan);

/* No check begins or counts any more. */
void probes_stop(struct probes *p);

#endif
