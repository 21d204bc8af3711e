/*
 * What a txn may order from the one who sent its request, whatever protocol
 * that speaks. The codec tells the txn of events by the functions
 * of txn.h. Worker thread only.
 */
#ifndef PROXY_CLIENT_H
#define PROXY_CLIENT_H

#include "base/errs.h"
#include "base/span.h"

struct client;
struct conn;
struct h1_head;
struct session;

struct client_ops {
	/*
	 * A response head: 1xx ones any number of times, then a final one.
	 * The spans may be reused after the call. The codec frames the body
	 * as the client understands it. After a 101 it is a tunnel: bytes
	 * pass as they are.
	 */
	void (*send_head)(struct client *c, const struct h1_head *head);
	/* A piece of the body; stays in place until conn_flush(). */
	void (*send_data)(struct client *c, struct span piece);
	/*
	 * The response is complete, with trailer fields or NULL; the txn is
	 * forgotten. In a tunnel: the pod has ended its direction; the txn is
	 * forgotten if the client had ended its own.
	 */
	void (*send_end)(struct client *c, const struct h1_head *trailers);
	/*
	 * Where body bytes may be spliced to as they are, NULL when they
	 * must be framed or there is a backlog.
	 */
	struct conn *(*raw)(struct client *c);
	/* Stop and go on reading the request body. */
	void (*pause)(struct client *c);
	void (*resume)(struct client *c);
	/*
	 * The request waits: from now on, and until it does no more, a client
	 * that ends its connection is gone, although nothing is read. NULL
	 * where the connection is read all the time.
	 */
	void (*watch)(struct client *c, bool waits);
	/* Cut the response short; the txn is forgotten. */
	void (*reset)(struct client *c, enum err reason);
	/*
	 * The tunnel is over, whatever the client still sends: it sees an end,
	 * not a break; the txn is forgotten.
	 */
	void (*end_tunnel)(struct client *c);
};

#define CLIENT_MAGIC 0xc11e0001u

/* Who asked: a whole connection, or one stream of it. */
struct client {
	unsigned magic;
	const struct client_ops *ops;
	struct session *session; /* the connection */
};

#endif
