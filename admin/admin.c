/* The admin API's server: evhttp on our own sockets, calls to the dispatcher.
 */
#include "admin/admin.h"

#include <errno.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/listener.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "admin/call.h"
#include "admin/endpoints.h"
#include "admin/socket.h"
#include "admin/streams.h"
#include "base/check.h"
#include "base/log.h"
#include "conf/settings.h"
#include "control/control.h"

#define ADMIN_MAGIC 0xad310001u

/* A requester that sends or reads nothing for so long is cut, in seconds. */
#define REQUESTER_TIMEOUT 30
#define HEAD_MAX	  (64 * 1024)
/* How long to wait when no file descriptor is left, in seconds. */
#define ACCEPT_PAUSE 1

#define LISTENERS_MAX 2

struct admin {
	unsigned magic;
	struct control *control;
	struct evhttp *http;
	struct unix_socket socket;
	struct evconnlistener *listeners[LISTENERS_MAX]; /* evhttp's */
	size_t nlisteners;
	struct event *resume; /* fires all the time */
	struct call_list calls;
	struct streams *streams;
};

static void
on_request(struct evhttp_request *request, void *arg)
{
	struct admin *a = arg;
	struct call *c;

	CHECK_OBJ(a, ADMIN_MAGIC);
	c = call_new(&a->calls, a->control, a->streams, request);
	if (c == NULL)
		evhttp_send_reply(request, HTTP_INTERNAL, NULL, NULL);
	else
		endpoints_dispatch(c);
}

/*
 * Without a pause the loop would spin on the one connection it cannot take.
 * The argument is evhttp's, so on_resume() cannot be told which it was.
 */
static void
on_accept_error(struct evconnlistener *listener, void *arg)
{
	(void)arg;
	log_warn("admin: cannot accept: %s", strerror(errno));
	evconnlistener_disable(listener);
}

static void
on_resume(evutil_socket_t fd, short events, void *arg)
{
	struct admin *a = arg;

	(void)fd;
	(void)events;
	CHECK_OBJ(a, ADMIN_MAGIC);
	for (size_t i = 0; i < a->nlisteners; i++)
		evconnlistener_enable(a->listeners[i]);
}

static int
start_resume(struct admin *a)
{
	const struct timeval every = {ACCEPT_PAUSE, 0};

	a->resume =
	    event_new(control_base(a->control), -1, EV_PERSIST, on_resume, a);
	if (a->resume == NULL)
		return -1;
	return event_add(a->resume, &every);
}

/*
 * One that closes its socket itself, when it polls it no longer. evhttp closes
 * it before: by then a worker may have accepted another one of that number.
 */
static struct bufferevent *
new_requester(struct event_base *base, void *arg)
{
	(void)arg;
	return bufferevent_socket_new(base, -1, BEV_OPT_CLOSE_ON_FREE);
}

/* The fd is evhttp's afterwards, also on failure. */
static int
serve(struct admin *a, int fd)
{
	struct evhttp_bound_socket *bound;
	struct evconnlistener *listener;

	CHECK(a->nlisteners < LISTENERS_MAX);
	bound = evhttp_accept_socket_with_handle(a->http, fd);
	if (bound == NULL) {
		close(fd);
		return -1;
	}
	listener = evhttp_bound_socket_get_listener(bound);
	evconnlistener_set_error_cb(listener, on_accept_error);
	a->listeners[a->nlisteners++] = listener;
	return 0;
}

static int
listen_all(struct admin *a, char *why, size_t why_size)
{
	const struct settings *settings = control_settings(a->control);
	int fd;

	snprintf(why, why_size, "admin: out of memory");
	if (settings->admin_socket != NULL) {
		if (socket_bind_unix(settings->admin_socket, &a->socket, why,
			why_size) != 0 ||
		    serve(a, a->socket.fd) != 0)
			return -1;
	}
	if (settings->admin.len == 0)
		return 0;
	fd = socket_bind_tcp(&settings->admin, why, why_size);
	return fd >= 0 ? serve(a, fd) : -1;
}

struct admin *
admin_new(struct control *c, char *why, size_t why_size)
{
	struct admin *a = calloc(1, sizeof *a);

	snprintf(why, why_size, "admin: out of memory");
	if (a == NULL)
		return NULL;
	a->magic = ADMIN_MAGIC;
	a->control = c;
	LIST_INIT(&a->calls);
	a->http = evhttp_new(control_base(c));
	a->streams = streams_new(c);
	if (a->http == NULL || a->streams == NULL)
		goto fail;
	evhttp_set_bevcb(a->http, new_requester, NULL);
	evhttp_set_gencb(a->http, on_request, a);
	evhttp_set_timeout(a->http, REQUESTER_TIMEOUT);
	evhttp_set_max_headers_size(a->http, HEAD_MAX);
	/* Ours is answered in JSON; evhttp's own refusal is a page of HTML. */
	evhttp_set_max_body_size(a->http, 4 * CALL_BODY_MAX);
	/* All it knows: the dispatcher says which are allowed where. */
	evhttp_set_allowed_methods(a->http, UINT16_MAX);
	if (start_resume(a) != 0 || listen_all(a, why, why_size) != 0)
		goto fail;
	return a;

fail:
	admin_free(a);
	return NULL;
}

void
admin_free(struct admin *a)
{
	if (a == NULL)
		return;
	CHECK_OBJ(a, ADMIN_MAGIC);
	call_abandon(&a->calls);
	streams_free(a->streams);
	socket_unlink(&a->socket);
	if (a->resume != NULL)
		event_free(a->resume);
	if (a->http != NULL)
		evhttp_free(a->http);
	a->magic = 0;
	free(a);
}
