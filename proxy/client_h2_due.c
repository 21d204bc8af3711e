/* When a client's HTTP/2 connection looks at itself and its streams again. */
#include "proxy/client_h2_state.h"
#include "proxy/conn.h"

void
client_h2_look_at(struct client_h2 *c, uint64_t us)
{
	c->due_us = us;
	conn_deadline(c->session.conn, us);
}

void
client_h2_due(struct client_h2 *c, uint64_t us)
{
	if (c->due_us == 0 || c->due_us > us)
		client_h2_look_at(c, us);
}
