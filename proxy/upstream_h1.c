/*
 * HTTP/1.1 to a pod: sends a rewritten head and a framed body, reads the
 * response strictly, and knows whether the connection can serve again.
 */
#include "proxy/upstream_h1.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "conf/settings.h"
#include "proxy/conn.h"
#include "proxy/inbuf.h"
#include "proxy/upstream.h"
#include "proxy/worker_state.h"
#include "router/pod.h"

/* Pods close idle connections too; ours should usually be first. */
#define IDLE_US 60000000u
/* Reads in a row before others get their turn. */
#define READS_MAX 4

enum state {
	UH1_CONNECTING,
	UH1_IDLE,
	UH1_HEAD, /* a request was sent, its response has not begun */
	UH1_BODY,
	UH1_DONE, /* the response is complete */
	UH1_CLOSED,
};

struct upstream_h1 {
	struct upstream base; /* first: ops get this */
	enum state state;
	struct conn *conn;
	struct inbuf in; /* an incomplete response head */
	size_t scanned;	 /* of it, for its end */
	enum h1_body body;
	uint64_t left; /* of a body of known length */
	struct h1_chunks chunks;
	bool chunked_request : 1;
	bool head_method : 1;
	bool request_done : 1;
	bool keep_alive : 1;
	bool served : 1;   /* an earlier request */
	bool answered : 1; /* at least a byte, this request */
	struct dead dead;
};

static void
uh1_free(struct dead *d)
{
	struct upstream_h1 *u =
	    (struct upstream_h1 *)((char *)d -
				   offsetof(struct upstream_h1, dead));

	CHECK(u->state == UH1_CLOSED);
	upstream_fini(&u->base);
	free(u);
}

static void
uh1_close(struct upstream *base)
{
	struct upstream_h1 *u = (struct upstream_h1 *)base;

	CHECK_OBJ(base, UPSTREAM_MAGIC);
	if (u->state == UH1_CLOSED)
		return;
	if (u->state == UH1_IDLE)
		upstream_unset_idle(base);
	u->state = UH1_CLOSED;
	base->txn = NULL;
	if (u->conn != NULL)
		conn_close(u->conn);
	inbuf_free(&u->in);
	loop_bury(&base->worker->loop, &u->dead, uh1_free);
}

/* Nothing more will come: close, then tell whoever was waiting. */
static void
uh1_fail(struct upstream_h1 *u, enum err reason)
{
	struct txn *t = u->base.txn;
	bool clean = u->served && !u->answered && u->state == UH1_HEAD &&
		     reason == ERR_POD_RESET;

	uh1_close(&u->base);
	if (t != NULL)
		u->base.events->failed(t, reason, clean);
}

static void
set_timeout(struct upstream_h1 *u, uint32_t ms)
{
	conn_deadline(
	    u->conn, loop_now(&u->base.worker->loop) + (uint64_t)ms * 1000u);
}

static const struct timeouts *
timeouts(const struct upstream_h1 *u)
{
	return &u->base.worker->settings->timeouts;
}

static void
uh1_send_head(struct upstream *base, struct span head, enum h1_body body,
    bool head_method)
{
	struct upstream_h1 *u = (struct upstream_h1 *)base;

	CHECK(base->ready && u->state == UH1_IDLE);
	u->state = UH1_HEAD;
	u->chunked_request = body == H1_BODY_CHUNKED;
	u->head_method = head_method;
	u->request_done = false;
	u->answered = false;
	u->scanned = 0;
	conn_no_deadline(u->conn);
	conn_write(u->conn, head);
}

static void
uh1_send_data(struct upstream *base, struct span piece)
{
	struct upstream_h1 *u = (struct upstream_h1 *)base;
	char size[24];
	int n;

	if (u->state == UH1_CLOSED || piece.n == 0)
		return;
	if (!u->chunked_request) {
		conn_write(u->conn, piece);
		return;
	}
	n = snprintf(size, sizeof size, "%zx\r\n", piece.n);
	conn_write_small(u->conn, (struct span){size, (size_t)n});
	conn_write(u->conn, piece);
	conn_write(u->conn, SPAN("\r\n"));
}

static void
uh1_send_end(struct upstream *base)
{
	struct upstream_h1 *u = (struct upstream_h1 *)base;

	if (u->state == UH1_CLOSED)
		return;
	if (u->chunked_request)
		conn_write(u->conn, SPAN("0\r\n\r\n"));
	u->request_done = true;
	if (u->state == UH1_HEAD)
		set_timeout(u, timeouts(u)->response);
}

static void
uh1_pause(struct upstream *base)
{
	struct upstream_h1 *u = (struct upstream_h1 *)base;

	if (u->state == UH1_CLOSED)
		return;
	conn_pause(u->conn);
	conn_no_deadline(u->conn);
}

static void
uh1_resume(struct upstream *base)
{
	struct upstream_h1 *u = (struct upstream_h1 *)base;

	if (u->state == UH1_CLOSED)
		return;
	set_timeout(u,
	    u->state == UH1_HEAD ? timeouts(u)->response : timeouts(u)->body);
	conn_resume(u->conn);
}

static bool
reusable(const struct upstream_h1 *u)
{
	const struct worker *w = u->base.worker;

	return u->state == UH1_DONE && u->keep_alive && u->request_done &&
	       conn_backlog(u->conn) == 0 && !w->draining &&
	       !atomic_load_explicit(&u->base.pod->gone, memory_order_relaxed);
}

static void
uh1_release(struct upstream *base)
{
	struct upstream_h1 *u = (struct upstream_h1 *)base;

	if (!reusable(u)) {
		uh1_close(base);
		return;
	}
	u->state = UH1_IDLE;
	u->served = true;
	base->txn = NULL;
	upstream_set_idle(base);
	conn_deadline(u->conn, loop_now(&base->worker->loop) + IDLE_US);
}

static const struct upstream_ops uh1_ops = {
    .send_head = uh1_send_head,
    .send_data = uh1_send_data,
    .send_end = uh1_send_end,
    .pause = uh1_pause,
    .resume = uh1_resume,
    .release = uh1_release,
    .close = uh1_close,
};

static void
uh1_done(struct upstream_h1 *u)
{
	u->state = UH1_DONE;
	conn_settle(u->conn);
	u->base.events->end(u->base.txn);
}

static void
feed_length(struct upstream_h1 *u, struct span in)
{
	struct span piece = in;

	if (piece.n > u->left) {
		piece.n = u->left;
		u->keep_alive = false; /* bytes that nobody asked for */
	}
	u->left -= piece.n;
	u->base.events->data(u->base.txn, piece);
	if (u->left == 0 && u->state == UH1_BODY)
		uh1_done(u);
}

static void
feed_chunked(struct upstream_h1 *u, struct span in)
{
	struct span piece;

	while (u->state == UH1_BODY) {
		switch (h1_parse_chunked(&u->chunks, &in, &piece)) {
		case H1_MORE:
			return;
		case H1_BAD:
			uh1_fail(u, ERR_BAD_RESPONSE);
			return;
		case H1_DONE:
			break;
		}
		if (piece.n > 0) {
			u->base.events->data(u->base.txn, piece);
			continue;
		}
		if (in.n > 0)
			u->keep_alive = false;
		uh1_done(u);
	}
}

static void
feed_body(struct upstream_h1 *u, struct span in)
{
	if (in.n == 0)
		return;
	set_timeout(u, timeouts(u)->body);
	switch (u->body) {
	case H1_BODY_LENGTH:
		feed_length(u, in);
		return;
	case H1_BODY_CHUNKED:
		feed_chunked(u, in);
		return;
	case H1_BODY_CLOSE:
		u->base.events->data(u->base.txn, in);
		return;
	case H1_BODY_NONE:
		break;
	}
	WRONG("a body where none can be");
}

static void
begin_body(struct upstream_h1 *u, const struct h1_head *h)
{
	u->state = UH1_BODY;
	u->body = h->body;
	u->left = h->length;
	u->chunks = (struct h1_chunks){0};
	u->keep_alive = h->keep_alive && h->body != H1_BODY_CLOSE;
}

/*
 * One head from the front of `in`: the bytes it took, 0 when it is not
 * complete or the upstream is no more.
 */
static size_t
feed_head(struct upstream_h1 *u, struct span in)
{
	struct worker *w = u->base.worker;
	struct h1_head h;
	size_t size;

	h1_head_init(&h, w->fields, w->nfields);
	switch (h1_parse_response(in, u->head_method, &h)) {
	case H1_MORE:
		if (in.n >= w->settings->limits.header_bytes)
			uh1_fail(u, ERR_BAD_RESPONSE);
		return 0;
	case H1_BAD:
		uh1_fail(u, h.error);
		return 0;
	case H1_DONE:
		break;
	}
	/* we never ask for an upgrade, so nobody may switch */
	if (h.size > w->settings->limits.header_bytes || h.status == 101) {
		uh1_fail(u, ERR_BAD_RESPONSE);
		return 0;
	}
	size = h.size;
	if (h.status >= 200)
		begin_body(u, &h);
	u->base.events->head(u->base.txn, &h);
	return size;
}

/* Heads, then the beginning of the body; what is left is kept. */
static size_t
feed_heads(struct upstream_h1 *u, struct span in)
{
	size_t used = 0, n;

	while (u->state == UH1_HEAD && used < in.n) {
		n = feed_head(u, (struct span){in.p + used, in.n - used});
		if (n == 0)
			return used;
		used += n;
	}
	if (u->state != UH1_BODY)
		return used;
	if (u->body == H1_BODY_NONE) {
		if (used < in.n)
			u->keep_alive = false;
		uh1_done(u);
	} else {
		feed_body(u, (struct span){in.p + used, in.n - used});
	}
	return in.n;
}

static void
feed_waiting(struct upstream_h1 *u, struct span in)
{
	size_t used;

	u->answered = true;
	if (inbuf_empty(&u->in)) {
		used = feed_heads(u, in);
		if (u->state != UH1_HEAD || used == in.n)
			return;
		u->scanned = 0;
		if (!inbuf_append(
			&u->in, (struct span){in.p + used, in.n - used}))
			uh1_fail(u, ERR_INTERNAL);
		return;
	}
	if (!inbuf_append(&u->in, in)) {
		uh1_fail(u, ERR_INTERNAL);
		return;
	}
	in = inbuf_span(&u->in);
	if (!h1_head_complete(in, &u->scanned) &&
	    in.n < u->base.worker->settings->limits.header_bytes)
		return;
	used = feed_heads(u, in);
	conn_flush(&u->base.worker->loop); /* orders point into the buffer */
	if (u->state == UH1_CLOSED)
		return;
	inbuf_consume(&u->in, used);
	u->scanned = 0;
}

static void
feed(struct upstream_h1 *u, struct span in)
{
	switch (u->state) {
	case UH1_HEAD:
		feed_waiting(u, in);
		return;
	case UH1_BODY:
		feed_body(u, in);
		return;
	case UH1_IDLE: /* nobody asked */
		uh1_close(&u->base);
		return;
	case UH1_DONE:
		u->keep_alive = false;
		return;
	case UH1_CONNECTING:
	case UH1_CLOSED:
		return;
	}
}

static void
uh1_ended(struct upstream_h1 *u)
{
	if (u->state == UH1_BODY && u->body == H1_BODY_CLOSE)
		uh1_done(u);
	else
		uh1_fail(u, ERR_POD_RESET);
}

static void
uh1_on_readable(struct upstream_h1 *u)
{
	struct loop *l = &u->base.worker->loop;
	int64_t n;

	for (int i = 0; conn_readable(u->conn); i++) {
		if (i == READS_MAX) {
			conn_kick(u->conn);
			return;
		}
		n = conn_read(u->conn, l->scratch, l->scratch_size);
		if (n == -1 || u->state == UH1_CLOSED)
			return;
		if (n == -2) {
			uh1_fail(u, ERR_POD_RESET);
			return;
		}
		if (n == 0) {
			uh1_ended(u);
			return;
		}
		feed(u, (struct span){l->scratch, (size_t)n});
	}
}

static enum err
timeout_reason(const struct upstream_h1 *u)
{
	return u->state == UH1_CONNECTING ? ERR_CONNECT_TIMEOUT
					  : ERR_RESPONSE_TIMEOUT;
}

static void
uh1_on_connected(struct upstream_h1 *u)
{
	u->state = UH1_IDLE; /* but in no list: it has its txn */
	u->base.ready = true;
	conn_no_deadline(u->conn);
	u->base.events->ready(u->base.txn);
}

static void
uh1_on_event(void *owner, enum conn_event event)
{
	struct upstream_h1 *u = owner;

	CHECK_OBJ(&u->base, UPSTREAM_MAGIC);
	if (u->state == UH1_CLOSED)
		return;
	switch (event) {
	case CONN_CONNECTED:
		uh1_on_connected(u);
		return;
	case CONN_READABLE:
		uh1_on_readable(u);
		return;
	case CONN_BLOCKED:
		set_timeout(u, timeouts(u)->body);
		if (u->base.txn != NULL)
			u->base.events->blocked(u->base.txn);
		return;
	case CONN_DRAINED:
		conn_no_deadline(u->conn);
		if (u->request_done && u->state == UH1_HEAD)
			set_timeout(u, timeouts(u)->response);
		if (u->base.txn != NULL)
			u->base.events->drained(u->base.txn);
		return;
	case CONN_TIMEOUT:
		uh1_fail(u, timeout_reason(u));
		return;
	case CONN_FAILED:
		uh1_fail(u, u->state == UH1_CONNECTING ? ERR_CONNECT_FAILED
						       : ERR_POD_RESET);
		return;
	}
}

struct upstream *
upstream_h1_connect(struct worker *w, struct pod *pod)
{
	struct upstream_h1 *u = calloc(1, sizeof *u);
	int saved;

	if (u == NULL)
		return NULL;
	u->conn = conn_connect(&w->loop, &pod->address, uh1_on_event, u);
	if (u->conn == NULL) {
		saved = errno;
		free(u);
		errno = saved;
		return NULL;
	}
	upstream_init(&u->base, &uh1_ops, w, pod);
	u->state = UH1_CONNECTING;
	set_timeout(u, timeouts(u)->connect);
	return &u->base;
}
