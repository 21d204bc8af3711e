/*
 * One non-blocking socket on one worker: edge-triggered reading, gathered
 * writing, one deadline. It moves bytes and knows no protocol.
 *
 * Writing is an order: conn_write() notes the bytes, and one writev sends
 * all that was ordered for this connection when the callback is over, when
 * another connection is written to, or before the scratch buffer is used
 * again. What the socket does not take is copied into the backlog.
 */
#ifndef PROXY_CONN_H
#define PROXY_CONN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/address.h"
#include "base/span.h"

struct conn;
struct loop;
struct tls;
struct wheel_entry;

/* What the owner's handler is told. */
enum conn_event {
	CONN_CONNECTED,
	CONN_READABLE, /* read until conn_readable() is false */
	CONN_BLOCKED,  /* the socket is full: stop feeding it */
	CONN_PROGRESS, /* the socket takes more of the backlog */
	CONN_DRAINED,  /* the backlog is gone */
	CONN_TIMEOUT,  /* the deadline has passed, once */
	CONN_FAILED,   /* broken; only conn_close() makes sense now */
};

/*
 * The handler may close the connection. CONN_BLOCKED and CONN_FAILED may be
 * told from within conn_flush(), hence also from conn_read().
 */
typedef void conn_handler(void *owner, enum conn_event event);

/*
 * Takes a connected socket; NULL with the fd closed without memory. It must
 * be owned before the next event.
 */
struct conn *conn_new(struct loop *l, int fd);
/* Who is told from now on. */
void conn_own(struct conn *c, conn_handler *handle, void *owner);

/*
 * Begins to connect; CONN_CONNECTED or CONN_FAILED follows, never from
 * within this call. NULL with errno set.
 */
struct conn *conn_connect(struct loop *l, const struct address *to,
    conn_handler *handle, void *owner);

/*
 * Speaks TLS from here on; takes `tls`. Of an accepted connection whose first
 * bytes were read already, these are given back as `early`. The owner is told
 * CONN_CONNECTED when the handshake is done, and nothing else but
 * CONN_TIMEOUT and CONN_FAILED before that.
 */
void conn_secure(struct conn *c, struct tls *tls, struct span early);
bool conn_is_tls(const struct conn *c);
/* ALPN has agreed on HTTP/2. */
bool conn_tls_h2(const struct conn *c);
/* Subject of the client's certificate, empty without one. */
struct span conn_peer_subject(const struct conn *c);
/* After CONN_FAILED: what TLS has to say about it, "" when nothing. */
const char *conn_tls_reason(const struct conn *c);

/* Detaches and closes now; the memory goes when the loop's turn is over. */
void conn_close(struct conn *c);

/* There may be bytes to read, or the end. */
bool conn_readable(const struct conn *c);

/* The same, paused or not: closing now would reset the connection. */
bool conn_maybe_more(const struct conn *c);

/* There is something unread, or the end, paused or not. */
bool conn_unread(const struct conn *c);

/*
 * The peer has acknowledged bytes since this was last asked, or it was not
 * asked yet: it is slow, not gone. A socket that was full for long tells of
 * room only when a third of it is free.
 */
bool conn_moving(struct conn *c);

/* Whether the socket took any byte of what was ordered since the mark. */
void conn_mark(struct conn *c);
bool conn_took(const struct conn *c);

/*
 * After CONN_FAILED: what had arrived before may still be read, orders are
 * ignored. False when it was reading that failed, or this was asked before.
 */
bool conn_read_on(struct conn *c);

/*
 * Flushes all orders, then reads: > 0 bytes, 0 at the peer's end of stream,
 * -1 when there is nothing now, -2 when the connection is broken.
 */
int64_t conn_read(struct conn *c, char *buf, size_t size);

/*
 * The message ended with the last read. If that was a short one it has
 * drained the socket, and no second read is spent on EAGAIN. In the middle of
 * a message only a second read tells: libevent does not say whether an error
 * came with the bytes.
 */
void conn_settle(struct conn *c);

/*
 * Moves at most `most` bytes from one to the other without copying them into
 * the process, all orders flushed first. What the writer does not take stays
 * in a pipe that counts as its backlog. > 0, 0, -1 and -2 as conn_read(); -1
 * also when there is no pipe to be had: then read and write instead.
 */
int64_t conn_splice(struct conn *from, struct conn *to, uint64_t most);
/* The writer has no backlog and takes orders: splicing to it makes sense. */
bool conn_splicable(const struct conn *to);

/* CONN_READABLE once more before the next wait, read or not. */
void conn_kick(struct conn *c);

/* No CONN_READABLE until resumed; a broken connection is still told. */
void conn_pause(struct conn *c);
void conn_resume(struct conn *c);
bool conn_paused(const struct conn *c);
/*
 * While watched, the peer's end of stream is told as CONN_FAILED although the
 * connection is paused; if it has come already, before the next wait.
 */
void conn_watch(struct conn *c, bool watched);

/* The bytes must stay in place until conn_flush(). */
void conn_write(struct conn *c, struct span bytes);
/* At most GATHER_SMALL bytes, copied. */
void conn_write_small(struct conn *c, struct span bytes);
/* Sends what was ordered, for whichever connection it was. */
void conn_flush(struct loop *l);
/* Bytes that the socket has not taken yet. */
size_t conn_backlog(const struct conn *c);
/* Sends our end of stream once the backlog is gone. */
void conn_shutdown(struct conn *c);
/* conn_shutdown() was called. */
bool conn_is_shut(const struct conn *c);

/* conn_close() will reset: the peer cannot take what it got for the whole. */
void conn_abortive(struct conn *c);

/* Absolute, in loop_now() microseconds. */
void conn_deadline(struct conn *c, uint64_t us);
void conn_no_deadline(struct conn *c);

/* For loop_set_expired(). */
void conn_on_deadline(struct wheel_entry *e);

#endif
