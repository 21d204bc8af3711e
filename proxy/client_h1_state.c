/* How a client's connection goes from request to request, and ends. */
#include "proxy/client_h1_state.h"

#include <stdlib.h>

#include "base/check.h"
#include "conf/settings.h"
#include "proxy/conn.h"
#include "proxy/txn.h"
#include "proxy/worker_state.h"

void
ch1_body_timeout(struct client_h1 *c)
{
	session_timeout(&c->session,
	    (uint64_t)session_settings(&c->session)->timeouts.body * 1000u);
}

void
ch1_tunnel_timeout(struct client_h1 *c)
{
	session_timeout(&c->session,
	    (uint64_t)session_settings(&c->session)->timeouts.tunnel * 1000u);
}

void
ch1_free(struct dead *d)
{
	struct client_h1 *c =
	    (struct client_h1 *)((char *)d -
				 offsetof(struct client_h1, session.dead));

	CHECK_OBJ(&c->base, CLIENT_MAGIC);
	CHECK(c->state == CH1_CLOSED && c->txn == NULL);
	c->session.magic = c->base.magic = 0;
	fifo_free(&c->in);
	free(c);
}

void
ch1_drop_intake(struct client_h1 *c)
{
	if (c->intake == NULL)
		return;
	h1_intake_end(c->intake);
	free(c->intake);
	c->intake = NULL;
}

void
ch1_close(struct client_h1 *c)
{
	struct txn *t = c->txn;

	if (c->state == CH1_CLOSED)
		return;
	c->state = CH1_CLOSED;
	c->txn = NULL;
	if (t != NULL)
		txn_client_gone(t);
	ch1_drop_intake(c);
	session_close(&c->session, ch1_free);
}

void
ch1_finish(struct client_h1 *c, bool all_read)
{
	conn_flush(session_loop(&c->session));
	if (c->state == CH1_CLOSED)
		return;
	if (all_read && fifo_empty(&c->in) &&
	    !conn_maybe_more(c->session.conn) &&
	    conn_backlog(c->session.conn) == 0) {
		ch1_close(c);
		return;
	}
	c->state = CH1_LINGER;
	fifo_free(&c->in);
	conn_shutdown(c->session.conn);
	session_timeout(&c->session,
	    conn_backlog(c->session.conn) > 0
		? (uint64_t)session_settings(&c->session)->timeouts.body * 1000u
		: CH1_LINGER_US);
	conn_resume(c->session.conn);
	conn_kick(c->session.conn);
}

void
ch1_idle(struct client_h1 *c)
{
	uint64_t idle_us =
	    (uint64_t)session_settings(&c->session)->timeouts.idle * 1000u;

	c->state = CH1_IDLE;
	session_timeout(&c->session,
	    c->session.worker->draining ? CH1_DRAIN_IDLE_US : idle_us);
}

void
ch1_next(struct client_h1 *c)
{
	conn_flush(session_loop(&c->session));
	if (c->state == CH1_CLOSED)
		return;
	if (conn_backlog(c->session.conn) > 0) {
		c->state = CH1_WAIT; /* its next turn is CONN_DRAINED */
		ch1_body_timeout(c);
		return;
	}
	c->scanned = 0;
	c->held = false;
	ch1_idle(c);
	conn_resume(c->session.conn);
	if (!fifo_empty(&c->in))
		conn_kick(c->session.conn);
}
