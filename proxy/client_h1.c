/*
 * What an HTTP/1.x client sends: heads, bodies, tunnels. One request at a
 * time; pipelined ones wait their turn.
 */
#include "proxy/client_h1.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/check.h"
#include "conf/settings.h"
#include "proxy/access_fill.h"
#include "proxy/access_log.h"
#include "proxy/client_h1_send.h"
#include "proxy/client_h1_state.h"
#include "proxy/client_table.h"
#include "proxy/conn.h"
#include "proxy/listener.h"
#include "proxy/proxy_header.h"
#include "proxy/reply.h"
#include "proxy/txn.h"
#include "proxy/worker_state.h"

/* Reads in a row before others get their turn. */
#define READS_MAX 4
/* Less of a body is cheaper to copy. */
#define SPLICE_MIN 65536u

static void
note_peer(struct client *c, const struct sockaddr_storage *peer)
{
	c->family = (uint8_t)peer->ss_family;
	if (peer->ss_family == AF_INET)
		memcpy(c->address,
		    &((const struct sockaddr_in *)peer)->sin_addr, 4);
	else
		memcpy(c->address,
		    &((const struct sockaddr_in6 *)peer)->sin6_addr, 16);
}

/* False when its address has as many connections as it may. */
static bool
count_client(struct client_h1 *c)
{
	struct worker *w = c->base.worker;
	uint32_t limit = ch1_settings(c)->limits.connections_per_client;

	if (limit == 0)
		return true;
	c->counted = client_table_enter(
	    w->client_table, c->base.family, c->base.address, limit);
	return c->counted;
}

static void
log_refused(struct client_h1 *c, enum err reason)
{
	struct worker *w = c->base.worker;
	char ip[INET6_ADDRSTRLEN];
	struct access_entry e;

	access_begin(&e, w, &c->base, ip);
	e.status = (int16_t)err_status(reason);
	e.text[ACCESS_REASON] = span_of(err_words(reason));
	access_log_put(w->log, &e);
}

/* Refused without a txn: nothing behind it can be trusted. */
static void
ch1_refuse(struct client_h1 *c, enum err e)
{
	c->keep_alive = false;
	c->http_1_0 = false;
	if (c->base.worker->log != NULL)
		log_refused(c, e);
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

static bool
begin_intake(struct client_h1 *c, const struct h1_head *h)
{
	c->intake = malloc(sizeof *c->intake);
	if (c->intake == NULL)
		return false;
	h1_intake_begin(c->intake, h);
	return true;
}

static void
begin_request(struct client_h1 *c, const struct h1_head *h)
{
	struct worker *w = c->base.worker;
	uint32_t most = ch1_settings(c)->limits.requests_per_connection;

	c->keep_alive = h->keep_alive;
	if (++c->requests >= most && most > 0)
		c->keep_alive = false;
	c->http_1_0 = h->minor == 0;
	if (h->body != H1_BODY_NONE && !begin_intake(c, h)) {
		ch1_refuse(c, ERR_INTERNAL);
		return;
	}
	c->txn = txn_new(w, &c->base);
	if (c->txn == NULL) {
		ch1_refuse(c, ERR_INTERNAL);
		return;
	}
	if (h->body == H1_BODY_NONE) {
		ch1_wait(c);
	} else {
		c->state = CH1_BODY;
		ch1_body_timeout(c);
	}
	txn_run(c->txn, h);
}

/* The bytes that the head took; 0 when it is not complete. */
static size_t
take_head(struct client_h1 *c, struct span in)
{
	struct worker *w = c->base.worker;
	uint32_t limit = ch1_settings(c)->limits.header_bytes;
	struct h1_head h;

	if (c->state == CH1_IDLE) {
		c->state = CH1_HEAD;
		ch1_timeout(
		    c, (uint64_t)ch1_settings(c)->timeouts.header * 1000u);
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

/* The body is over; its trailer fields are passed on. */
static void
request_read(struct client_h1 *c)
{
	struct worker *w = c->base.worker;
	struct h1_intake *k = c->intake;
	struct h1_head trailers;

	h1_head_init(&trailers, w->fields, w->nfields);
	if (h1_intake_trailers(k, &trailers) == H1_BAD) {
		txn_request_failed(c->txn, ERR_BAD_REQUEST);
		return;
	}
	ch1_wait(c);
	c->intake = NULL; /* the trailers point into it: it must last */
	txn_request_end(c->txn, trailers.nfields > 0 ? &trailers : NULL);
	h1_intake_end(k);
	free(k);
}

static size_t
take_body(struct client_h1 *c, struct span in)
{
	struct span rest = in, piece;

	ch1_body_timeout(c);
	switch (h1_intake_read(c->intake, &rest, &piece)) {
	case H1_MORE:
		break;
	case H1_BAD:
		txn_request_failed(c->txn, ERR_BAD_REQUEST);
		break;
	case H1_DONE:
		if (piece.n > 0)
			txn_request_data(c->txn, piece);
		/* its end needs no further bytes: look for it at once */
		if (c->state == CH1_BODY && h1_intake_over(c->intake))
			request_read(c);
		break;
	}
	return in.n - rest.n;
}

/* What comes before HTTP on a listener behind another balancer. */
static size_t
take_announcement(struct client_h1 *c, struct span in)
{
	struct proxy_header h;

	switch (proxy_header_parse(in, &h)) {
	case H1_MORE:
		return 0;
	case H1_BAD: /* nobody speaks HTTP here: there is no one to answer */
		ch1_close(c);
		return in.n;
	case H1_DONE:
		break;
	}
	if (h.source.ss_family != AF_UNSPEC)
		note_peer(&c->base, &h.source);
	if (!count_client(c)) {
		ch1_refuse(c, ERR_CLIENT_LIMIT);
		return in.n;
	}
	c->state = CH1_IDLE;
	return h.size;
}

/* One step over what is there; 0 when nothing can be used now. */
static size_t
ch1_take(struct client_h1 *c, struct span in)
{
	switch (c->state) {
	case CH1_ANNOUNCE:
		return take_announcement(c, in);
	case CH1_IDLE:
	case CH1_HEAD:
		return take_head(c, in);
	case CH1_BODY:
		return c->held ? 0 : take_body(c, in);
	case CH1_TUNNEL:
		if (c->held)
			return 0;
		ch1_tunnel_timeout(c);
		txn_request_data(c->txn, in);
		return in.n;
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
	if (!fifo_append(&c->in, rest))
		ch1_close(c);
}

/* Uses the kept bytes as far as they go. */
static void
ch1_process_kept(struct client_h1 *c)
{
	struct span kept = fifo_span(&c->in);
	size_t used;

	if (c->state == CH1_HEAD && !h1_head_complete(kept, &c->scanned) &&
	    kept.n < ch1_settings(c)->limits.header_bytes)
		return;
	used = ch1_take_all(c, kept);
	conn_flush(ch1_loop(c)); /* orders point into the buffer */
	if (fifo_empty(&c->in))	 /* it was closed meanwhile */
		return;
	if (used > 0)
		c->scanned = 0;
	fifo_consume(&c->in, used);
}

static void
ch1_process(struct client_h1 *c, struct span in)
{
	size_t used;

	if (fifo_empty(&c->in)) {
		used = ch1_take_all(c, in);
		ch1_keep(c, (struct span){in.p + used, in.n - used});
		return;
	}
	ch1_keep(c, in);
	if (c->state != CH1_CLOSED)
		ch1_process_kept(c);
}

/* The client has closed its direction of a tunnel. */
static void
tunnel_ended(struct client_h1 *c)
{
	struct txn *t = c->txn;

	c->ended = true;
	conn_pause(c->conn);
	if (conn_is_shut(c->conn)) {
		c->txn = NULL; /* the pod was first: this ends the txn */
		txn_request_end(t, NULL);
		ch1_close(c);
	} else {
		txn_request_end(t, NULL);
	}
}

/*
 * A large body passes without being read. As conn_read(); -1 also when it
 * cannot be done, then `tried` is false.
 */
static int64_t
ch1_splice(struct client_h1 *c, bool *tried)
{
	struct conn *to;
	int64_t n;

	*tried = false;
	if (c->state != CH1_BODY || c->held || !fifo_empty(&c->in) ||
	    h1_intake_passable(c->intake) < SPLICE_MIN)
		return -1;
	to = txn_request_raw(c->txn);
	if (to == NULL)
		return -1;
	*tried = true;
	n = conn_splice(c->conn, to, h1_intake_passable(c->intake));
	if (n == -1 && conn_readable(c->conn))
		*tried = false; /* no pipe to be had */
	if (n <= 0 || c->state != CH1_BODY)
		return n;
	if (!c->held)
		ch1_body_timeout(c);
	h1_intake_pass(c->intake, (uint64_t)n);
	txn_request_spliced(c->txn, (uint64_t)n);
	if (c->state == CH1_BODY && h1_intake_over(c->intake))
		request_read(c);
	return n;
}

/* One read, or one splice; false when there is no more for now. */
static bool
ch1_read(struct client_h1 *c)
{
	struct loop *l = ch1_loop(c);
	bool spliced;
	int64_t n = ch1_splice(c, &spliced);

	if (!spliced) {
		n = conn_read(c->conn, l->scratch, l->scratch_size);
		if (n > 0)
			ch1_process(c, (struct span){l->scratch, (size_t)n});
	}
	if (n == -1 || c->state == CH1_CLOSED)
		return false;
	if (n == 0 && c->state == CH1_TUNNEL)
		tunnel_ended(c);
	else if (n <= 0)
		ch1_close(c);
	return n > 0;
}

static void
ch1_on_readable(struct client_h1 *c)
{
	if (!fifo_empty(&c->in))
		ch1_process_kept(c);
	for (int i = 0; conn_readable(c->conn); i++) {
		if (i == READS_MAX) {
			conn_kick(c->conn);
			return;
		}
		if (!ch1_read(c))
			return;
	}
}

/* It reads slowly, but it reads. */
static void
ch1_on_progress(struct client_h1 *c)
{
	if (c->state == CH1_TUNNEL)
		ch1_tunnel_timeout(c);
	else
		ch1_body_timeout(c);
}

static void
ch1_on_timeout(struct client_h1 *c)
{
	if (conn_backlog(c->conn) > 0 && conn_moving(c->conn)) {
		ch1_on_progress(c);
		return;
	}
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
	case CH1_ANNOUNCE:
	case CH1_IDLE:
	case CH1_WAIT:
	case CH1_TUNNEL:
	case CH1_LINGER:
	case CH1_CLOSED:
		break;
	}
	ch1_close(c);
}

static void
ch1_on_drained(struct client_h1 *c)
{
	if (c->state == CH1_WAIT && c->txn == NULL) {
		ch1_next(c);
		return;
	}
	if (c->state == CH1_TUNNEL)
		ch1_tunnel_timeout(c);
	else if (c->state == CH1_WAIT)
		conn_no_deadline(c->conn);
	else if (c->state == CH1_LINGER)
		ch1_timeout(c, CH1_LINGER_US);
	if (c->txn != NULL)
		txn_client_drained(c->txn);
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
	case CONN_PROGRESS:
		ch1_on_progress(c);
		return;
	case CONN_BLOCKED:
		ch1_body_timeout(c);
		if (c->txn != NULL)
			txn_client_blocked(c->txn);
		return;
	case CONN_DRAINED:
		ch1_on_drained(c);
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

void
client_h1_accept(struct worker *w, struct listener *l, int fd,
    const struct sockaddr_storage *peer, bool counted)
{
	struct client_h1 *c = calloc(1, sizeof *c);
	struct client nobody;

	if (c != NULL)
		c->conn = conn_new(&w->loop, fd, ch1_on_event, c);
	else
		close(fd);
	if (c == NULL || c->conn == NULL) {
		note_peer(&nobody, peer);
		if (counted)
			client_table_leave(
			    w->client_table, nobody.family, nobody.address);
		free(c);
		return;
	}
	c->base.magic = CLIENT_MAGIC;
	c->base.ops = &ch1_ops;
	c->base.worker = w;
	c->base.listener = l;
	c->counted = counted;
	note_peer(&c->base, peer);
	TAILQ_INSERT_TAIL(&w->clients, &c->base, link);
	w->nclients++;
	atomic_fetch_add_explicit(&l->connections, 1, memory_order_relaxed);
	if (l->proxy_protocol) {
		c->state = CH1_ANNOUNCE; /* only then the client is known */
		ch1_timeout(
		    c, (uint64_t)ch1_settings(c)->timeouts.header * 1000u);
	} else {
		c->state = CH1_IDLE;
		ch1_timeout(
		    c, (uint64_t)ch1_settings(c)->timeouts.idle * 1000u);
	}
}
