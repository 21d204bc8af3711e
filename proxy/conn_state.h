/*
 * A connection as its files share it. conn.c holds its life and its events,
 * conn_send.c what is ordered from it, conn_tls.c what TLS makes of both.
 */
#ifndef PROXY_CONN_STATE_H
#define PROXY_CONN_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include <event2/event_struct.h>

#include "proxy/conn.h"
#include "proxy/fifo.h"
#include "proxy/loop.h"

#define CONN_MAGIC 0xc0220001u

/* How bytes are carried: as they are, or through TLS. */
struct carrier {
	/* As conn_read(), orders being flushed. */
	int64_t (*read)(struct conn *c, char *buf, size_t size);
	/*
	 * Sends the orders; what the socket does not take becomes backlog.
	 * The vectors may be changed.
	 */
	void (*write)(struct conn *c, struct iovec *iov, int n);
	/* Orders our end of stream, as far as bytes are needed for it. */
	void (*end)(struct conn *c);
	/* The connection closes: last words, and memory. */
	void (*close)(struct conn *c);
};

struct conn {
	unsigned magic;
	int fd;
	struct loop *loop;
	conn_handler *handle;
	void *owner;
	const struct carrier *carrier;
	struct tls *tls; /* NULL in clear text */
	int unacked;	 /* by conn_moving(), 0 = not asked yet */
	bool connecting : 1;
	bool securing : 1; /* the TLS handshake is not over */
	bool readable : 1;
	bool was_short : 1; /* the last read got less than it asked for */
	bool ended : 1;	    /* the kernel has seen the peer's end of stream */
	bool paused : 1;
	bool watched : 1;
	bool kicked : 1;
	bool failed : 1;
	bool took : 1;	     /* the socket took a byte since conn_mark() */
	bool deaf : 1;	     /* writing failed; we only read on */
	bool abortive : 1;   /* closing resets */
	bool shut : 1;	     /* our end of stream follows the backlog */
	struct fifo backlog; /* what the socket did not take */
	struct pipe *pipe;   /* spliced bytes, before the backlog */
	struct wheel_entry deadline;
	union {
		struct kick kick; /* while kicked */
		struct dead dead; /* once closed */
	};
	struct event event;
};

/* Tells the owner CONN_FAILED, once. */
void conn_fail(struct conn *c);

static inline bool
conn_has_backlog(const struct conn *c)
{
	return !fifo_empty(&c->backlog) || c->pipe != NULL;
}

/* recv() with the connection's marks kept; as conn_read(). */
int64_t conn_recv(struct conn *c, char *buf, size_t size);

/* Sends behind the backlog, and keeps what the socket does not take. */
void conn_send(struct conn *c, struct iovec *iov, int n);

/* Sends of the backlog what the socket takes now, and tells the owner. */
void conn_send_backlog(struct conn *c);

/* Forgets what was not sent. */
void conn_drop_backlog(struct conn *c);

/* One step of the handshake, the socket being readable or just secured. */
void conn_tls_handshake(struct conn *c);

extern const struct carrier conn_plain;

#endif
