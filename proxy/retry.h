/*
 * Whether a failed attempt may be made again: what the service allows, what
 * is safe for the request, and what the budget has left. Worker thread only.
 */
#ifndef PROXY_RETRY_H
#define PROXY_RETRY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/errs.h"
#include "base/span.h"
#include "proxy/fifo.h"
#include "proxy/upstream.h"
#include "router/spec.h"

struct tally;

/* Where one request stands with its retries. */
struct retry {
	const struct retry_spec *spec; /* of the service */
	struct tally *own;	       /* the service's: the budget */
	unsigned left;		       /* attempts still allowed */
	bool idempotent;
	bool body_begun;  /* a byte of the request body was passed on */
	bool keeping;	  /* all of it so far is in kept */
	struct fifo kept; /* to be sent again */
};

/*
 * At the start of a request: pays into the budget of the service, which its own
 * tally has. Without retries or a body nothing is kept.
 */
void retry_begin(struct retry *r, const struct retry_spec *spec,
    struct tally *own, unsigned worker, bool idempotent, bool has_body);
void retry_end(struct retry *r);

/* A piece of the request body goes out; it is kept while the limit allows. */
void retry_note_body(struct retry *r, struct span piece);
/* What was kept would not be the whole request: no longer worth keeping. */
void retry_forget_body(struct retry *r);

enum retry_verdict {
	RETRY_NO,
	RETRY_REFUSED, /* it might be, but the budget has nothing left */
	RETRY_YES,     /* counted: left and budget are charged */
	RETRY_FREE,    /* the race of an idle connection: nobody's fault */
};

/* `fresh`: the connection was a new one, or an idle one was excused before. */
enum retry_verdict retry_judge(
    struct retry *r, enum err e, enum upstream_loss loss, bool fresh);
/* What was RETRY_YES is not made after all: both get it back. */
void retry_unjudge(struct retry *r);

#endif
