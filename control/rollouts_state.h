/*
 * What the files that carry out rollouts share: the set of them, and what one
 * needs while it is under way. For control/rollout*.c and control/rollouts*.c
 * only; main thread only.
 */
#ifndef CONTROL_ROLLOUTS_STATE_H
#define CONTROL_ROLLOUTS_STATE_H

#include <event2/event_struct.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/queue.h"
#include "control/rollout.h"
#include "control/rollout_facts.h"
#include "control/rollouts.h"
#include "strategies/strategy.h"

#define ROLLOUTS_MAGIC 0x40115001u

struct release;
struct rollout_ask;
struct rollouts_reply;
struct rollout_sample;
struct rollout_teller;
struct service;

/* One service's rollouts, and its stable version by the last of them. */
struct released {
	TAILQ_ENTRY(released) link;
	char *service;
	/* newest first; what the store has not is kept, up to a limit */
	TAILQ_HEAD(rollout_list, rollout) list;
	unsigned n;
	char *stable; /* set at run time; NULL = the file's */
	char *filed;  /* the file's own then */
	bool stored;  /* of these two, what is so */
	uint64_t ended[ROLLOUT_PHASE_COUNT]; /* how many, in each */
};

struct rollouts {
	unsigned magic;
	bool stopped;
	struct rollouts_parts parts;
	struct store *store;
	struct rollout_teller *teller;
	struct event look; /* as soon as the loop's turn is over */
	struct event tick; /* again and again while one is under way */
	uint64_t next_id;
	struct rollouts_reply *reply; /* to the change under way, or NULL */
	TAILQ_HEAD(, released) services;
};

/* Why it does not go on at the moment; each is recorded once. */
enum rollout_wait {
	WAIT_NONE,
	WAIT_TRAFFIC,  /* for requests to judge by */
	WAIT_SCHEDULE, /* for a window of `only` */
	WAIT_HOOK,
	WAIT_PLAN,   /* the plan that is wanted cannot be made */
	WAIT_STABLE, /* on the way back, for pods of the stable version */
};

struct rollout_run {
	struct rollouts *set;
	struct rollout_sample *sample;
	struct rollout_side old, new;
	unsigned replicas; /* the strategy counts in; 0 = not yet */
	bool given;	   /* what the sides have was read from a row */
	struct rollout_ask *ask;
	/* the terms as they were last, to see when they change */
	bool seen;
	struct strategy_terms terms;
	struct canary_step *steps;
	size_t nsteps;
	uint64_t resumed_us; /* wall clock, at a restart; 0 = there was none */
	enum rollout_wait waits;
	bool promoting;		 /* no gate is asked any more */
	bool void_old, void_new; /* whose cookies are void already */
	uint32_t peak;		 /* the highest share that a step has given */
	bool launched;		 /* what launch was told are these */
	unsigned old_processes, new_processes;
	unsigned before;       /* as many the candidate had, by rules maybe */
	uint64_t published_us; /* when the share was changed last */
	char because[240];     /* it left its last step; "" = said */
	uint64_t ticked_us;    /* wall clock */
	bool started;	       /* who is asked about `starting` agrees */
};

/* NULL when there is none. */
struct released *rollouts_find(const struct rollouts *set, const char *service);
/* The same, made where it is not there; NULL without memory. */
struct released *rollouts_make(struct rollouts *set, const char *service);
/* What runs, or ran last. */
struct rollout *rollouts_newest(const struct released *s);
bool rollout_runs(const struct rollout *r);
/* Puts it in front; what is too much falls off behind. */
void rollouts_add(struct rollouts *set, struct released *s, struct rollout *r);
/* Looks soon, from the event loop. */
void rollouts_soon(struct rollouts *set);
/* Ticks until nothing changes any more; it may have ended by that. */
void rollouts_advance(struct rollouts *set, struct rollout *r);
/* Its timers, none of which runs yet. -1 without memory. */
int rollouts_open(struct rollouts *set, const struct rollouts_parts *parts);

/*
 * From a rollout that was just made or read, to one that can tick; -1 without
 * memory.
 */
int rollout_run_begin(struct rollouts *set, struct rollout *r);
/* It ticks no more. */
void rollout_run_end(struct rollout *r);

/*
 * Asks the strategy, and carries out what it wants. True when something has
 * changed, so that it is worth asking again. It may have ended by that.
 */
bool rollout_tick(struct rollouts *set, struct rollout *r);
/* Back to the stable version, because of that. Nothing new when it is on its
 * way there. */
void rollout_turn_back(struct rollouts *set, struct rollout *r,
    const char *action, const char *reason);
/* To another phase; who wants to know is told. */
void rollout_go(struct rollouts *set, struct rollout *r,
    enum rollout_phase phase, const char *action, const char *reason);

/* What is to be in force. */
struct rollout_change {
	struct rollout_force force;
	const char *stable; /* from now on; NULL = as it is */
	bool void_old, void_new;
	bool over;	     /* nobody is the candidate any more */
	const char *dropped; /* another version that gets weight 0, or NULL */
};

/*
 * The plan with that; NULL, with *same set, when the one in force has it
 * already, else with the reason in why.
 */
struct plan *rollout_plan(const struct rollouts *set, const struct rollout *r,
    const struct rollout_change *change, bool *same, char *why,
    size_t why_size);
/* Stores the rollout as it is now, then publishes the plan, if there is one. */
void rollout_commit(struct rollouts *set, struct rollout *r, struct plan *plan);
/* The plan alone. */
void rollout_publish(struct rollouts *set, struct plan *plan);
/* Stores what is not stored yet. */
void rollout_save(struct rollouts *set, struct rollout *r);
/* The service's stable version, set at run time; it is stored with the next
 * commit. That of the file is none. */
void rollouts_set_stable(struct rollouts *set, const char *service,
    const char *version, const char *filed);
/* The stable version that the file names; NULL = it has no such service. */
const char *rollouts_filed(const struct rollouts *set, const char *service);

#endif
