/*
 * Webhooks of releases: who is told of a change of phase, and who is asked
 * before it. Main thread only.
 */
#ifndef CONTROL_ROLLOUT_HOOKS_H
#define CONTROL_ROLLOUT_HOOKS_H

#include <stddef.h>
#include <stdint.h>

#include "strategies/phase.h"

struct event_base;
struct publish;
struct release;
struct rollout;
struct rollout_ask;
struct rollout_teller;

/* For all rollouts; names are looked up as the config in force says. NULL
 * without memory. */
struct rollout_teller *rollout_teller_new(
    struct event_base *base, const struct publish *publish);
/* Who was not told yet will not be; NULL is fine. */
void rollout_teller_free(struct rollout_teller *t);
/*
 * It is in that phase now: calls all who want to know; the answers play no
 * part. Of too many at a time some are left out, which is logged.
 */
void rollout_tell(struct rollout_teller *t, const struct release *release,
    const struct rollout *r);

/* What those who are asked have said so far. */
enum rollout_answer {
	ANSWER_GO,   /* all of them; or nobody is to be asked */
	ANSWER_WAIT, /* for an answer, or to ask once more */
	ANSWER_STOP, /* one is against it, or none came in time */
};

/* One rollout's questions. `told` is called when there is news. */
struct rollout_ask *rollout_ask_new(struct event_base *base,
    const struct publish *publish, void (*told)(void *arg), void *arg);
/* NULL is fine. */
void rollout_ask_free(struct rollout_ask *a);
/*
 * May it go to that phase? Asks whom the release names, one after the other,
 * each until it has an answer, for at most so long in all (0 = as long as it
 * takes). Another phase begins a new question. The words are good until the
 * next call.
 */
enum rollout_answer rollout_ask_about(struct rollout_ask *a,
    const struct release *release, const struct rollout *r,
    enum rollout_phase phase, uint64_t deadline_us, uint64_t now_us,
    const char **words);

#endif
