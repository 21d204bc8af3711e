/*
 * Gates: conditions on what the candidate has shown, judged with the stable
 * version's figures of the same time beside them. Pure.
 *
 * A limit on errors fails only on evidence that the true rate exceeds it
 * (strategies/evidence.h), so a good version is not stopped by chance however
 * often it is judged, and a bad one is as soon as its errors say so. Limits on
 * latency compare quantiles of the window.
 */
#ifndef STRATEGIES_GATES_H
#define STRATEGIES_GATES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "strategies/evidence.h"

enum verdict {
	VERDICT_NONE,	 /* no gate judges */
	VERDICT_NO_DATA, /* too little was seen to say */
	VERDICT_PASS,
	VERDICT_FAIL,
};

/* "", "no_data", "pass", "fail" */
const char *verdict_name(enum verdict v);

/* Limits below 0, and times of 0, are not asked for. */
struct gates {
	uint64_t window_us;	   /* what is judged: at most so far back */
	uint64_t min_requests;	   /* of the candidate, before it may pass */
	double max_error_rate;	   /* 0..1 */
	double max_error_increase; /* over the stable version's, 0..1 */
	uint64_t max_p99_us;
	double max_p99_increase; /* over the stable version's: 0.2 = 20 % */
	double confidence;	 /* that none is failed by chance, ever: 0.95 */
};

/* Whether there is any limit. */
bool gates_any(const struct gates *g);

/*
 * What one version did. Evidence is drawn from all since the rollout's step
 * began, and, because a fault that comes late would drown in what was good
 * before, also from an epoch: time is cut into epochs of window_us each, and
 * later ones must show more, so that their number does no harm.
 */
struct sample {
	struct tries window, step, epoch;
	uint64_t p99_us; /* of the window; 0 = none */
};

/*
 * `epoch` counts from 0 on. The verdict, and in `why` the measured numbers and
 * the limit that decided: "4.1 % errors of 812, limit 1 %"; "" where
 * there is no limit.
 */
enum verdict gates_judge(const struct gates *g, const struct sample *candidate,
    const struct sample *stable, unsigned epoch, char *why, size_t why_size);

#endif
