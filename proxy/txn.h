/*
 * A transaction: one request and its response, a step machine between the
 * client's codec and the pod's. Worker thread only.
 *
 *	ROUTE -> CHOOSE -> CONNECT -> SEND -> RECEIVE -> END
 *	   |       |  ^     ^  |       |\-> TUNNEL -> END
 *	   |       v  |     |  v       |
 *	   |       QUEUE <--+----------+
 *	   \________\__________\_______\-> REPLY -> END
 */
#ifndef PROXY_TXN_H
#define PROXY_TXN_H

#include <stdint.h>

#include "base/errs.h"
#include "base/span.h"

struct client;
struct conn;
struct h1_head;
struct txn;
struct worker;

/* Holds the worker's plan. NULL without memory. */
struct txn *txn_new(struct worker *w, struct client *c);

/*
 * Runs the steps as far as they go now. The head's spans may be reused after
 * the call. The txn may be over when it returns: the client was then told by
 * send_end or reset.
 */
void txn_run(struct txn *t, const struct h1_head *h);

/*
 * The request body, in pieces that stay in place until conn_flush(). After
 * pause() the client keeps what it has until resume().
 */
void txn_request_data(struct txn *t, struct span piece);
/*
 * Where the request body may be spliced to, NULL when it must be handed to
 * txn_request_data(); and that n bytes were.
 */
struct conn *txn_request_raw(struct txn *t);
void txn_request_spliced(struct txn *t, uint64_t n);

/* The request is complete, with trailer fields or NULL. */
void txn_request_end(struct txn *t, const struct h1_head *trailers);

/* The client's socket is full, or takes more again. */
void txn_client_blocked(struct txn *t);
void txn_client_drained(struct txn *t);

/*
 * The request cannot be completed (a broken body, too slow): answered where
 * nothing was sent yet, else cut.
 */
void txn_request_failed(struct txn *t, enum err reason);

/* Nobody is there to answer; the txn is over and the client forgotten. */
void txn_client_gone(struct txn *t);

/* Frees the worker's spare transactions. */
void txn_fini(struct worker *w);

#endif
