/*
 * What the files of the sets of pods share: pods.c keeps them and publishes
 * them; pods_file.c, pods_change.c and pods_launch.c are what the config file,
 * people and names, and the launcher do to them. Main thread only.
 */
#ifndef CONTROL_PODS_STATE_H
#define CONTROL_PODS_STATE_H

#include <event2/event_struct.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "control/pod_drain.h"
#include "control/pod_sets.h"
#include "control/pods.h"
#include "router/pod_state.h"

struct plan;
struct pod;
struct pod_member;
struct pod_set;
struct service;
struct version;

#define PODS_MAGIC 0x90d50001u

/* What the file has for one version, until it is in force. */
struct filed {
	char *service, *version;
	struct address *pods;
	uint16_t *weights; /* NULL = all 1 */
	size_t npods;
};

struct pods {
	unsigned magic;
	bool stopped;	 /* or not started */
	bool publishing; /* a plan of ours is on its way */
	bool stored;	 /* the store may have rows */
	struct pods_parts parts;
	struct store *store;
	struct pod_sets sets;
	struct pod_sets parting; /* of versions that are gone: still draining */
	struct drains *drains;
	struct filed *next;
	size_t nnext;
	struct event flush;
	struct waiters served;	/* by the plan on its way */
	struct waiters waiting; /* for the one after it */
};

/* A plan that follows the set goes out when this turn is over. */
void pods_dirty(struct pods *p, struct pod_set *set);

/* timeouts.drain, in ms. */
uint32_t pods_timeout(const struct pods *p);

/* It drains, for as long as it was given before or else that, and is gone. */
void pods_see_off(struct pods *p, struct pod_set *set, struct pod *pod);

/* What the last file had that is not in force. */
void pods_forget_file(struct pods *p);

/* Pods of the set that a plan has, and the one before has not, have joined. */
void pods_tell_joined(struct pods *p, const struct pod_set *set,
    const struct plan *from, const struct plan *made);

/*
 * Whether the set is that of a version that is gone; then it is freed if none
 * of its pods drains any more.
 */
bool pods_parted(struct pods *p, const struct pod_set *set);

/* In the plan in force; NULL when it has none. */
const struct version *pods_version(const struct pods *p,
    const struct pod_set *set, const struct service **service);

/* For a reason, where the order itself is none. A plan follows. */
void pods_set_order(struct pods *p, const struct pod_set *set,
    const struct service *s, struct pod *pod, enum pod_order order,
    const char *reason);

/*
 * The pod's order is what its member says, and it is on its way out if that
 * is leaving; why it is, for people.
 */
void pods_sync_pod(struct pods *p, struct pod_set *set, const struct service *s,
    const struct pod_member *m, struct pod *pod, const char *why);
/* The same for all that the plan has. -1 without memory. */
int pods_sync_set(struct pods *p, struct pod_set *set, const char *why);

#endif
