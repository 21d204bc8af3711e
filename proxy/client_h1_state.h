/*
 * A client's HTTP/1.x connection as its files share it: where it stands, and
 * how it goes on and ends. client_h1.c reads, client_h1_send.c writes.
 */
#ifndef PROXY_CLIENT_H1_STATE_H
#define PROXY_CLIENT_H1_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/check.h"
#include "proxy/client.h"
#include "proxy/fifo.h"
#include "proxy/h1_intake.h"
#include "proxy/session.h"

struct txn;

/* How long we read on after our last byte, so that it is not reset away. */
#define CH1_LINGER_US 2000000u
/* A stopping worker closes connections that stay silent this long. */
#define CH1_DRAIN_IDLE_US 500000u

enum ch1_state {
	CH1_IDLE,   /* between requests */
	CH1_HEAD,   /* a head has begun */
	CH1_BODY,   /* a request runs, its body is still coming */
	CH1_WAIT,   /* the whole request was read; without a txn its
		     * response is over and still being taken */
	CH1_TUNNEL, /* after a 101: bytes as they are */
	CH1_LINGER, /* our side is closed, theirs is read on */
	CH1_CLOSED,
};

struct client_h1 {
	struct session session; /* first: its ops get this */
	struct client base;	/* the txn's ops get this */
	enum ch1_state state;
	struct txn *txn;
	struct fifo in;		  /* what cannot be used yet */
	size_t scanned;		  /* of it, for the end of a head */
	struct h1_intake *intake; /* the request's body, while there is one */
	uint32_t requests;	  /* begun on this connection */
	bool ended : 1;		  /* the client's direction of a tunnel */
	bool http_1_0 : 1;
	bool keep_alive : 1;
	bool held : 1;		   /* the txn takes no body now */
	bool until_close : 1;	   /* the response ends with the connection */
	bool chunked_response : 1; /* we frame it in chunks */
};

/* The client that a txn knows. */
static inline struct client_h1 *
ch1_of(struct client *base)
{
	CHECK_OBJ(base, CLIENT_MAGIC);
	return (struct client_h1 *)((char *)base -
				    offsetof(struct client_h1, base));
}

void ch1_body_timeout(struct client_h1 *c);
void ch1_tunnel_timeout(struct client_h1 *c);

/* For the dead list; a closed one. */
void ch1_free(struct dead *d);

/* Ends the body of the request under way, if there is one. */
void ch1_drop_intake(struct client_h1 *c);

/* Closes now; a txn under way is told that nobody is there. */
void ch1_close(struct client_h1 *c);

/*
 * The last response was ordered. Closing with unread bytes would make the
 * kernel reset the connection, and the client might lose that response
 * (RFC 9112 9.6): then we say that we are done and read on for a while.
 */
void ch1_finish(struct client_h1 *c, bool all_read);

/* Between requests, for the time that this may take. */
void ch1_idle(struct client_h1 *c);

/*
 * The response was ordered: once the client has taken it, the connection is
 * free for the next request, which may be here already.
 */
void ch1_next(struct client_h1 *c);

#endif
