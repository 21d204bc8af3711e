/*
 * A client's HTTP/2 connection and its streams as their files share them.
 * client_h2.c reads and keeps time, client_h2_stream.c is what a txn orders.
 */
#ifndef PROXY_CLIENT_H2_STATE_H
#define PROXY_CLIENT_H2_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/check.h"
#include "base/queue.h"
#include "proxy/client.h"
#include "proxy/fifo.h"
#include "proxy/h2_fields.h"
#include "proxy/h2_guard.h"
#include "proxy/h2_link.h"
#include "proxy/session.h"

struct txn;

enum ch2_state {
	CH2_OPEN,
	CH2_LEAVING, /* GOAWAY is on its way, nothing else counts */
	CH2_LINGER,  /* our side is closed, theirs is read on */
	CH2_CLOSED,
};

struct client_h2 {
	struct session session; /* first: its ops get this */
	enum ch2_state state;
	struct h2_link link;
	struct h2_guard *guard;
	struct h2_section section; /* field section on its way in */
	TAILQ_HEAD(, h2_stream) streams;
	unsigned nstreams;
	uint32_t requests;	 /* begun on this connection */
	uint64_t idle_us;	 /* when the last stream ended */
	uint64_t due_us;	 /* the connection's deadline; 0 = none */
	uint64_t section_due_us; /* the section's end; 0 = none is open */
	uint64_t section_bytes;	 /* of its names and values, unpacked */
	bool draining : 1;	 /* GOAWAY was announced */
	bool last_told : 1;	 /* and said which stream is the last */
	bool bombed : 1;	 /* its field section is beyond all measure */
	bool resumed : 1;	 /* a stream's txn takes its body again */
	bool cut : 1;		 /* a stream is to be */
};

struct h2_stream {
	struct client base; /* first: the txn's ops get this */
	struct client_h2 *h2;
	int32_t id;
	struct txn *txn;
	TAILQ_ENTRY(h2_stream) link;
	struct dead dead; /* once closed */
	struct fifo in;	  /* of the request's body, while the txn takes none */
	struct h2_section trailers; /* behind it */
	struct h2_body out;	    /* of the response */
	uint64_t due_us;	    /* it has to move on until then; 0 = any */
	uint64_t sent;		    /* of out, when due_us was set */
	bool held : 1;		    /* the txn takes no body now */
	bool read : 1;		    /* all of the request has come */
	bool end_told : 1;	    /* and the txn knows */
	bool connect : 1;	    /* an extended CONNECT */
	bool tunnel : 1;	    /* that was accepted */
	bool cut : 1; /* the pod was lost: a reset ends the response */
	bool closed : 1;
};

extern const struct client_ops h2_stream_ops;

/* The connection has to be looked at then; and: if not before. */
void client_h2_look_at(struct client_h2 *c, uint64_t us);
void client_h2_due(struct client_h2 *c, uint64_t us);
/* It has no streams now, and may stay for a while. */
void client_h2_idle(struct client_h2 *c);
/* No more streams, please; and: these were the last ones. */
void client_h2_drain(struct client_h2 *c);
void client_h2_say_last(struct client_h2 *c);
/* Its peer did too much of it. */
void client_h2_flood(struct client_h2 *c, enum h2_flood flood);

/* client_h2_frames.c; the owner is a struct client_h2. */
extern const struct h2_calls client_h2_calls;

/* The stream has to move on within timeouts.body from now. */
void h2_stream_hurry(struct h2_stream *s);
/* The windows open again by what the txn took, or will never take. */
void h2_stream_consumed(struct h2_stream *s, size_t n);
/* What came of the request goes to the txn, as far as it takes it. */
void h2_stream_deliver(struct h2_stream *s);
/* RST_STREAM with this code; the stream closes when that has left. */
void h2_stream_reset(struct h2_stream *s, uint32_t code);
/* Nobody works for it any more; whoever did is told. */
void h2_stream_abandon(struct h2_stream *s);
/* The same, and its memory goes: nghttp2 has forgotten it. */
void h2_stream_close(struct h2_stream *s);

#endif
