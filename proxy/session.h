/*
 * One accepted connection, whatever it speaks: where it came in, who is at
 * its other end, and that it counts. It is moved from hand to hand as long
 * as it is not listed. Worker thread only.
 */
#ifndef PROXY_SESSION_H
#define PROXY_SESSION_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/errs.h"
#include "base/queue.h"
#include "base/span.h"
#include "proxy/loop.h"

struct conn;
struct greeting;
struct listener;
struct session;
struct settings;
struct worker;

/* What a worker orders from a connection. */
struct session_ops {
	/* The worker stops: close when idle, else after what is in flight. */
	void (*drain)(struct session *s);
	/* The worker is over: close now; transactions are told. */
	void (*close)(struct session *s);
};

#define SESSION_MAGIC 0x5e550001u

struct session {
	unsigned magic;
	uint8_t family;
	bool counted;		       /* in the client table */
	const struct session_ops *ops; /* NULL = not listed */
	struct worker *worker;
	struct listener *listener; /* it came by */
	struct greeting *greeting; /* held: how it was met */
	struct conn *conn;
	union {
		TAILQ_ENTRY(session) link; /* worker->sessions */
		struct dead dead;	   /* once closed */
	};
	uint8_t address[16]; /* of the peer: 4 or 16 bytes */
};

/*
 * Takes the socket, and the peer's place in the client table if `counted`.
 * Not listed and without an owner; false when memory is short, both then
 * given back.
 */
bool session_open(struct session *s, struct worker *w, struct listener *l,
    struct greeting *g, int fd, const struct sockaddr_storage *peer,
    bool counted);

/* From here on the worker knows it, and it stays where it is. */
void session_list(struct session *s, const struct session_ops *ops);
/* It may move again: `to` is a copy that is not listed. */
void session_unlist(struct session *s, struct session *to);

/* Closes a listed one; `free_it` gets &s->dead when the turn is over. */
void session_close(struct session *s, void (*free_it)(struct dead *d));
/* Closes one that is not listed. */
void session_discard(struct session *s);

/* Somebody else is at the other end, as a PROXY header says. */
void session_set_peer(struct session *s, const struct sockaddr_storage *peer);
/* False when its address has as many connections as it may. */
bool session_count(struct session *s);

/* The peer's address as text; buf has INET6_ADDRSTRLEN bytes. */
struct span session_ip(const struct session *s, char *buf);

/* The same as it is: 4 or 16 bytes. */
struct span session_address(const struct session *s);

struct loop *session_loop(const struct session *s);
const struct settings *session_settings(const struct session *s);
/* The connection's one deadline, from now. */
void session_timeout(struct session *s, uint64_t us);

#endif
