/*
 * A release strategy as a pure state machine: from what is observed at a
 * moment to what is wanted from then on. It opens no socket, reads no clock
 * and knows no version by name; `old` is the stable version, `new` the
 * candidate. Any thread, no allocation.
 *
 * A strategy may be asked at any moment and any number of times; all that it
 * remembers is struct strategy_state, plain numbers that can be stored.
 */
#ifndef STRATEGIES_STRATEGY_H
#define STRATEGIES_STRATEGY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "strategies/gates.h"
#include "strategies/portion.h"

struct strategy_ops;

struct canary_step {
	uint32_t share;	  /* of SHARE_ALL */
	uint64_t hold_us; /* at least so long, and until the gates pass */
	bool pause;	  /* until a person promotes it */
	bool ramp;	  /* the share grows to that over hold_us */
};

/* What the gates' verdicts lead to. */
enum on_fail {
	ON_FAIL_ROLLBACK,
	ON_FAIL_PAUSE,
};

enum on_no_data {
	ON_NO_DATA_HOLD,
	ON_NO_DATA_ADVANCE,
	ON_NO_DATA_ROLLBACK,
};

enum roll_order {
	ROLL_START_FIRST,
	ROLL_STOP_FIRST,
};

/* How a service is released, as the config says it. */
struct strategy_terms {
	const struct strategy_ops *ops;
	struct gates gates;
	enum on_fail on_fail;
	enum on_no_data on_no_data;
	/* pods that are not ready after so long have failed */
	uint64_t progress_deadline_us;

	/* canary */
	const struct canary_step *steps;
	size_t nsteps;

	/* rolling */
	struct portion max_surge, max_unavailable; /* not both 0 */
	unsigned parallelism;  /* pods at a time; 0: as many as these two */
	uint64_t min_ready_us; /* a new pod counts after that */
	enum roll_order order;
	struct portion max_failed; /* starts of new pods that may fail */

	/* blue_green */
	bool auto_promote;
	uint64_t keep_old_us;

	/* ab */
	uint64_t duration_us;
};

/* One of the two versions. A version whose pods are not ours to start and
 * stop has as many as it was given traffic for. */
struct version_facts {
	unsigned pods;	   /* running or being started, not told to go */
	unsigned ready;	   /* of these that are up */
	unsigned settled;  /* of these that have been up for min_ready */
	unsigned leaving;  /* told to go, and not gone yet */
	unsigned failed;   /* starts that have failed since the begin */
	unsigned inflight; /* requests */
};

/* What a person has asked for since the last time. */
enum strategy_verb {
	VERB_NONE,
	VERB_PROMOTE,	   /* the next step, whatever the gates say */
	VERB_PROMOTE_FULL, /* all of them */
};

struct facts {
	uint64_t now_us;   /* wall clock */
	unsigned replicas; /* N: how many pods the service has needs */
	struct version_facts old, new;
	enum verdict verdict; /* of the gates, */
	const char *why;      /* and its words, maybe none; never NULL */
	enum strategy_verb verb;
};

/* All zero at the begin of a rollout, and again when it turns back. */
struct strategy_state {
	uint32_t stage;	   /* of the strategy's own */
	uint32_t step;	   /* of the canary */
	uint64_t since_us; /* when the stage or step began */
	/* replicas as last wanted, by who counts from there */
	uint32_t old_wanted, new_wanted;
};

enum strategy_progress {
	PROGRESS_GOING,
	PROGRESS_WAITING,  /* for a person, or for data */
	PROGRESS_FINISHED, /* all is as it was meant to be */
	PROGRESS_FAILED,   /* it must not go further */
};

struct wish {
	uint32_t share; /* of the candidate, of SHARE_ALL */
	unsigned old_replicas, new_replicas;
	bool closed; /* no version takes requests: they wait, or get 503 */
	bool rules;  /* the strategy's own matches lead to the candidate */
	enum strategy_progress progress;
	bool person;	      /* what it waits for is a person */
	bool promoting;	      /* the end has begun: no gate is asked any more */
	unsigned step, steps; /* for people; 0 of 0: it has none */
	char reason[160];     /* for people */
};

struct strategy_ops {
	const char *name;	  /* the word in the config */
	uint32_t last, last_back; /* stages: of advance, of retreat */
	/* Towards the candidate. */
	void (*advance)(struct strategy_state *s,
	    const struct strategy_terms *t, const struct facts *f,
	    struct wish *w);
	/* Back to the stable version, from whatever state it was in. */
	void (*retreat)(struct strategy_state *s,
	    const struct strategy_terms *t, const struct facts *f,
	    struct wish *w);
};

extern const struct strategy_ops strategy_recreate;
extern const struct strategy_ops strategy_rolling;
extern const struct strategy_ops strategy_blue_green;
extern const struct strategy_ops strategy_canary;
extern const struct strategy_ops strategy_ab;

/* By its word; NULL when there is none. */
const struct strategy_ops *strategy_find(const char *name);
/* All of them, from 0 on; NULL after the last. */
const struct strategy_ops *strategy_at(size_t i);
/* All words, comma-separated, for error messages. */
void strategy_names(char *buf, size_t size);

/* Whether a state that was stored can be one of this strategy's. */
bool strategy_knows(
    const struct strategy_ops *ops, const struct strategy_state *s, bool back);
/*
 * The terms are others than before: a step that they do not have any more
 * becomes the last one. True when that was so.
 */
bool strategy_fit(struct strategy_state *s, const struct strategy_terms *t);

/*
 * The two ways of asking. Whatever the strategy wants, no share goes to a
 * version without a ready pod while the other one has some.
 */
void strategy_advance(struct strategy_state *s, const struct strategy_terms *t,
    const struct facts *f, struct wish *w);
void strategy_retreat(struct strategy_state *s, const struct strategy_terms *t,
    const struct facts *f, struct wish *w);

#endif
