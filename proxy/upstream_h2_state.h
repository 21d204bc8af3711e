/*
 * HTTP/2 to a pod as its files share it: a trunk is the connection, an
 * upstream one stream of it. upstream_h2.c keeps trunks, _frames.c reads what
 * comes, _stream.c is what a txn orders.
 */
#ifndef PROXY_UPSTREAM_H2_STATE_H
#define PROXY_UPSTREAM_H2_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/check.h"
#include "base/queue.h"
#include "proxy/fifo.h"
#include "proxy/h2_fields.h"
#include "proxy/h2_link.h"
#include "proxy/upstream.h"
#include "proxy/websocket.h"

/* Streams of one trunk, even where the pod allows more. */
#define TRUNK_STREAMS 256u

enum trunk_state {
	TRUNK_CONNECTING, /* until the pod's SETTINGS are here */
	TRUNK_OPEN,
	TRUNK_LEAVING, /* takes no more streams, ends with the last one */
	TRUNK_CLOSED,
};

#define TRUNK_MAGIC 0x712a0001u

struct trunk {
	unsigned magic;
	enum trunk_state state;
	struct worker *worker;
	struct pod *pod; /* held */
	enum pod_protocol protocol;
	struct pod_tls *tls; /* held */
	struct conn *conn;
	struct h2_link link;
	struct h2_section section; /* field section on its way in */
	TAILQ_HEAD(, upstream_h2) streams;
	unsigned nstreams;
	unsigned nunanswered; /* streams whose request is out there */
	uint64_t due_us;      /* the connection's deadline; 0 = none */
	uint64_t idle_us;     /* when the last stream ended */
	uint64_t owed_us;     /* since then the pod owes us a word; 0 = not */
	uint64_t pinged_us;   /* and was asked for one; 0 = not yet */
	bool served : 1;      /* an earlier stream was answered */
	bool refusing : 1;    /* a stream was refused, and none ended since */
	bool spoke : 1;	      /* something but an answer to PING has come */
	bool resumed : 1;     /* a stream's txn takes its body again */
	bool doomed : 1;      /* a stream's `doom` is set */
	struct trunk *next;   /* of the same pod, on this worker */
	TAILQ_ENTRY(trunk) worker_link;
	struct dead dead;
};

struct upstream_h2 {
	struct upstream base; /* first: ops get this */
	struct trunk *trunk;
	TAILQ_ENTRY(upstream_h2) link;
	int32_t id;	/* 0 = no stream yet */
	struct fifo in; /* of the response's body, while the txn takes none */
	struct h2_section trailers; /* behind it */
	struct h2_body out;	    /* of the request */
	uint64_t due_us;	    /* it has to move on until then; 0 = any */
	uint64_t sent;		    /* of out, when due_us was set */
	enum err doom;		    /* it fails as soon as the turn allows */
	enum upstream_loss doom_loss;
	char accept[WEBSOCKET_ACCEPT_SIZE]; /* of an extended CONNECT */
	bool head_method : 1;
	bool connect : 1; /* an extended CONNECT */
	bool request_done : 1;
	bool held : 1;	     /* the txn takes no body now */
	bool unanswered : 1; /* it counts in trunk->nunanswered */
	bool answered : 1;   /* a final head has come */
	bool complete : 1;   /* all of the response has come */
	bool end_told : 1;   /* and the txn knows */
	bool forgotten : 1;  /* by nghttp2 */
	bool closed : 1;     /* by its txn */
	bool buried : 1;
	struct dead dead;
};

/* upstream_h2.c */

/* The connection has to be looked at then, if not before. */
void trunk_due(struct trunk *k, uint64_t us);
/* No stream is begun on it any more; it closes with the last. */
void trunk_leave(struct trunk *k);
/* It is open: those who waited may send. */
void trunk_open(struct trunk *k);
/* A request went out, and its answer came or is not waited for any more. */
void trunk_asked(struct trunk *k, struct upstream_h2 *u);
void trunk_answered(struct trunk *k, struct upstream_h2 *u);
/* A stream has ended. */
void trunk_settle(struct trunk *k);

/* upstream_h2_frames.c; the owner is a struct trunk. */
extern const struct h2_calls trunk_calls;

/* upstream_h2_stream.c */

struct upstream_h2 *upstream_h2_new(struct trunk *k, const struct version *v);
/* What came of the response goes to the txn, as far as it takes it. */
void upstream_h2_deliver(struct upstream_h2 *u);
/* The time it has for its next step, by where it stands. */
void upstream_h2_set_due(struct upstream_h2 *u);
/* nghttp2 has forgotten it: its memory goes. */
void upstream_h2_bury(struct upstream_h2 *u);
/*
 * It fails when the turn allows: its txn is not told from within its own
 * order, nor while frames are half way out.
 */
void upstream_h2_doom(
    struct upstream_h2 *u, enum err reason, enum upstream_loss loss);
/* The txn lets go, told that it failed. */
void upstream_h2_fail(
    struct upstream_h2 *u, enum err reason, enum upstream_loss loss);
/* It failed in its due time; false when it has moved on after all. */
bool upstream_h2_expired(struct upstream_h2 *u);

#endif
