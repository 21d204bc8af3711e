/* What a txn orders from an HTTP/1.x client: framed responses, tunnels. */
#include "proxy/client_h1_send.h"

#include <stdio.h>

#include "base/check.h"
#include "conf/settings.h"
#include "proxy/client_h1_state.h"
#include "proxy/conn.h"
#include "proxy/greeting.h"
#include "proxy/http.h"
#include "proxy/worker_state.h"

/* The framing that this client understands (RFC 9112 6.1, 6.3). */
static void
choose_framing(struct client_h1 *c, const struct h1_head *h)
{
	bool unsized = h->body == H1_BODY_CHUNKED || h->body == H1_BODY_CLOSE;

	c->chunked_response = unsized && !c->http_1_0;
	c->until_close = unsized && c->http_1_0;
	if (h->last || (unsized && c->http_1_0) || c->state != CH1_WAIT ||
	    c->session.worker->draining)
		c->keep_alive = false;
}

static void
begin_tunnel(struct client_h1 *c)
{
	c->state = CH1_TUNNEL;
	c->keep_alive = false;
	c->chunked_response = false;
	ch1_tunnel_timeout(c);
	conn_resume(c->session.conn);
	conn_kick(c->session.conn);
}

static void
ch1_send_head(struct client *base, const struct h1_head *h)
{
	struct client_h1 *c = ch1_of(base);
	struct loop *l = session_loop(&c->session);
	bool interim = h->status < 200;
	struct http_answer a = {
	    .via = session_settings(&c->session)->forward.via};
	size_t n;

	if (h->status == 101) {
		a.upgrade = true;
		begin_tunnel(c);
	} else if (interim && c->http_1_0) {
		return;
	}
	if (!interim) {
		choose_framing(c, h);
		a.date = loop_date(l);
		if (conn_is_tls(c->session.conn))
			a.hsts = c->session.greeting->hsts;
		a.chunked = c->chunked_response;
		a.close = !c->keep_alive;
		a.keep_alive = c->http_1_0 && c->keep_alive;
	}
	conn_flush(l); /* the head buffer may be on its way */
	n = http_write_response(l->head, l->head_size, h, &a);
	CHECK(n > 0); /* a parsed head fits, see loop_init() */
	conn_write(c->session.conn, (struct span){l->head, n});
}

static void
ch1_send_data(struct client *base, struct span piece)
{
	struct client_h1 *c = ch1_of(base);
	char size[24];
	int n;

	if (c->state == CH1_CLOSED || piece.n == 0)
		return;
	if (!c->chunked_response) {
		if (c->state == CH1_TUNNEL)
			ch1_tunnel_timeout(c);
		conn_write(c->session.conn, piece);
		return;
	}
	n = snprintf(size, sizeof size, "%zx\r\n", piece.n);
	conn_write_small(c->session.conn, (struct span){size, (size_t)n});
	conn_write(c->session.conn, piece);
	conn_write(c->session.conn, SPAN("\r\n"));
}

/* The last chunk, and what the pod sent behind its own. */
static void
send_last_chunk(struct client_h1 *c, const struct h1_head *trailers)
{
	struct loop *l = session_loop(&c->session);
	size_t n;

	c->chunked_response = false;
	if (trailers == NULL) {
		conn_write(c->session.conn, SPAN("0\r\n\r\n"));
		return;
	}
	conn_flush(l); /* the head buffer may be on its way */
	n = http_write_trailers(l->head, l->head_size, trailers);
	conn_write(c->session.conn, (struct span){l->head, n});
}

static void
ch1_send_end(struct client *base, const struct h1_head *trailers)
{
	struct client_h1 *c = ch1_of(base);
	bool all_read = c->state == CH1_WAIT;

	if (c->state == CH1_TUNNEL && !c->ended) {
		conn_shutdown(c->session.conn); /* the client may go on */
		return;
	}
	c->txn = NULL;
	if (c->state == CH1_CLOSED)
		return;
	ch1_drop_intake(c);
	if (c->chunked_response)
		send_last_chunk(c, trailers);
	if (c->keep_alive && all_read)
		ch1_next(c);
	else
		ch1_finish(c, all_read || c->state == CH1_TUNNEL);
}

static struct conn *
ch1_raw(struct client *base)
{
	struct client_h1 *c = ch1_of(base);

	return c->chunked_response || c->state == CH1_CLOSED ||
		       !conn_splicable(c->session.conn)
		   ? NULL
		   : c->session.conn;
}

static void
ch1_pause(struct client *base)
{
	struct client_h1 *c = ch1_of(base);

	if (c->state != CH1_BODY && c->state != CH1_TUNNEL)
		return;
	c->held = true;
	conn_pause(c->session.conn);
	if (c->state == CH1_BODY)
		conn_no_deadline(c->session.conn);
}

static void
ch1_resume(struct client *base)
{
	struct client_h1 *c = ch1_of(base);

	if ((c->state != CH1_BODY && c->state != CH1_TUNNEL) || !c->held)
		return;
	c->held = false;
	if (c->state == CH1_BODY)
		ch1_body_timeout(c);
	else
		ch1_tunnel_timeout(c);
	conn_resume(c->session.conn);
	conn_kick(c->session.conn);
}

static void
ch1_watch(struct client *base, bool waits)
{
	struct client_h1 *c = ch1_of(base);

	if (c->state != CH1_CLOSED)
		conn_watch(c->session.conn, waits);
}

static void
ch1_reset(struct client *base, enum err reason)
{
	struct client_h1 *c = ch1_of(base);

	(void)reason;
	c->txn = NULL;
	/* an end that only the connection marks must not look like one */
	if (c->until_close && c->state != CH1_CLOSED)
		conn_abortive(c->session.conn);
	ch1_close(c);
}

static void
ch1_end_tunnel(struct client *base)
{
	struct client_h1 *c = ch1_of(base);

	c->txn = NULL;
	if (c->state != CH1_CLOSED)
		ch1_finish(c, c->ended);
}

const struct client_ops ch1_ops = {
    .send_head = ch1_send_head,
    .send_data = ch1_send_data,
    .send_end = ch1_send_end,
    .raw = ch1_raw,
    .pause = ch1_pause,
    .resume = ch1_resume,
    .watch = ch1_watch,
    .reset = ch1_reset,
    .end_tunnel = ch1_end_tunnel,
};
