/*
 * A connection to a pod as a txn sees it, whatever protocol it speaks: the
 * orders it takes and the events it tells. Worker thread only.
 */
#ifndef PROXY_UPSTREAM_H
#define PROXY_UPSTREAM_H

#include <stdbool.h>
#include <stddef.h>

#include "base/errs.h"
#include "base/queue.h"
#include "base/span.h"
#include "proxy/conn.h"
#include "proxy/h1_parse.h"
#include "router/spec.h"

struct conn;
struct pod;
struct txn;
struct upstream;
struct version;
struct worker;

#define UPSTREAM_MAGIC 0x09570001u

/* A request as it goes to a pod. */
struct upstream_request {
	struct span head; /* rewritten, HTTP/1.1 */
	enum h1_body body;
	bool head_method; /* HEAD: the response has no body */
	bool upgrade;	  /* a 101 may come and make it a tunnel */
};

/* Orders. */
struct upstream_ops {
	/* The head stays in place until conn_flush(). */
	void (*send_head)(struct upstream *u, const struct upstream_request *r);
	/* So does a piece of the body. */
	void (*send_data)(struct upstream *u, struct span piece);
	/*
	 * The request is complete, with trailer fields or NULL. In a tunnel:
	 * the client has ended its direction.
	 */
	void (*send_end)(struct upstream *u, const struct h1_head *trailers);
	/*
	 * Where body bytes may be spliced to as they are, NULL when they
	 * must be framed or there is a backlog.
	 */
	struct conn *(*raw)(struct upstream *u);
	/* Stop and go on reading the response body. */
	void (*pause)(struct upstream *u);
	void (*resume)(struct upstream *u);
	/* The txn lets go: pooled if it can take another request, or closed. */
	void (*release)(struct upstream *u);
	/* Closed at once, idle or not. */
	void (*close)(struct upstream *u);
};

/* How an attempt was lost. */
enum upstream_loss {
	LOSS_PLAIN,
	/*
	 * A reused connection ended without a byte of response, as a pod
	 * does that closes idle ones (RFC 9112 9.3.1).
	 */
	LOSS_STALE,
	LOSS_UNSENT, /* the same, and no byte of the request went out */
};

/* Events. */
struct upstream_events {
	/* connected: the head may be sent */
	void (*ready)(struct txn *t);
	void (*head)(struct txn *t, const struct h1_head *head);
	void (*data)(struct txn *t, struct span piece);
	/* as client_ops.raw; then that n bytes of the body were spliced */
	struct conn *(*raw)(struct txn *t);
	void (*spliced)(struct txn *t, uint64_t n);
	/* the response is complete, with trailer fields or NULL */
	void (*end)(struct txn *t, const struct h1_head *trailers);
	void (*blocked)(struct txn *t);
	void (*drained)(struct txn *t);
	/* nothing more will come; the upstream is closed and forgotten */
	void (*failed)(struct txn *t, enum err reason, enum upstream_loss loss);
};

struct upstream {
	unsigned magic;
	const struct upstream_ops *ops;
	const struct upstream_events *events;
	struct txn *txn; /* NULL while idle */
	struct worker *worker;
	struct pod *pod; /* held */
	enum pod_protocol protocol;
	struct pod_tls *tls;		/* held; NULL = in clear text */
	bool ready;			/* a head may be sent */
	struct upstream *newer, *older; /* idle ones of the same pod */
	TAILQ_ENTRY(upstream) link;	/* worker->idle */
};

/* Holds the pod, and speaks with it as the version wants. */
void upstream_init(struct upstream *u, const struct upstream_ops *ops,
    struct worker *w, const struct version *v, struct pod *pod);
/* Drops them. */
void upstream_fini(struct upstream *u);
/* It still speaks as the version wants. */
bool upstream_suits(const struct upstream *u, const struct version *v);

/*
 * A connection to the pod, secured if the version wants that: CONN_CONNECTED
 * follows when it is. NULL with errno set. It counts as one that is being made
 * until upstream_connect_over(), which the caller owes once.
 */
struct conn *upstream_connect(struct worker *w, const struct version *v,
    struct pod *pod, conn_handler *handle, void *owner);
void upstream_connect_over(struct worker *w, struct pod *pod);
/* Why it did not get that far, after CONN_FAILED; logged, too. */
enum err upstream_connect_error(const struct conn *c, const struct pod *pod);

/* Idle lists: the pod's (newest first) and the worker's (oldest first). */
void upstream_set_idle(struct upstream *u);
void upstream_unset_idle(struct upstream *u);
unsigned upstream_idle_count(const struct worker *w, const struct pod *pod);

#endif
