/* Composing response heads for clients. */
#include "proxy/answer.h"

#include "base/check.h"
#include "base/clock.h"
#include "conf/settings.h"
#include "proxy/client.h"
#include "proxy/conn.h"
#include "proxy/edits.h"
#include "proxy/session.h"
#include "proxy/set_cookie.h"
#include "proxy/txn_state.h"
#include "proxy/worker_state.h"
#include "router/choose.h"
#include "router/plan.h"
#include "router/pod.h"
#include "router/route.h"
#include "router/sticky.h"

/* Of fields that are ours: X-Shunt-Version, the Set-Cookie of a newcomer and
 * that of a sticky version. */
#define OURS_MAX 3u

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

/* Whether the client is to get a cookie for who has answered. */
static bool
wants_cookie(const struct txn *t)
{
	if (t->version != t->stuck)
		return false;
	switch ((enum choice_cookie)t->cookie) {
	case COOKIE_LEAVE:
		return false;
	case COOKIE_KEEP:
		return t->service->terms->sticky.pod &&
		       t->tried[t->ntried - 1] != t->stuck_pod;
	case COOKIE_ISSUE:
		return true;
	}
	WRONG("order for a cookie");
}

/* Empty without memory: who gets none is chosen for anew. */
static struct span
write_cookie(struct txn *t)
{
	const struct sticky *s = &t->service->terms->sticky;
	struct sticky_mark mark = {
	    .version = span_of(t->version->name),
	    .epoch = t->version->epoch,
	    .expires_s = clock_wall_us() / 1000000 + s->ttl_s,
	};
	char text[STICKY_TEXT_MAX], *p = t->worker->cookie;
	size_t n;

	if (s->pod)
		mark.pod =
		    sticky_pod_id(s->key, &t->tried[t->ntried - 1]->address);
	n = sticky_write(s->key, span_of(t->service->name), &mark, text);
	if (n == 0)
		return SPAN_NONE;
	CHECK(strlen(s->name) + 1 + n + SET_COOKIE_ATTRIBUTES <=
	      sizeof t->worker->cookie);
	p = span_put(p, span_of(s->name));
	*p++ = '=';
	p = span_put(p, (struct span){text, n});
	p += set_cookie_attributes(
	    p, s->ttl_s, conn_is_tls(t->relay.client->session->conn));
	return (struct span){
	    t->worker->cookie, (size_t)(p - t->worker->cookie)};
}

/* Beside those that the pod sets. */
static void
add_cookie(struct txn *t, struct h1_head *h)
{
	struct span cookie = write_cookie(t);

	if (cookie.n > 0)
		add(h, SPAN("Set-Cookie"), cookie);
}

const struct h1_head *
answer_head(struct txn *t, const struct h1_head *h, struct h1_head *out)
{
	const struct edits *edits = &no_edits;
	const bool version = t->worker->settings->forward.version;
	const bool newcomer = t->newcomer.n > 0;
	const bool cookie = wants_cookie(t);

	if (t->action != NULL)
		edits = &t->action->response;
	if (edits->n == 0 && !version && !newcomer && !cookie)
		return h;
	edits_apply(edits, h, t->worker->edited,
	    h->nfields + EDITS_MAX + OURS_MAX, out);
	if (version)
		add_version(t, out);
	if (newcomer)
		add(out, SPAN("Set-Cookie"), t->newcomer);
	if (cookie)
		add_cookie(t, out);
	return out;
}
