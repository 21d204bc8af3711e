/*
 * The pods' way into and out of service: whoever has changed what is known
 * of a pod (router/pod_state.h) tells it here. Its state follows, an event
 * says so, and one plan is published for all that changed in a turn of the
 * loop. Main thread only.
 */
#ifndef CONTROL_ROSTER_H
#define CONTROL_ROSTER_H

#include <stdbool.h>

struct event_base;
struct events;
struct pod;
struct publish;
struct roster;

/* NULL without memory. The others outlive it. */
struct roster *roster_new(
    struct event_base *base, struct publish *publish, struct events *events);
/* NULL is fine. */
void roster_free(struct roster *r);

/*
 * pod->order, ->ended, ->ejected or ->checked was written: settles its state.
 * The reason is for people; see pod_settle(). True when the state is another
 * one.
 */
bool roster_settle(struct roster *r, const char *service, const char *version,
    struct pod *pod, const char *reason);

/* The same for a pod that the plan in force has no longer. */
void roster_part(struct roster *r, const char *service, const char *version,
    struct pod *pod, const char *reason);

/*
 * Tells, before its state is settled, that a pod may be about to rest or no
 * longer: see pod_rests(). One listener; NULL ends it.
 */
void roster_on_maint(
    struct roster *r, void (*told)(void *arg, struct pod *pod), void *arg);

/* The service's pods take requests in another measure: a plan follows. */
void roster_dirty(struct roster *r, const char *service);

/* Whether all that was told here is in the plan in force. */
bool roster_published(const struct roster *r);

/* Nothing is published any more. */
void roster_stop(struct roster *r);

#endif
