/*
 * HTTP/1.x from a client: one request at a time, pipelined ones wait their
 * turn, and a connection ends only when the client can know why.
 */
#include "proxy/client_h1.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/address.h"
#include "base/check.h"
#include "conf/settings.h"
#include "proxy/client.h"
#include "proxy/conn.h"
#include "proxy/h1_parse.h"
#include "proxy/http.h"
#include "proxy/inbuf.h"
#include "proxy/listener.h"
#include "proxy/reply.h"
#include "proxy/txn.h"
#include "proxy/worker_state.h"

/* Reads in a row before others get their turn. */
#define READS_MAX 4
/* How long we read on after our last byte, so that it is not reset away. */
#define LINGER_US 2000000u
/* A stopping worker closes connections that stay silent this long. */
#define DRAIN_IDLE_US 500000u

enum state {
	CH1_IDLE, /* between requests */
	CH1_HEAD, /* a head has begun */
	CH1_BODY, /* a request runs, its body is still coming */
	CH1_WAIT, /* a request runs, it was read to its end */
	CH1_LINGER,
	CH1_CLOSED,
};

struct client_h1 {
	struct client base; /* first: ops get this */
	enum state state;
	struct conn *conn;
	struct listener *listener;
	struct txn *txn;
	struct inbuf in; /* what cannot be used yet */
	size_t scanned;	 /* of it, for the end of a head */
	uint64_t left;	 /* of a body of known length */
	struct h1_chunks chunks;
	enum h1_body body; /* of the request */
	bool http_1_0 : 1;
	bool keep_alive : 1;
	bool held : 1;		   /* the txn takes no body now */
	bool chunked_response : 1; /* we frame it in chunks */
	struct dead dead;
};

static struct loop *
loop_of(struct client_h1 *c)
{
	return &c->base.worker->loop;
}

static const struct settings *
settings_of(const struct client_h1 *c)
{
	return c->base.worker->settings;
}

static void
set_timeout(struct client_h1 *c, uint64_t us)
{
	conn_deadline(c->conn, loop_now(loop_of(c)) + us);
}

static void
ch1_free(struct dead *d)
{
	struct client_h1 *c =
	    (struct client_h1 *)((char *)d - offsetof(struct client_h1, dead));

	CHECK_OBJ(&c->base, CLIENT_MAGIC);
	CHECK(c->state == CH1_CLOSED && c->txn == NULL);
	c->base.magic = 0;
	free(c);
}

static void
ch1_close(struct client_h1 *c)
{
	struct worker *w = c->base.worker;
	struct txn *t = c->txn;

	if (c->state == CH1_CLOSED)
		return;
	c->state = CH1_CLOSED;
	c->txn = NULL;
	if (t != NULL)
		txn_client_gone(t);
	conn_close(c->conn);
	inbuf_free(&c->in);
	TAILQ_REMOVE(&w->clients, &c->base, link);
	w->nclients--;
	atomic_fetch_sub_explicit(
	    &c->listener->connections, 1, memory_order_relaxed);
	loop_bury(&w->loop, &c->dead, ch1_free);
}

/*
 * The last response was ordered. Closing with unread bytes would make the
 * kernel reset the connection, and the client might lose that response
 * (RFC 9112 9.6): so say that we are done and read on for a while.
 */
static void
ch1_finish(struct client_h1 *c, bool all_read)
{
	conn_flush(loop_of(c));
	if (c->state == CH1_CLOSED)
		return;
	if (all_read && inbuf_empty(&c->in) && !conn_maybe_more(c->conn) &&
	    conn_backlog(c->conn) == 0) {
		ch1_close(c);
		return;
	}
	c->state = CH1_LINGER;
	inbuf_free(&c->in);
	conn_shutdown(c->conn);
	set_timeout(c, conn_backlog(c->conn) > 0
			   ? (uint64_t)settings_of(c)->timeouts.body * 1000u
			   : LINGER_US);
	conn_resume(c->conn);
	conn_kick(c->conn);
}

/* The connection is free for the next request, which may be here already. */
static void
ch1_next(struct client_h1 *c)
{
	uint64_t idle = (uint64_t)settings_of(c)->timeouts.idle * 1000u;

	c->state = CH1_IDLE;
	c->scanned = 0;
	c->held = false;
	if (c->base.worker->draining)
		idle = DRAIN_IDLE_US;
	set_timeout(c, idle);
	conn_resume(c->conn);
	if (!inbuf_empty(&c->in))
		conn_kick(c->conn);
}

/* Orders from the txn. */

/* The framing that this client understands (RFC 9112 6.1, 6.3). */
static void
choose_framing(struct client_h1 *c, const struct h1_head *h)
{
	bool unsized = h->body == H1_BODY_CHUNKED || h->body == H1_BODY_CLOSE;

	c->chunked_response = unsized && !c->http_1_0;
	if ((unsized && c->http_1_0) || c->state != CH1_WAIT ||
	    c->base.worker->draining)
		c->keep_alive = false;
}

static void
ch1_send_head(struct client *base, const struct h1_head *h)
{
	struct client_h1 *c = (struct client_h1 *)base;
	struct loop *l = loop_of(c);
	bool interim = h->status < 200;
	struct http_answer a = {.via = settings_of(c)->forward.via};
	size_t n;

	CHECK_OBJ(base, CLIENT_MAGIC);
	if (interim && c->http_1_0)
		return;
	if (!interim) {
		choose_framing(c, h);
		a.date = loop_date(l);
		a.chunked = c->chunked_response;
		a.close = !c->keep_alive;
		a.keep_alive = c->http_1_0 && c->keep_alive;
	}
	conn_flush(l); /* the head buffer may be on its way */
	n = http_write_response(l->head, l->head_size, h, &a);
	CHECK(n > 0); /* a parsed head fits, see loop_init() */
	conn_write(c->conn, (struct span){l->head, n});
}

static void
ch1_send_data(struct client *base, struct span piece)
{
	struct client_h1 *c = (struct client_h1 *)base;
	char size[24];
	int n;

	if (c->state == CH1_CLOSED || piece.n == 0)
		return;
	if (!c->chunked_response) {
		conn_write(c->conn, piece);
		return;
	}
	n = snprintf(size, sizeof size, "%zx\r\n", piece.n);
	conn_write_small(c->conn, (struct span){size, (size_t)n});
	conn_write(c->conn, piece);
	conn_write(c->conn, SPAN("\r\n"));
}

static void
ch1_send_end(struct client *base)
{
	struct client_h1 *c = (struct client_h1 *)base;
	bool all_read = c->state == CH1_WAIT;

	c->txn = NULL;
	if (c->state == CH1_CLOSED)
		return;
	if (c->chunked_response)
		conn_write(c->conn, SPAN("0\r\n\r\n"));
	c->chunked_response = false;
	if (c->keep_alive && all_read)
		ch1_next(c);
	else
		ch1_finish(c, all_read);
}

static void
ch1_pause(struct client *base)
{
	struct client_h1 *c = (struct client_h1 *)base;

	if (c->state != CH1_BODY)
		return;
	c->held = true;
	conn_pause(c->conn);
	conn_no_deadline(c->conn);
}

static void
ch1_resume(struct client *base)
{
	struct client_h1 *c = (struct client_h1 *)base;

	if (c->state != CH1_BODY || !c->held)
		return;
	c->held = false;
	set_timeout(c, (uint64_t)settings_of(c)->timeouts.body * 1000u);
	conn_resume(c->conn);
	conn_kick(c->conn);
}

static void
ch1_reset(struct client *base, enum err reason)
{
	struct client_h1 *c = (struct client_h1 *)base;

	(void)reason;
	c->txn = NULL;
	ch1_close(c);
}

static void
ch1_drain(struct client *base)
{
	struct client_h1 *c = (struct client_h1 *)base;

	if (c->state == CH1_IDLE)
		set_timeout(c, DRAIN_IDLE_US);
}

static void
ch1_op_close(struct client *base)
{
	ch1_close((struct client_h1 *)base);
}

static const struct client_ops ch1_ops = {
    .send_head = ch1_send_head,
    .send_data = ch1_send_data,
    .send_end = ch1_send_end,
    .pause = ch1_pause,
    .resume = ch1_resume,
    .reset = ch1_reset,
    .drain = ch1_drain,
    .close = ch1_op_close,
};

/* What the client sends. */

/* Refused without a txn: nothing behind it can be trusted. */
static void
ch1_refuse(struct client_h1 *c, enum err e)
{
	c->keep_alive = false;
	c->http_1_0 = false;
	reply_send(&c->base, e, false);
}

/* The request is here; nothing more is read until it is answered. */
static void
ch1_wait(struct client_h1 *c)
{
	c->state = CH1_WAIT;
	conn_settle(c->conn);
	conn_pause(c->conn);
	conn_no_deadline(c->conn);
}

static void
begin_request(struct client_h1 *c, const struct h1_head *h)
{
	struct worker *w = c->base.worker;

	c->keep_alive = h->keep_alive;
	c->http_1_0 = h->minor == 0;
	c->body = h->body;
	c->left = h->length;
	c->chunks = (struct h1_chunks){0};
	c->txn = txn_new(w, &c->base);
	if (c->txn == NULL) {
		ch1_refuse(c, ERR_INTERNAL);
		return;
	}
	if (h->body == H1_BODY_NONE) {
		ch1_wait(c);
	} else {
		c->state = CH1_BODY;
		set_timeout(c, (uint64_t)settings_of(c)->timeouts.body * 1000u);
	}
	txn_run(c->txn, h);
}

/* The bytes that the head took; 0 when it is not complete. */
static size_t
take_head(struct client_h1 *c, struct span in)
{
	struct worker *w = c->base.worker;
	uint32_t limit = settings_of(c)->limits.header_bytes;
	struct h1_head h;

	if (c->state == CH1_IDLE) {
		c->state = CH1_HEAD;
		set_timeout(
		    c, (uint64_t)settings_of(c)->timeouts.header * 1000u);
	}
	h1_head_init(&h, w->fields, w->nfields);
	switch (h1_parse_request(in, &h)) {
	case H1_MORE:
		if (in.n >= limit)
			ch1_refuse(c, ERR_HEAD_TOO_LARGE);
		return 0;
	case H1_BAD:
		ch1_refuse(c, h.error);
		return 0;
	case H1_DONE:
		break;
	}
	if (h.size > limit) {
		ch1_refuse(c, ERR_HEAD_TOO_LARGE);
		return 0;
	}
	begin_request(c, &h);
	return h.size;
}

/* The request was read to its end; the response may be over already. */
static void
request_read(struct client_h1 *c)
{
	ch1_wait(c);
	txn_request_end(c->txn);
}

static size_t
take_length(struct client_h1 *c, struct span in)
{
	struct span piece = {in.p, in.n < c->left ? in.n : c->left};

	c->left -= piece.n;
	txn_request_data(c->txn, piece);
	if (c->left == 0 && c->state == CH1_BODY)
		request_read(c);
	return piece.n;
}

static size_t
take_chunked(struct client_h1 *c, struct span in)
{
	struct span rest = in, piece;

	switch (h1_parse_chunked(&c->chunks, &rest, &piece)) {
	case H1_MORE:
		break;
	case H1_BAD:
		c->keep_alive = false;
		txn_request_failed(c->txn, ERR_BAD_REQUEST);
		break;
	case H1_DONE:
		if (piece.n > 0)
			txn_request_data(c->txn, piece);
		else
			request_read(c);
		break;
	}
	return in.n - rest.n;
}

/* One step over what is there; 0 when nothing can be used now. */
static size_t
ch1_take(struct client_h1 *c, struct span in)
{
	switch (c->state) {
	case CH1_IDLE:
	case CH1_HEAD:
		return take_head(c, in);
	case CH1_BODY:
		if (c->held)
			return 0;
		set_timeout(c, (uint64_t)settings_of(c)->timeouts.body * 1000u);
		return c->body == H1_BODY_LENGTH ? take_length(c, in)
						 : take_chunked(c, in);
	case CH1_WAIT:
		return 0;
	case CH1_LINGER:
	case CH1_CLOSED:
		return in.n;
	}
	WRONG("state of a client");
}

static size_t
ch1_take_all(struct client_h1 *c, struct span in)
{
	size_t used = 0, n;

	while (used < in.n) {
		n = ch1_take(c, (struct span){in.p + used, in.n - used});
		if (n == 0)
			break;
		used += n;
	}
	return used;
}

static void
ch1_keep(struct client_h1 *c, struct span rest)
{
	if (rest.n == 0 || c->state == CH1_LINGER || c->state == CH1_CLOSED)
		return;
	if (!inbuf_append(&c->in, rest))
		ch1_close(c);
}

/* Uses the kept bytes as far as they go. */
static void
ch1_process_kept(struct client_h1 *c)
{
	struct span kept = inbuf_span(&c->in);
	size_t used;

	if (c->state == CH1_HEAD && !h1_head_complete(kept, &c->scanned) &&
	    kept.n < settings_of(c)->limits.header_bytes)
		return;
	used = ch1_take_all(c, kept);
	conn_flush(loop_of(c));	 /* orders point into the buffer */
	if (inbuf_empty(&c->in)) /* it was closed meanwhile */
		return;
	if (used > 0)
		c->scanned = 0;
	inbuf_consume(&c->in, used);
}

static void
ch1_process(struct client_h1 *c, struct span in)
{
	size_t used;

	if (inbuf_empty(&c->in)) {
		used = ch1_take_all(c, in);
		ch1_keep(c, (struct span){in.p + used, in.n - used});
		return;
	}
	ch1_keep(c, in);
	if (c->state != CH1_CLOSED)
		ch1_process_kept(c);
}

static void
ch1_on_readable(struct client_h1 *c)
{
	struct loop *l = loop_of(c);
	int64_t n;

	if (!inbuf_empty(&c->in))
		ch1_process_kept(c);
	for (int i = 0; conn_readable(c->conn); i++) {
		if (i == READS_MAX) {
			conn_kick(c->conn);
			return;
		}
		n = conn_read(c->conn, l->scratch, l->scratch_size);
		if (n == -1 || c->state == CH1_CLOSED)
			return;
		if (n <= 0) {
			ch1_close(c);
			return;
		}
		ch1_process(c, (struct span){l->scratch, (size_t)n});
	}
}

static void
ch1_on_timeout(struct client_h1 *c)
{
	switch (c->state) {
	case CH1_HEAD:
		ch1_refuse(c, ERR_HEADER_TIMEOUT);
		return;
	case CH1_BODY:
		if (conn_backlog(c->conn) == 0) {
			txn_request_failed(c->txn, ERR_BODY_TIMEOUT);
			return;
		}
		break; /* it does not read our response either */
	case CH1_IDLE:
	case CH1_WAIT:
	case CH1_LINGER:
	case CH1_CLOSED:
		break;
	}
	ch1_close(c);
}

static void
ch1_on_event(void *owner, enum conn_event event)
{
	struct client_h1 *c = owner;

	CHECK_OBJ(&c->base, CLIENT_MAGIC);
	if (c->state == CH1_CLOSED)
		return;
	switch (event) {
	case CONN_READABLE:
		ch1_on_readable(c);
		return;
	case CONN_BLOCKED:
		set_timeout(c, (uint64_t)settings_of(c)->timeouts.body * 1000u);
		if (c->txn != NULL)
			txn_client_blocked(c->txn);
		return;
	case CONN_DRAINED:
		if (c->state == CH1_WAIT)
			conn_no_deadline(c->conn);
		else if (c->state == CH1_LINGER)
			set_timeout(c, LINGER_US);
		if (c->txn != NULL)
			txn_client_drained(c->txn);
		return;
	case CONN_TIMEOUT:
		ch1_on_timeout(c);
		return;
	case CONN_FAILED:
		ch1_close(c);
		return;
	case CONN_CONNECTED:
		break;
	}
	WRONG("event of an accepted connection");
}

static void
note_peer(struct client *c, const struct sockaddr_storage *peer)
{
	c->family = (uint8_t)peer->ss_family;
	c->ip_len = (uint8_t)address_ip(peer, c->ip, sizeof c->ip);
	if (peer->ss_family == AF_INET)
		memcpy(c->address,
		    &((const struct sockaddr_in *)peer)->sin_addr, 4);
	else
		memcpy(c->address,
		    &((const struct sockaddr_in6 *)peer)->sin6_addr, 16);
}

void
client_h1_accept(struct worker *w, struct listener *l, int fd,
    const struct sockaddr_storage *peer)
{
	struct client_h1 *c = calloc(1, sizeof *c);

	if (c == NULL) {
		close(fd);
		return;
	}
	c->conn = conn_new(&w->loop, fd, ch1_on_event, c);
	if (c->conn == NULL) {
		free(c);
		return;
	}
	c->base.magic = CLIENT_MAGIC;
	c->base.ops = &ch1_ops;
	c->base.worker = w;
	c->listener = l;
	note_peer(&c->base, peer);
	TAILQ_INSERT_TAIL(&w->clients, &c->base, link);
	w->nclients++;
	atomic_fetch_add_explicit(&l->connections, 1, memory_order_relaxed);
	set_timeout(c, (uint64_t)settings_of(c)->timeouts.idle * 1000u);
}
