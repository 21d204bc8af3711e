/*
 * Emptying pods: what is in flight finishes, tunnels end at the deadline, and
 * of a pod that is to be removed everything else then, too. Main thread only.
 */
#ifndef CONTROL_POD_DRAIN_H
#define CONTROL_POD_DRAIN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/queue.h"
#include "control/control.h"
#include "control/pods.h"

struct address;
struct drains;
struct event_base;
struct mailbox;
struct pod;
struct pod_set;

/* Somebody who is to be told; one of the two functions, with that arg. */
struct waiter {
	STAILQ_ENTRY(waiter) link;
	control_done *done;
	pods_done *told;
	void *arg;
	struct pods_outcome outcome;
};

STAILQ_HEAD(waiters, waiter);

/* At the end of the list; NULL without memory. */
struct waiter *waiters_add(struct waiters *list);
/* Empties the list. NULL: all went well. */
void waiters_tell(struct waiters *list, const char *error);

/*
 * A pod of this set is empty, or its time was over; it is not draining any
 * more. `left` are those who waited, with this outcome; whom the function
 * leaves in the list is told at once.
 */
typedef void drain_ended(void *arg, struct pod_set *set, struct pod *pod,
    bool removing, const struct pods_outcome *o, struct waiters *left);

struct drains_parts {
	struct event_base *base;
	struct mailbox *const *workers;
	unsigned nworkers;
	drain_ended *ended;
	void *arg;
};

/* NULL without memory. */
struct drains *drains_new(const struct drains_parts *parts);
/* Whoever waits is told "shutting down"; NULL is fine. */
void drains_free(struct drains *all);

/*
 * Begins to empty the pod, or gives it another deadline and purpose. Nothing
 * is looked at before drains_published(). -1 without memory.
 */
int drain_begin(struct drains *all, struct pod_set *set, struct pod *pod,
    bool removing, uint32_t timeout_ms);
/* One of the set with that address that is under way; NULL: there is none. */
struct pod *drains_find(const struct drains *all, const struct pod_set *set,
    const struct address *address);
/* Whether one of the set is under way. */
bool drains_any(const struct drains *all, const struct pod_set *set);
/*
 * One that is under way goes on as it is, but the pod is to go at its end.
 * False: none is, or workers are being told to cut less than that needs.
 */
bool drain_remove(struct pod *pod);
/* Who waits for the end of this one; NULL when it is not under way. */
struct waiters *drain_waiters(struct pod *pod);
/* It is under way, and the pod goes at its end. */
bool drain_removes(const struct pod *pod);
/* It is not to be emptied any more: whoever waits is told why. */
void drain_cancel(struct pod *pod, const char *why);
/* The same for all pods of a set. */
void drains_forget(
    struct drains *all, const struct pod_set *set, const char *why);

/*
 * A plan that leaves alone the pods of all drains begun so far is about to
 * go out; every worker has taken the one that went out last.
 */
void drains_publishing(struct drains *all);
void drains_published(struct drains *all);
/*
 * The same for the plan of a reload, which is not ours and may be on its way
 * beside one of ours.
 */
void drains_leaving(struct drains *all);
void drains_left(struct drains *all);

/* Workers have spoken: see control/pods.h. */
void drain_on_idle(struct pod *pod);
void drain_on_cut(struct pod *pod, unsigned n);

#endif
