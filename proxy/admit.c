/* From a parsed head to a service, or to our own answer. */
#include "proxy/admit.h"

#include "base/arena.h"
#include "conf/settings.h"
#include "proxy/client_address.h"
#include "proxy/http.h"
#include "proxy/redirect.h"
#include "router/plan.h"
#include "router/route.h"
#include "router/route_table.h"

static struct span
scheme_of(const struct arrival *from)
{
	return from->tls ? SPAN("https") : SPAN("http");
}

/* p == NULL when the arena is at its end. */
static struct span
write_head(const struct h1_head *h, const struct request *r,
    const struct http_forward *f, struct arena *arena)
{
	char *buf = arena_alloc(arena, http_request_size(h, f));

	if (buf == NULL)
		return SPAN_NONE;
	return (struct span){buf, http_write_request(buf, h, r, f)};
}

/* What the route changes of the request; false without room. */
static bool
change(const struct route_action *action, const struct request *r,
    struct arena *arena, struct http_forward *f)
{
	char *buf;

	if (action->request.n > 0)
		f->edits = &action->request;
	if (action->redirect != 0) /* the others are its Location's */
		return true;
	if (action->host != NULL)
		f->host = span_of(action->host);
	if (action->change == PATH_KEEP)
		return true;
	buf = arena_alloc(arena, route_path_size(action, r->path));
	if (buf == NULL)
		return false;
	f->path = (struct span){buf, route_path_write(buf, action, r->path)};
	return true;
}

/* Composes what the pod gets, once for all attempts. */
static enum err
compose(const struct arrival *from, const struct h1_head *h,
    const struct request *r, struct arena *arena, struct admission *a)
{
	const struct forward *forward = &from->settings->forward;
	bool changed = a->action != NULL;
	struct http_forward f = {
	    .client_ip = from->ip,
	    .client_subject = from->subject,
	    .scheme = scheme_of(from),
	    .trusted = http_trusted(forward, from->family, from->address),
	    .x_forwarded = forward->x_forwarded,
	    .via = forward->via,
	    .upgrade = http_wants_upgrade(h),
	};

	if (!changed || from->logged)
		a->asked = a->head = write_head(h, r, &f, arena);
	if (changed) {
		if (!change(a->action, r, arena, &f))
			return ERR_HEAD_TOO_LARGE;
		a->head = write_head(h, r, &f, arena);
	}
	return a->head.p != NULL ? ERR_NONE : ERR_HEAD_TOO_LARGE;
}

/* What we answer without asking a pod. */
static enum err
check_limits(const struct limits *l, const struct h1_head *h)
{
	if (h->target.n > l->uri_bytes)
		return ERR_URI_TOO_LONG;
	if (l->body_bytes > 0 && h->body == H1_BODY_LENGTH &&
	    h->length > l->body_bytes)
		return ERR_BODY_TOO_LARGE;
	if (http_last_hop(h))
		return span_eq(h->method, SPAN("TRACE")) ? ERR_NOT_IMPLEMENTED
							 : ERR_LAST_HOP;
	return ERR_NONE;
}

static enum err
redirect_error(int status)
{
	switch (status) {
	case 301:
		return ERR_REDIRECT_301;
	case 303:
		return ERR_REDIRECT_303;
	case 307:
		return ERR_REDIRECT_307;
	case 308:
		return ERR_REDIRECT_308;
	default:
		return ERR_REDIRECT_302;
	}
}

/* After a 301 a client may go on with GET, whatever it was: RFC 9110 15.4.2 */
static enum err
redirect(const struct request *r, uint16_t port, struct arena *arena,
    struct admission *a)
{
	char *buf;

	if (r->host.n == 0)
		return ERR_BAD_REQUEST;
	buf = arena_alloc(arena, redirect_size(r));
	if (buf == NULL)
		return ERR_HEAD_TOO_LARGE;
	a->location = (struct span){buf, redirect_write(buf, r, port)};
	return span_eq(r->method, SPAN("GET")) ||
		       span_eq(r->method, SPAN("HEAD"))
		   ? ERR_USE_HTTPS
		   : ERR_USE_HTTPS_ALIKE;
}

/* The same by a route; ERR_NONE where the request is there already. */
static enum err
redirect_route(const struct arrival *from, const struct request *r,
    struct arena *arena, struct admission *a)
{
	char *buf;

	if (a->action->host == NULL && r->host.n == 0)
		return ERR_BAD_REQUEST;
	buf = arena_alloc(arena, redirect_route_size(r, a->action));
	if (buf == NULL)
		return ERR_HEAD_TOO_LARGE;
	a->location.p = buf;
	a->location.n =
	    redirect_route_write(buf, r, scheme_of(from), a->action);
	return a->location.n > 0 ? redirect_error(a->action->redirect)
				 : ERR_NONE;
}

static void
find_route(
    const struct plan *plan, const struct request *r, struct admission *a)
{
	a->service = plan_match(plan, r, &a->route);
	if (a->route != NULL)
		a->action = a->route->action;
}

enum err
admit_request(const struct arrival *from, const struct plan *plan,
    const struct h1_head *h, struct arena *arena, struct request *r,
    struct admission *a)
{
	enum err e = http_read_request(h, r);

	*a = (struct admission){0};
	if (r->authority.n == 0) /* HTTP/1.0 may: RFC 9112 3.3 */
		r->authority = from->listener;
	client_address_find(
	    r, &from->settings->forward, from->family, from->address);
	if (e == ERR_NONE && from->redirect_port == 0)
		find_route(plan, r, a);
	if (e == ERR_NONE)
		e = compose(from, h, r, arena, a);
	if (e == ERR_NONE)
		e = check_limits(&from->settings->limits, h);
	if (e != ERR_NONE)
		return e;
	if (from->redirect_port != 0)
		return redirect(r, from->redirect_port, arena, a);
	if (a->action != NULL && a->action->redirect != 0)
		return redirect_route(from, r, arena, a);
	return a->service == NULL ? ERR_NO_ROUTE : ERR_NONE;
}
