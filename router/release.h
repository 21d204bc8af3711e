/*
 * How a service is released: what conf's `release` says, shared with the
 * service's terms and unchanged until a reload. Main thread makes and frees
 * it; any thread reads it.
 */
#ifndef ROUTER_RELEASE_H
#define ROUTER_RELEASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "strategies/phase.h"
#include "strategies/strategy.h"

struct match;
struct schedule;

/* In the order of strategy_at(). */
enum release_strategy {
	RELEASE_RECREATE,
	RELEASE_ROLLING,
	RELEASE_BLUE_GREEN,
	RELEASE_CANARY,
	RELEASE_AB,
	RELEASE_STRATEGIES,
};

/* What a rollout does that was under way when the process ended. */
enum on_restart {
	ON_RESTART_CONTINUE,
	ON_RESTART_ROLLBACK,
	ON_RESTART_PAUSE,
};

/* What is told, or asked, at a change of phase. */
enum hook_kind {
	HOOK_TELL, /* its answer plays no part */
	HOOK_ASK,  /* 2xx goes on, 4xx ends it, anything else is asked again */
};

struct hook {
	char *url;	 /* http(s)://host:port/path, all of it there */
	uint32_t phases; /* bit n: enum rollout_phase n */
	enum hook_kind kind;
	uint32_t timeout_ms; /* of one call */
	uint32_t retry_ms;   /* between two of HOOK_ASK */
};

struct release {
	const struct strategy_ops *strategy; /* unless a person names one */
	/* by strategy; each has its own gates */
	struct strategy_terms terms[RELEASE_STRATEGIES];
	struct canary_step *steps; /* the terms of canary point there */
	/* leads to the candidate while blue_green is not switched; or NULL */
	struct match *preview;
	/* leads to the candidate while ab compares; or NULL */
	struct match *ab_match;
	/* recreate: while no version takes requests */
	uint32_t park_ms;    /* a request waits so long; 0 = not at all */
	uint32_t park_limit; /* so many of a service wait, over all workers */
	enum on_restart on_restart;
	struct schedule *only; /* steps forward only then; NULL = always */
	struct hook *hooks;
	size_t nhooks;
};

/*
 * All defaults of docs/config.md, with which a service has one that the file
 * does not release: terms that conf has read always have it. NULL without
 * memory.
 */
struct release *release_new(void);
/*
 * These are the canary's steps from now on; the array becomes the release's,
 * those it had are freed.
 */
void release_set_steps(struct release *r, struct canary_step *steps, size_t n);
/* Frees all it points to; NULL is fine. */
void release_free(struct release *r);

/* The terms of a strategy; never NULL. */
const struct strategy_terms *release_terms(
    const struct release *r, const struct strategy_ops *ops);

#endif
