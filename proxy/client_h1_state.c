/* How a client's connection goes from request to request, and ends. */
#include "proxy/client_h1_state.h"

#include <stdlib.h>

#include "base/check.h"
#include "conf/settings.h"
#include "proxy/client_table.h"
#include "proxy/conn.h"
#include "proxy/listener.h"
#include "proxy/txn.h"
#include "proxy/worker_state.h"

struct loop *
ch1_loop(struct client_h1 *c)
{
	return &c->base.worker->loop;
}

const struct settings *
ch1_settings(const struct client_h1 *c)
{
	return c->base.worker->settings;
}

void
ch1_timeout(struct client_h1 *c, uint64_t us)
{
	conn_deadline(c->conn, loop_now(ch1_loop(c)) + us);
}

void
ch1_body_timeout(struct client_h1 *c)
{
	ch1_timeout(c, (uint64_t)ch1_settings(c)->timeouts.body * 1000u);
}

void
ch1_tunnel_timeout(struct client_h1 *c)
{
	ch1_timeout(c, (uint64_t)ch1_settings(c)->timeouts.tunnel * 1000u);
}

static void
ch1_free(struct dead *d)
{
	struct client_h1 *c =
	    (struct client_h1 *)((char *)d -
				 offsetof(struct client_h1, base.dead));

	CHECK_OBJ(&c->base, CLIENT_MAGIC);
	CHECK(c->state == CH1_CLOSED && c->txn == NULL);
	c->base.magic = 0;
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
	struct worker *w = c->base.worker;
	struct txn *t = c->txn;

	if (c->state == CH1_CLOSED)
		return;
	c->state = CH1_CLOSED;
	c->txn = NULL;
	if (t != NULL)
		txn_client_gone(t);
	conn_close(c->conn);
	fifo_free(&c->in);
	ch1_drop_intake(c);
	if (c->counted)
		client_table_leave(
		    w->client_table, c->base.family, c->base.address);
	TAILQ_REMOVE(&w->clients, &c->base, link);
	w->nclients--;
	atomic_fetch_sub_explicit(
	    &c->base.listener->connections, 1, memory_order_relaxed);
	loop_bury(&w->loop, &c->base.dead, ch1_free);
}

void
ch1_finish(struct client_h1 *c, bool all_read)
{
	conn_flush(ch1_loop(c));
	if (c->state == CH1_CLOSED)
		return;
	if (all_read && fifo_empty(&c->in) && !conn_maybe_more(c->conn) &&
	    conn_backlog(c->conn) == 0) {
		ch1_close(c);
		return;
	}
	c->state = CH1_LINGER;
	fifo_free(&c->in);
	conn_shutdown(c->conn);
	ch1_timeout(c, conn_backlog(c->conn) > 0
			   ? (uint64_t)ch1_settings(c)->timeouts.body * 1000u
			   : CH1_LINGER_US);
	conn_resume(c->conn);
	conn_kick(c->conn);
}

void
ch1_next(struct client_h1 *c)
{
	uint64_t idle = (uint64_t)ch1_settings(c)->timeouts.idle * 1000u;

	conn_flush(ch1_loop(c));
	if (c->state == CH1_CLOSED)
		return;
	if (conn_backlog(c->conn) > 0) { /* its next turn is CONN_DRAINED */
		c->state = CH1_WAIT;
		ch1_body_timeout(c);
		return;
	}
	c->state = CH1_IDLE;
	c->scanned = 0;
	c->held = false;
	if (c->base.worker->draining)
		idle = CH1_DRAIN_IDLE_US;
	ch1_timeout(c, idle);
	conn_resume(c->conn);
	if (!fifo_empty(&c->in))
		conn_kick(c->conn);
}
