/*
 * The two bodies of a transaction, and the only place that knows
 * back-pressure: a reader is paused while its writer has a backlog, so a
 * transaction holds a bounded number of bytes however slow a peer is.
 */
#ifndef PROXY_RELAY_H
#define PROXY_RELAY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/span.h"

struct client;
struct upstream;

struct relay {
	struct client *client;			/* NULL once gone */
	struct upstream *upstream;		/* NULL while there is none */
	uint64_t request_bytes, response_bytes; /* of bodies */
};

/* False when the request body exceeds the limit; 0 = no limit. */
bool relay_request(struct relay *r, struct span piece, uint64_t limit);
void relay_response(struct relay *r, struct span piece);

/* The same of bytes that were spliced past us. */
bool relay_request_spliced(struct relay *r, uint64_t n, uint64_t limit);
void relay_response_spliced(struct relay *r, uint64_t n);

/* The pod takes no more for now, or again. */
void relay_pod_blocked(struct relay *r);
void relay_pod_drained(struct relay *r);
/* The same of the client. */
void relay_client_blocked(struct relay *r);
void relay_client_drained(struct relay *r);

#endif
