/*
 * Judging an answer whose status is good by what it says: its head, and the
 * first 64 KiB of its body, which pass on as they come. Worker thread only.
 *
 * The body is looked at in windows of SOFT_ERROR_WINDOW bytes, each of which
 * has the second half of the one before as its first, so memory and the time
 * of one look are bounded, and it is all one how the body is cut into pieces.
 * A body that fits one window is matched as a whole; of a longer one a match
 * of up to SOFT_ERROR_MATCH bytes is found. All looks at an answer may cost
 * SOFT_ERROR_STEPS, which are some 10 ms; one that costs more is a good one.
 */
#ifndef PROXY_SOFT_ERROR_H
#define PROXY_SOFT_ERROR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/errs.h"
#include "base/span.h"
#include "router/terms.h"

#define SOFT_ERROR_BODY	  65536u
#define SOFT_ERROR_WINDOW 2048u
#define SOFT_ERROR_MATCH  (SOFT_ERROR_WINDOW / 2)
#define SOFT_ERROR_STEPS  500000u

struct h1_head;

/* All zero: nothing is looked at. */
struct soft_error {
	enum reason reason;
	const struct pattern *body; /* borrowed; NULL once there is a verdict */
	char *window;		    /* NULL before the body begins */
	uint32_t held, from;	    /* bytes in it, those of them before it */
	uint32_t seen;		    /* of the body */
	uint32_t steps;		    /* left for its regex */
};

/* Whether the service looks at more than the status. */
static inline bool
soft_error_wanted(const struct terms *t)
{
	return t->error_body != NULL || t->error_header != NULL;
}

/*
 * The head of an answer; its body follows if it has one. A body that is
 * encoded (RFC 9110 8.4) is not looked at. The terms outlive it.
 */
void soft_error_begin(
    struct soft_error *s, const struct terms *terms, const struct h1_head *h);

/* Whether what comes of the body has to be shown. */
static inline bool
soft_error_looks(const struct soft_error *s)
{
	return s->body != NULL;
}

/* Only while it looks. */
void soft_error_saw(struct soft_error *s, struct span piece);

/* The body is over, or cut: what it came to, REASON_NONE = all is well. */
enum reason soft_error_end(struct soft_error *s);
/* Frees what it has; fine at any time, also again. */
void soft_error_forget(struct soft_error *s);

#endif
