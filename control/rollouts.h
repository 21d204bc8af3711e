/*
 * Releases: at most one rollout of a service at a time, those of several
 * services beside each other. It asks the strategy what it wants, and carries
 * that out by plans (router/plan.h) and launched pods (control/launch.h);
 * decisions are in the store before they are in force. Main thread only.
 */
#ifndef CONTROL_ROLLOUTS_H
#define CONTROL_ROLLOUTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "control/control.h"
#include "strategies/phase.h"
#include "strategies/strategy.h"

struct event_base;
struct events;
struct launch;
struct plan;
struct publish;
struct rollouts;
struct spec;
struct store;

enum rollout_verb {
	ROLLOUT_PAUSE,
	ROLLOUT_RESUME,
	ROLLOUT_PROMOTE,      /* the next step */
	ROLLOUT_PROMOTE_FULL, /* all of them */
	ROLLOUT_ABORT,	      /* a no-op when nothing runs */
	ROLLOUT_UNDO,	      /* a rollout to the stable version before */
};

/* "pause", ..., with "promote" for both of its kind */
const char *rollout_verb_name(enum rollout_verb verb);

struct rollout_decision {
	uint64_t time_us; /* wall clock */
	const char *action, *reason;
};

/* One rollout as it is, or was. Texts are good until the loop's turn ends. */
struct rollout_view {
	uint64_t id; /* from 1 on, over all services, never used again */
	const char *service, *strategy, *from, *to;
	enum rollout_phase phase;
	unsigned step, steps; /* 0 of 0: it has none */
	enum verdict verdict;
	const char *reason;
	uint64_t started_us, ended_us; /* wall clock; 0 = not ended */
	uint64_t paused_us;	       /* in all, up to now */
	const struct rollout_decision *decisions; /* oldest first */
	size_t ndecisions;
};

/* What it works on; all outlive it. */
struct rollouts_parts {
	struct event_base *base;
	struct publish *publish;
	struct launch *launch;
	struct events *events;
};

/*
 * With what the store has kept, for rollouts_apply() and rollouts_first_plan();
 * all else comes after rollouts_begin(). The store outlives it. NULL with the
 * reason in why.
 */
struct rollouts *rollouts_new(struct store *store, char *why, size_t why_size);
/* It goes on, as on_restart says. -1 without memory. */
int rollouts_begin(struct rollouts *r, const struct rollouts_parts *parts);
/* NULL is fine. */
void rollouts_free(struct rollouts *r);

/*
 * A file just read, before plan_build(): what rollouts have changed of stable
 * versions and weights holds on, unless the file's own have changed.
 */
void rollouts_apply(struct rollouts *r, struct spec *spec);
/*
 * The first plan of the process as rollouts under way have left it: closed, or
 * with a lead to the candidate. Consumes the plan; NULL with the reason in why.
 */
struct plan *rollouts_first_plan(
    struct rollouts *r, struct plan *plan, char *why, size_t why_size);
/* The plan in force is another one: pods may have come up or gone. */
void rollouts_look(struct rollouts *r);

/*
 * Done is called when the rollout is stored and begun, or with what was
 * wrong: then nothing has changed. A NULL strategy is the file's. While one
 * runs the candidate is replaced and stable is kept.
 */
void rollouts_start(struct rollouts *r, const char *service, const char *to,
    const char *strategy, control_done *done, void *arg);
/* The same; an error when the verb does not fit the phase. */
void rollouts_verb(struct rollouts *r, const char *service,
    enum rollout_verb verb, control_done *done, void *arg);

/* One is under way: weights of the service are its to change. */
bool rollouts_running(const struct rollouts *r, const char *service);
/* What runs, or ran last; false when none ever did. */
bool rollouts_last(
    struct rollouts *r, const char *service, struct rollout_view *view);
/*
 * All of the service's, newest first, at most `limit`. -1 when the store
 * cannot be read.
 */
int rollouts_each(struct rollouts *r, const char *service, size_t limit,
    void (*each)(void *arg, const struct rollout_view *view), void *arg);

/* So many of the service have ended in that phase since the process began. */
uint64_t rollouts_ended(
    const struct rollouts *r, const char *service, enum rollout_phase phase);

/* Writes all it has into the store, within a transaction of the caller's. */
void rollouts_write(struct rollouts *r);

/* Nothing goes on any more; what runs is resumed after the next start. */
void rollouts_stop(struct rollouts *r);

#endif
