/*
 * What becomes of a request, and why: found out by the functions that the
 * data path runs, told in words. Pure; nothing is drawn, counted or sent.
 * Main thread only, as states of pods are looked at.
 */
#ifndef CONTROL_EXPLAIN_H
#define CONTROL_EXPLAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/errs.h"

struct asked;
struct plan;
struct pod;
struct route;
struct service;
struct settings;
struct version;

#define EXPLAIN_MATCH_MAX  1024
#define EXPLAIN_REASON_MAX 6144

/* Pointers into the plan; NULL where something played no part. */
struct explanation {
	const struct service *service;
	const struct route *route;
	/* whose pods are asked; NULL, too, where only chance will tell */
	const struct version *version;
	const struct pod *pod; /* that the sticky cookie names; NULL = any */
	enum err answer;       /* ERR_NONE: that of a pod */
	int rule;	       /* -1: none decided */
	bool hashed;	       /* the cohort had a say, ... */
	uint64_t bucket;       /* ... and this place on [0, 2^64) */
	char match[EXPLAIN_MATCH_MAX];	 /* of the rule */
	char reason[EXPLAIN_REASON_MAX]; /* sentences, UTF-8 as the plan is */
};

/*
 * What would become of it if it came at `now_s` (wall clock, seconds since
 * 1970), without another one before it. False without memory.
 */
bool explain(const struct asked *a, const struct plan *p,
    const struct settings *s, uint64_t now_s, struct explanation *e);

/*
 * Why the version's pod does not get the request, "" when it may. Goes through
 * all pods in their order; *ready is 0 before the first.
 */
const char *explain_pod(const struct explanation *e, size_t i, size_t *ready);

#endif
