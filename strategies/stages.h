/*
 * What strategies have in common: going from stage to stage, waiting for pods,
 * obeying the gates, and the two ends of most of them. For strategies only.
 */
#ifndef STRATEGIES_STAGES_H
#define STRATEGIES_STAGES_H

#include "strategies/strategy.h"

/* Whether a canary has all its steps behind it. */
bool strategy_canary_promotes(const struct strategy_state *s);

/* The next stage begins now. */
void stage_enter(
    struct strategy_state *s, const struct facts *f, uint32_t stage);

/* Since the stage or step began; the wall clock may have been set back. */
uint64_t stage_age(const struct strategy_state *s, const struct facts *f);

/* What is wanted is said in words. */
void wish_say(struct wish *w, enum strategy_progress progress, const char *fmt,
    ...) __attribute__((format(printf, 3, 4)));

/* It waits for a person. */
void wish_ask(struct wish *w, const char *what);

/*
 * Whether so many pods of the version are ready. If not, the wish says how
 * many are awaited, or, after the deadline or too many failed starts of the
 * candidate's, that they have failed.
 */
bool stage_ready(const struct strategy_state *s, const struct strategy_terms *t,
    const struct facts *f, const struct version_facts *v, unsigned wanted,
    struct wish *w);

/*
 * Whether the gates let it go on; if not, the wish says why: it waits, or has
 * failed. With a verb of promotion they are not asked.
 */
bool stage_gates(const struct strategy_terms *t, const struct facts *f,
    bool wait_for_pass, struct wish *w);

/* Time must pass; it says how much, and what the gates have seen so far. */
void stage_wait(const struct facts *f, uint64_t left_us, struct wish *w);

/*
 * The end of a release, from stage `first` on (it takes 2): all pods of the
 * candidate, then all traffic, then the old pods go.
 */
void stage_promote(struct strategy_state *s, const struct strategy_terms *t,
    const struct facts *f, uint32_t first, struct wish *w);

/*
 * The way back where the stable version was kept: all traffic to it in one
 * step, then the candidate's pods go. Where its pods are gone they are started
 * before.
 */
void stage_return(struct strategy_state *s, const struct strategy_terms *t,
    const struct facts *f, struct wish *w);

#endif
