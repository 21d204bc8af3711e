/*
 * What one request and its copy to a mirror have in common: where the copy
 * stands, and both answers, to be compared by whoever is there last. Each of
 * the two transactions holds it. Worker thread only.
 */
#ifndef PROXY_SHADOW_H
#define PROXY_SHADOW_H

#include <stdbool.h>
#include <stdint.h>

#include "base/queue.h"
#include "base/span.h"
#include "proxy/loop.h"

struct txn;

#define SHADOW_MAGIC 0x58ad0001u

/* An answer as it comes; all zero at first. */
struct shadow_answer {
	bool whole; /* it is all here, and the next two are set */
	int status;
	uint64_t bytes; /* of its body */
	uint64_t seen;	/* of these, the ones that are hashed */
	uint64_t hash;
	char tail[8]; /* seen, and not enough for the hash yet */
};

enum shadow_side {
	SHADOW_REAL,
	SHADOW_COPY,
	SHADOW_SIDES,
};

struct shadow {
	unsigned magic;
	unsigned holders; /* transactions */
	struct shadow_answer answers[SHADOW_SIDES];
	struct txn *copy;   /* NULL once it is over */
	bool gathers : 1;   /* the body still comes, then the copy begins */
	bool kicked : 1;    /* the copy is about to begin, or to be cut */
	bool pointless : 1; /* one of the answers will never be whole */
	uint64_t left_us;   /* when the real one was over; 0 = it is not */
	struct kick kick;
	TAILQ_ENTRY(shadow) link; /* worker->shadows, while there is a copy */
};

/* Of no holder yet; NULL without memory. */
struct shadow *shadow_new(void);
/* One holder less; the last one frees it. */
void shadow_drop(struct shadow *s);

/* A piece of a body, of any size. */
void shadow_saw(struct shadow_answer *a, struct span piece);

enum shadow_verdict {
	SHADOW_OPEN, /* one of them is not whole */
	SHADOW_SAME,
	SHADOW_OTHER_STATUS,
	SHADOW_OTHER_BODY, /* and the same status */
};

/*
 * Of a body that was spliced past us on one side, the length alone. Pure, as
 * shadow_saw().
 */
enum shadow_verdict shadow_compare(const struct shadow *s);

#endif
