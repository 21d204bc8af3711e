/*
 * What the two versions of a rollout have answered: exact counts since its
 * step and its epoch began, and over a sliding window, for the gates. Main
 * thread only; time is an argument.
 */
#ifndef CONTROL_ROLLOUT_SAMPLE_H
#define CONTROL_ROLLOUT_SAMPLE_H

#include <stdint.h>

#include "strategies/gates.h"

struct rollout_sample;
struct tally;

/* Of the candidate and the stable version; NULL without memory. */
struct rollout_sample *rollout_sample_new(void);
/* NULL is fine. */
void rollout_sample_free(struct rollout_sample *s);

/*
 * The evidence begins anew, with what is counted from the next look on. A
 * window of 0 goes back to the begin.
 */
void rollout_sample_begin(struct rollout_sample *s, uint64_t window_us);

/*
 * What the counters say now. A version that has another tally than before
 * begins anew; both are held.
 */
void rollout_sample_look(struct rollout_sample *s, struct tally *candidate,
    struct tally *stable, uint64_t now_us);

/*
 * As of the last look. p99 is at most 1/8 above the true one: see base/hist.h.
 * The epoch counts from 0 on.
 */
void rollout_sample_read(const struct rollout_sample *s,
    struct sample *candidate, struct sample *stable, unsigned *epoch);

#endif
