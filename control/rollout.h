/*
 * One rollout, as it runs or ran: its phase, which one function moves, what
 * was decided, and what of it is in force. Shared by control/rollout*.c and
 * control/rollouts*.c; main thread only.
 */
#ifndef CONTROL_ROLLOUT_H
#define CONTROL_ROLLOUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/queue.h"
#include "control/rollouts.h"
#include "router/plan.h"
#include "strategies/phase.h"
#include "strategies/strategy.h"

#define ROLLOUT_MAGIC 0x40110001u

struct events;
struct rollout_run;
struct stored_decision;
struct stored_rollout;
struct store;

enum rollout_pause {
	PAUSE_NONE,
	PAUSE_PERSON, /* steps are frozen, and their time */
	PAUSE_GATE,   /* likewise: it has failed */
	PAUSE_STEP,   /* the strategy waits for a person */
	PAUSE_COUNT,
};

/* What the strategy wanted last. */
struct rollout_force {
	uint32_t share; /* of SHARE_ALL */
	unsigned old_replicas, new_replicas;
	enum release_lead lead;
	bool closed;
};

struct rollout {
	unsigned magic;
	TAILQ_ENTRY(rollout) link;
	uint64_t id;
	char *service, *strategy, *from, *to;
	const struct strategy_ops *ops; /* NULL: nobody knows the strategy */
	enum rollout_phase phase;
	unsigned step, steps;
	enum verdict verdict;
	char reason[256];
	uint64_t started_us, ended_us;
	uint64_t paused_us, paused_at_us; /* before now; since, 0 = it is not */
	enum rollout_pause paused_by;
	enum strategy_verb verb; /* VERB_PROMOTE until it is obeyed */
	bool undo;
	struct strategy_state state;
	struct rollout_force now;
	struct rollout_decision *decisions;
	size_t ndecisions, nstored;
	uint64_t first_seq;	 /* of decisions[0] */
	bool stored;		 /* as it is */
	struct rollout_run *run; /* what it needs while it is under way */
};

/* Starting, from now on. NULL without memory. */
struct rollout *rollout_new(uint64_t id, const char *service, const char *from,
    const char *to, const struct strategy_ops *ops, uint64_t wall_us);
/* NULL is fine. It must not run any more. */
void rollout_free(struct rollout *r);

/*
 * As a row has it. What cannot be makes it a failed one, and is said in
 * `why`; that is "" when all is well. NULL without memory.
 */
struct rollout *rollout_of_row(const struct stored_rollout *row,
    const struct stored_decision *decisions, size_t n, char *why,
    size_t why_size);
/* Writes the row and decisions that are new. In a transaction. */
void rollout_put(struct rollout *r, struct store *store);
/* The same, with all decisions that it has. */
void rollout_put_whole(struct rollout *r, struct store *store);

/* "start" because of that: kept, logged and told. Nothing is lost but the
 * oldest of very many. */
void rollout_decide(struct rollout *r, struct events *events,
    const char *action, const char *reason);
/* Whether that is a move in the table of phases. */
bool rollout_may_move(enum rollout_phase from, enum rollout_phase to);
/* To another phase, which must be a legal move, by that decision. */
void rollout_move(struct rollout *r, struct events *events,
    enum rollout_phase to, const char *action, const char *reason);

/* It begins to be paused, or to be paused by another. */
void rollout_set_pause(
    struct rollout *r, enum rollout_pause by, uint64_t wall_us);
/* No longer; where steps were frozen, their time goes on from here. */
void rollout_end_pause(struct rollout *r, uint64_t wall_us);
/* Steps are not asked for. */
bool rollout_frozen(const struct rollout *r);

void rollout_show(const struct rollout *r, struct rollout_view *view);

#endif
