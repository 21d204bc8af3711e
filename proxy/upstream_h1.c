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
#include "proxy/fifo.h"
#include "proxy/h1_intake.h"
#include "proxy/http.h"
#include "proxy/upstream.h"
#include "proxy/worker_state.h"
#include "router/pod.h"

/* Pods close idle connections too; ours should usually be first. */
#define IDLE_US 60000000u
/* Reads in a row before others get their turn. */
#define READS_MAX 4
/* Less of a body is cheaper to copy. */
#define SPLICE_MIN 65536u

enum state {
	UH1_CONNECTING,
	UH1_IDLE,
	UH1_HEAD, /* a request was sent, its response has not begun */
	UH1_BODY,
	UH1_TUNNEL, /* after a 101: bytes as they are */
	UH1_DONE,   /* the response is complete */
	UH1_CLOSED,
};

struct upstream_h1 {
	struct upstream base; /* first: ops get this */
	enum state state;
	struct conn *conn;
	struct fifo in;		 /* an incomplete response head */
	size_t scanned;		 /* of it, for its end */
	struct h1_intake intake; /* the response's body */
	bool chunked_request : 1;
	bool head_method : 1;
	bool upgrade : 1; /* the request asked for one */
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
	if (u->state == UH1_CONNECTING)
		upstream_connect_over(base->worker, base->pod);
	u->state = UH1_CLOSED;
	base->txn = NULL;
	if (u->conn != NULL)
		conn_close(u->conn);
	fifo_free(&u->in);
	h1_intake_end(&u->intake);
	loop_bury(&base->worker->loop, &u->dead, uh1_free);
}

static enum upstream_loss
loss_of(const struct upstream_h1 *u, enum err reason)
{
	if (!u->served || u->answered || u->state != UH1_HEAD ||
	    reason != ERR_POD_RESET)
		return LOSS_PLAIN;
	return conn_took(u->conn) ? LOSS_STALE : LOSS_UNSENT;
}

/* Nothing more will come: close, then tell whoever was waiting. */
static void
uh1_fail(struct upstream_h1 *u, enum err reason)
{
	struct txn *t = u->base.txn;
	enum upstream_loss loss = loss_of(u, reason);

	uh1_close(&u->base);
	if (t != NULL)
		u->base.events->failed(t, reason, loss);
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
uh1_send_head(struct upstream *base, const struct upstream_request *r)
{
	struct upstream_h1 *u = (struct upstream_h1 *)base;

	CHECK(base->ready && u->state == UH1_IDLE);
	u->state = UH1_HEAD;
	u->chunked_request = r->body == H1_BODY_CHUNKED;
	u->head_method = r->head_method;
	u->upgrade = r->upgrade;
	u->request_done = false;
	u->answered = false;
	u->scanned = 0;
	conn_no_deadline(u->conn);
	conn_mark(u->conn);
	conn_write(u->conn, r->head);
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

/* The last chunk, and what the client sent behind its own. */
static void
send_last_chunk(struct upstream_h1 *u, const struct h1_head *trailers)
{
	struct loop *l = &u->base.worker->loop;
	size_t n;

	if (trailers == NULL || trailers->nfields == 0) {
		conn_write(u->conn, SPAN("0\r\n\r\n"));
		return;
	}
	conn_flush(l); /* the head buffer may be on its way */
	n = http_write_trailers(l->head, l->head_size, trailers);
	conn_write(u->conn, (struct span){l->head, n});
}

static void
uh1_send_end(struct upstream *base, const struct h1_head *trailers)
{
	struct upstream_h1 *u = (struct upstream_h1 *)base;

	if (u->state == UH1_CLOSED)
		return;
	if (u->state == UH1_TUNNEL) {
		conn_shutdown(u->conn);
		return;
	}
	if (u->chunked_request)
		send_last_chunk(u, trailers);
	u->request_done = true;
	if (u->state == UH1_HEAD)
		set_timeout(u, timeouts(u)->response);
}

/* The time the pod has for its next bytes, by where it stands. */
static void
set_progress_timeout(struct upstream_h1 *u)
{
	if (conn_paused(u->conn))
		conn_no_deadline(u->conn); /* it waits for the client */
	else if (u->state == UH1_BODY)
		set_timeout(u, timeouts(u)->body);
	else if (u->state == UH1_HEAD && u->request_done)
		set_timeout(u, timeouts(u)->response);
	else
		conn_no_deadline(u->conn); /* a tunnel's is the client's */
}

static struct conn *
uh1_raw(struct upstream *base)
{
	struct upstream_h1 *u = (struct upstream_h1 *)base;

	return u->chunked_request || u->state == UH1_CLOSED ||
		       !conn_splicable(u->conn)
		   ? NULL
		   : u->conn;
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
	conn_resume(u->conn);
	set_progress_timeout(u);
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
	conn_resume(u->conn); /* a slow client may have paused it */
	upstream_set_idle(base);
	conn_deadline(u->conn, loop_now(&base->worker->loop) + IDLE_US);
}

static const struct upstream_ops uh1_ops = {
    .send_head = uh1_send_head,
    .send_data = uh1_send_data,
    .send_end = uh1_send_end,
    .raw = uh1_raw,
    .pause = uh1_pause,
    .resume = uh1_resume,
    .release = uh1_release,
    .close = uh1_close,
};

/* The response is complete; its trailer fields are passed on. */
static void
uh1_done(struct upstream_h1 *u)
{
	struct worker *w = u->base.worker;
	struct h1_intake over;
	struct h1_head trailers;

	h1_head_init(&trailers, w->fields, w->nfields);
	if (h1_intake_trailers(&u->intake, &trailers) == H1_BAD) {
		uh1_fail(u, ERR_BAD_RESPONSE);
		return;
	}
	u->state = UH1_DONE;
	conn_settle(u->conn);
	/* the trailers point into the intake: it must outlive the upstream */
	over = u->intake;
	u->intake = (struct h1_intake){0};
	u->base.events->end(
	    u->base.txn, trailers.nfields > 0 ? &trailers : NULL);
	h1_intake_end(&over);
}

static void
feed_body(struct upstream_h1 *u, struct span in)
{
	struct span piece;

	while (u->state == UH1_BODY) {
		switch (h1_intake_read(&u->intake, &in, &piece)) {
		case H1_MORE:
			set_progress_timeout(u);
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
			u->keep_alive = false; /* bytes nobody asked for */
		uh1_done(u);
	}
}

static void
begin_body(struct upstream_h1 *u, const struct h1_head *h)
{
	u->state = UH1_BODY;
	h1_intake_begin(&u->intake, h);
	u->keep_alive = h->keep_alive && h->body != H1_BODY_CLOSE;
}

static void
begin_tunnel(struct upstream_h1 *u)
{
	u->state = UH1_TUNNEL;
	u->keep_alive = false;
	conn_no_deadline(u->conn);
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
	/* nobody may switch who was not asked to (RFC 9110 15.2.2) */
	if (h.size > w->settings->limits.header_bytes ||
	    (h.status == 101 && !u->upgrade)) {
		uh1_fail(u, ERR_BAD_RESPONSE);
		return 0;
	}
	size = h.size;
	if (h.status >= 200)
		begin_body(u, &h);
	else if (h.status == 101)
		begin_tunnel(u);
	u->base.events->head(u->base.txn, &h);
	return size;
}

static void feed(struct upstream_h1 *u, struct span in);

/* Heads, then what follows them; an incomplete one is left. */
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
	if (u->state == UH1_HEAD || u->state == UH1_CLOSED)
		return used;
	feed(u, (struct span){in.p + used, in.n - used});
	return in.n;
}

static void
feed_waiting(struct upstream_h1 *u, struct span in)
{
	size_t used;

	u->answered = true;
	if (fifo_empty(&u->in)) {
		used = feed_heads(u, in);
		if (u->state != UH1_HEAD || used == in.n)
			return;
		u->scanned = 0;
		if (!fifo_append(
			&u->in, (struct span){in.p + used, in.n - used}))
			uh1_fail(u, ERR_INTERNAL);
		return;
	}
	if (!fifo_append(&u->in, in)) {
		uh1_fail(u, ERR_INTERNAL);
		return;
	}
	in = fifo_span(&u->in);
	if (!h1_head_complete(in, &u->scanned) &&
	    in.n < u->base.worker->settings->limits.header_bytes)
		return;
	used = feed_heads(u, in);
	conn_flush(&u->base.worker->loop); /* orders point into the buffer */
	if (u->state == UH1_CLOSED)
		return;
	fifo_consume(&u->in, used);
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
	case UH1_TUNNEL:
		if (in.n > 0)
			u->base.events->data(u->base.txn, in);
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
	if (u->state == UH1_BODY && u->intake.body == H1_BODY_CLOSE)
		uh1_done(u);
	else if (u->state == UH1_TUNNEL) {
		conn_pause(u->conn); /* nothing more will come */
		u->base.events->end(u->base.txn, NULL);
	} else
		uh1_fail(u, ERR_POD_RESET);
}

/*
 * A large body passes without being read. As conn_read(); -1 also when it
 * cannot be done, then `tried` is false.
 */
static int64_t
uh1_splice(struct upstream_h1 *u, bool *tried)
{
	uint64_t most = h1_intake_passable(&u->intake);
	struct conn *to;
	int64_t n;

	*tried = false;
	if (u->state != UH1_BODY || most < SPLICE_MIN)
		return -1;
	to = u->base.events->raw(u->base.txn);
	if (to == NULL)
		return -1;
	*tried = true;
	n = conn_splice(u->conn, to, most);
	if (n == -1 && conn_readable(u->conn))
		*tried = false; /* no pipe to be had */
	if (n <= 0 || u->state != UH1_BODY)
		return n;
	h1_intake_pass(&u->intake, (uint64_t)n);
	u->base.events->spliced(u->base.txn, (uint64_t)n);
	feed_body(u, SPAN_NONE); /* it may be over */
	return n;
}

/* One read, or one splice; false when there is no more for now. */
static bool
uh1_read(struct upstream_h1 *u)
{
	struct loop *l = &u->base.worker->loop;
	bool spliced;
	int64_t n = uh1_splice(u, &spliced);

	if (!spliced) {
		n = conn_read(u->conn, l->scratch, l->scratch_size);
		if (n > 0)
			feed(u, (struct span){l->scratch, (size_t)n});
	}
	if (n == -1 || u->state == UH1_CLOSED)
		return false;
	if (n == -2)
		uh1_fail(u, ERR_POD_RESET);
	else if (n == 0)
		uh1_ended(u);
	return n > 0;
}

static void
uh1_on_readable(struct upstream_h1 *u)
{
	for (int i = 0; conn_readable(u->conn); i++) {
		if (i == READS_MAX) {
			conn_kick(u->conn);
			return;
		}
		if (!uh1_read(u))
			return;
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
	upstream_connect_over(u->base.worker, u->base.pod);
	u->base.ready = true;
	conn_no_deadline(u->conn);
	u->base.events->ready(u->base.txn);
}

/*
 * The pod takes no more. It may have answered before it closed, to a body
 * that it did not want to the end (RFC 9112 9.5): read that first.
 */
static void
uh1_on_broken(struct upstream_h1 *u)
{
	if (u->state == UH1_CONNECTING) {
		uh1_fail(u, upstream_connect_error(u->conn, u->base.pod));
		return;
	}
	if ((u->state == UH1_HEAD || u->state == UH1_BODY) &&
	    conn_read_on(u->conn)) {
		/* not now: the scratch buffer may be in use */
		conn_kick(u->conn);
		return;
	}
	if (u->state == UH1_HEAD || u->state == UH1_BODY ||
	    u->state == UH1_TUNNEL)
		uh1_fail(u, ERR_POD_RESET);
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
	case CONN_PROGRESS:
		set_timeout(u, timeouts(u)->body);
		return;
	case CONN_BLOCKED:
		set_timeout(u, timeouts(u)->body);
		if (u->base.txn != NULL)
			u->base.events->blocked(u->base.txn);
		return;
	case CONN_DRAINED:
		set_progress_timeout(u);
		if (u->base.txn != NULL)
			u->base.events->drained(u->base.txn);
		return;
	case CONN_TIMEOUT:
		if (conn_backlog(u->conn) > 0 && conn_moving(u->conn))
			set_timeout(u, timeouts(u)->body);
		else
			uh1_fail(u, timeout_reason(u));
		return;
	case CONN_FAILED:
		uh1_on_broken(u);
		return;
	}
}

struct upstream *
upstream_h1_connect(struct worker *w, const struct version *v, struct pod *pod)
{
	struct upstream_h1 *u = calloc(1, sizeof *u);
	int saved;

	if (u == NULL)
		return NULL;
	u->conn = upstream_connect(w, v, pod, uh1_on_event, u);
	if (u->conn == NULL) {
		saved = errno;
		free(u);
		errno = saved;
		return NULL;
	}
	upstream_init(&u->base, &uh1_ops, w, v, pod);
	u->state = UH1_CONNECTING;
	set_timeout(u, timeouts(u)->connect);
	return &u->base;
}
