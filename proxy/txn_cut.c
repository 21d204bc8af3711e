/* The end of transactions whose pod goes away, by order of main. */
#include "proxy/txn_cut.h"

#include "base/check.h"
#include "proxy/client.h"
#include "proxy/txn_state.h"
#include "proxy/worker_state.h"
#include "router/pod.h"

static void
cut_tunnel(struct txn *t)
{
	struct client *c = t->relay.client;

	t->reason = ERR_POD_REMOVED;
	txn_end(t);
	c->ops->end_tunnel(c);
}

static void
cut_request(struct txn *t)
{
	struct client *c = t->relay.client;

	if (t->state != TXN_RECEIVE) {
		txn_reply(t, ERR_POD_REMOVED);
		return;
	}
	t->reason = ERR_POD_REMOVED;
	txn_end(t);
	c->ops->reset(c, ERR_POD_REMOVED);
}

unsigned
txn_cut(struct worker *w, struct pod *pod, bool everything)
{
	struct pod_slot *slot = &pod->slots[w->index];
	struct txn *t, *next;
	unsigned n = 0;

	for (t = LIST_FIRST(&slot->txns); t != NULL; t = next) {
		CHECK_OBJ(t, TXN_MAGIC);
		next = LIST_NEXT(t, pod_link);
		if (t->state == TXN_TUNNEL)
			cut_tunnel(t);
		else if (everything)
			cut_request(t);
		else
			continue;
		n++;
	}
	return n;
}
