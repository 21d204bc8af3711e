/* Composing response heads for clients. */
#include "proxy/answer.h"

#include "base/check.h"
#include "conf/settings.h"
#include "proxy/edits.h"
#include "proxy/txn_state.h"
#include "proxy/worker_state.h"
#include "router/plan.h"
#include "router/route.h"

/* Of fields that are ours: X-Shunt-Version, a newcomer's Set-Cookie. */
#define OURS_MAX 2u

_Static_assert(EDITS_MAX + OURS_MAX <= WORKER_FIELDS_ADDED, "room for fields");

static const struct edits no_edits;

static void
add(struct h1_head *h, struct span name, struct span value)
{
	CHECK(h->nfields < h->max_fields);
	h->fields[h->nfields++] = (struct field){name, value, FIELD_OTHER};
}

/* The routes' edits are written down already: no field of ours gives way. */
static void
add_version(struct txn *t, struct h1_head *h)
{
	const struct span name = SPAN("X-Shunt-Version");
	unsigned n = 0;

	for (unsigned i = 0; i < h->nfields; i++)
		if (!span_eq_nocase(h->fields[i].name, name))
			h->fields[n++] = h->fields[i];
	h->nfields = n;
	add(h, name, span_of(t->version->name));
}

const struct h1_head *
answer_head(struct txn *t, const struct h1_head *h, struct h1_head *out)
{
	const struct edits *edits = &no_edits;
	const bool version = t->worker->settings->forward.version;
	const bool newcomer = t->newcomer.n > 0 && h->status != 101;

	if (t->action != NULL)
		edits = &t->action->response;
	if (edits->n == 0 && !version && !newcomer)
		return h;
	edits_apply(edits, h, t->worker->edited,
	    h->nfields + EDITS_MAX + OURS_MAX, out);
	if (version)
		add_version(t, out);
	if (newcomer)
		add(out, SPAN("Set-Cookie"), t->newcomer);
	return out;
}
