/*
 * What both ends of HTTP/2 share: nghttp2 on a connection, frames that leave
 * once a turn in as few writes as possible, and bodies on their way out that
 * wait for windows. Worker thread only.
 */
#ifndef PROXY_H2_LINK_H
#define PROXY_H2_LINK_H

#include <nghttp2/nghttp2.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/queue.h"
#include "base/span.h"
#include "proxy/fifo.h"
#include "proxy/h2_fields.h"
#include "proxy/h2_memory.h"
#include "proxy/loop.h"

struct conn;
struct h1_head;
struct h2_body;

/* A stream's window for what we receive, and a connection's. */
#define H2_STREAM_WINDOW     65535
#define H2_CONNECTION_WINDOW (1 << 20)

struct h2_link {
	nghttp2_session *session;
	struct h2_pages pages;
	struct conn *conn;
	struct loop *loop;
	/* told after each h2_link_pump(), also of a link that is over */
	void (*pumped)(struct h2_link *k);
	struct kick kick;
	bool kicked : 1;    /* frames leave when the turn is over */
	bool pumping : 1;   /* in h2_link_pump() */
	bool receiving : 1; /* in h2_link_feed() */
	bool blocked : 1;   /* the socket is full */
	bool over : 1;	    /* h2_link_end() was called */
	size_t used;	    /* bytes of frames in the loop's head buffer */
	size_t collected;   /* of them, not ordered from the conn yet */
	TAILQ_HEAD(, h2_body) drained;
};

/* The calls of a session that its owner takes; see nghttp2.h. NULL = not. */
struct h2_calls {
	nghttp2_on_begin_headers_callback begin_headers;
	nghttp2_on_header_callback header;
	nghttp2_on_frame_recv_callback frame_recv;
	nghttp2_on_invalid_frame_recv_callback invalid_frame;
	nghttp2_on_data_chunk_recv_callback data;
	nghttp2_on_frame_send_callback frame_send;
	nghttp2_on_frame_not_send_callback frame_not_send;
	nghttp2_on_stream_close_callback stream_close;
};

/* Without a session yet. */
void h2_link_init(struct h2_link *k, struct loop *l, struct h2_memory *m,
    struct conn *c, void (*pumped)(struct h2_link *k));
/*
 * Makes the session, of a server or a client; the owner is its calls'
 * user_data. Windows open only by nghttp2_session_consume(). False without
 * memory.
 */
bool h2_link_open(
    struct h2_link *k, bool server, const struct h2_calls *calls, void *owner);
/* It is quiet for the time being: memory that it does not need goes. */
void h2_link_rest(struct h2_link *k);
/* No frame leaves any more; the session lives until h2_link_free(). */
void h2_link_end(struct h2_link *k);
/* Not from within a callback of the session: from the dead list. */
void h2_link_free(struct h2_link *k);

/*
 * Frames that were submitted will leave before the next wait, and pumped() be
 * told.
 */
void h2_link_order(struct h2_link *k);
/*
 * They leave now. The owner may be told of failures meanwhile. Nothing in a
 * callback of the session.
 */
void h2_link_pump(struct h2_link *k);
/* Bytes for the session; false when it is beyond help. */
bool h2_link_feed(struct h2_link *k, struct span in);
/* The socket is full, or takes more again. */
void h2_link_blocked(struct h2_link *k);
void h2_link_drained(struct h2_link *k);
/* There is nothing left to be received or sent. */
bool h2_link_done(const struct h2_link *k);

/* The lines as nghttp2 takes them; good as long as the lines. */
void h2_link_lines(const struct field *lines, unsigned n, nghttp2_nv *out);

/* The body of a stream on its way out. Zeroed, then h2_body_init(). */
struct h2_body {
	struct h2_link *link;
	int32_t stream;
	struct fifo waiting;
	struct span piece;	      /* borrowed: only while it is added */
	struct h2_trailers *trailers; /* come behind it */
	uint64_t sent;		      /* bytes that left */
	bool open : 1;		      /* its head was submitted */
	bool ended : 1;		      /* no more will be added */
	bool asleep : 1;	      /* nghttp2 waits to be told of more */
	bool blocked : 1;	      /* h2_body_add() said so */
	bool is_drained : 1;	      /* in link->drained */
	TAILQ_ENTRY(h2_body) link_drained;
};

void h2_body_init(struct h2_body *b, struct h2_link *k, int32_t stream);
/*
 * Forgets what has not left. Its memory must outlive the stream: until
 * nghttp2 has told that it is closed, or the link is over.
 */
void h2_body_free(struct h2_body *b);
/* For nghttp2_submit_response() and its like. */
nghttp2_data_provider h2_body_provider(struct h2_body *b);
/*
 * A piece that stays in place until conn_flush(). False when the writer has
 * to wait: until h2_body_next_drained() names the body.
 */
bool h2_body_add(struct h2_body *b, struct span piece);
/* It is complete; with trailer fields or NULL. */
void h2_body_end(struct h2_body *b, const struct h1_head *trailers);
/* There is something to be sent that its window, or the socket, holds up. */
bool h2_body_waits(const struct h2_body *b);
/* In pumped(): a body whose writer may go on; NULL when there is none. */
struct h2_body *h2_body_next_drained(struct h2_link *k);

#endif
