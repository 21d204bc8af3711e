/*
 * The set of pods of each version while it runs: those of the file, plus and
 * minus what people did, plus what names resolve to; and the way in and out
 * of it. Main thread only.
 */
#ifndef CONTROL_PODS_H
#define CONTROL_PODS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "control/control.h"
#include "router/pod_state.h"

struct address;
struct event_base;
struct events;
struct mailbox;
struct pod_member;
struct pod_name;
struct plan;
struct pod_set;
struct pods;
struct probes;
struct publish;
struct roster;
struct spec;
struct store;

/* What it works on; all outlive it. */
struct pods_parts {
	struct event_base *base;
	struct publish *publish;
	struct roster *roster;
	struct probes *probes;
	struct events *events;
	struct mailbox *const *workers;
	unsigned nworkers;
};

/*
 * With what the store has kept, for pods_apply() to the first plan; all else
 * comes after pods_start(). NULL when that cannot be read, or without memory.
 * The store outlives it.
 */
struct pods *pods_new(struct store *store);
/* -1 without memory. */
int pods_start(struct pods *p, const struct pods_parts *parts);
/* Implies pods_stop(); NULL is fine. */
void pods_free(struct pods *p);

/*
 * Puts what was done at run time into a spec just read from the file: before
 * plan_build(), at start and at each reload. Pods that the file has no longer
 * drain from now on. Then either pods_commit() says that this spec is in
 * force, or pods_abandon() that it will not be. -1 without memory.
 */
int pods_apply(struct pods *p, struct spec *spec);
void pods_abandon(struct pods *p);
/*
 * `before` is the plan that was in force until now, NULL for none: what it has
 * and the file has no longer drains, then it is gone.
 */
void pods_commit(struct pods *p, const struct plan *before);
/* Every worker has the plan that pods_commit() was about. */
void pods_taken(struct pods *p);
/*
 * Done is called when every worker has a plan that follows all that was done
 * here so far; it may be called before the function returns.
 */
void pods_followed(struct pods *p, control_done *done, void *arg);

/*
 * The changes. Service, version and pod must be in the plan in force, else
 * `done` gets an error that says so; it may be NULL, and may be called before
 * the function returns. An error means that nothing has changed.
 */

/* It joins as the service's checks say. An error when it is there already. */
void pods_add(struct pods *p, const char *service, const char *version,
    const struct address *address, uint16_t weight, control_done *done,
    void *arg);

/* How draining ended, or how it stands. */
struct pods_outcome {
	bool waited;	   /* for the end: else it has only begun */
	bool timed_out;	   /* it was not idle before the time was over */
	unsigned inflight; /* requests that are left */
	unsigned cut;	   /* tunnels and requests that were ended */
	uint64_t took_us;
};

/* The outcome is NULL with an error. */
typedef void pods_done(
    void *arg, const char *error, const struct pods_outcome *o);

/* As long as timeouts.drain says. */
#define PODS_TIMEOUT_DEFAULT UINT32_MAX

struct pods_wait {
	uint32_t timeout_ms; /* for what is in flight, waited for or not */
	bool wait;	     /* done is told at its end, not its beginning */
};

/*
 * Drains the pod; it is gone when nothing is in flight any more, or at the
 * timeout, which cuts what is left.
 */
void pods_remove(struct pods *p, const char *service, const char *version,
    const struct address *address, const struct pods_wait *wait,
    pods_done *done, void *arg);

/*
 * Drain and maint: no new requests; tunnels end at the timeout, requests are
 * never cut. None: back to what checks say, also from an ejection, and what
 * was in maint is checked anew. Waiting plays no part then.
 */
void pods_order(struct pods *p, const char *service, const char *version,
    const struct address *address, enum pod_order order,
    const struct pods_wait *wait, pods_done *done, void *arg);

/*
 * The complete answer for a name that the config has as a pod: addresses
 * that are new join, those that are missing drain and go. Weights (NULL =
 * all 1) are those of the pods. n is 0 when the config has the name no
 * longer. One plan, and none when nothing changed. An address that the file,
 * people or another name give, too, stays as long as one of them does; one
 * that people removed stays away as long as the name resolves to it.
 */
void pods_resolved(struct pods *p, const char *service, const char *version,
    const char *name, const struct address *list, const uint16_t *weights,
    size_t n);

/*
 * The config has these names now: any other one that pods came from resolves
 * to nothing.
 */
void pods_keep_names(struct pods *p, const char *service, const char *version,
    const struct pod_name *names, size_t n);

/*
 * Pods that shunt runs, told by control/launch.h; people's orders hold for
 * them as for others, but are not kept when the process ends.
 */

/*
 * One takes connections: it joins as the service's checks say. Done is called
 * when every worker has it; an error says why it cannot join.
 */
void pods_launched(struct pods *p, const char *service, const char *version,
    const struct address *address, control_done *done, void *arg);
/*
 * Its process has ended, and why: it is down, whatever checks say; NULL: a
 * process takes connections again.
 */
void pods_launch_ended(struct pods *p, const char *service, const char *version,
    const struct address *address, const char *why);
/*
 * It is to go: it drains. Done is called when no worker has it any more, with
 * an error when that was not waited for.
 */
void pods_launch_over(struct pods *p, const char *service, const char *version,
    const struct address *address, control_done *done, void *arg);

/* Where a pod comes from, and what people did to it; NULL: nobody knows it. */
const struct pod_member *pods_member(struct pods *p, const char *service,
    const char *version, const struct address *address);

/* All that is known of a version's; NULL: just those of the file. */
const struct pod_set *pods_set(
    struct pods *p, const char *service, const char *version);

/* Writes all of it into the store, between store_begin() and store_end(). */
void pods_save(const struct pods *p);

/* A worker says that a pod that is gone has nothing in flight there. */
void pods_on_idle(struct pods *p, struct pod *pod);
/* A worker has cut what it was told to, that many. */
void pods_on_cut(struct pods *p, struct pod *pod, unsigned n);

/* Whoever waits is told "shutting down"; nothing changes any more. */
void pods_stop(struct pods *p);

#endif
