/*
 * A lookup where the host is a name, a connection, TLS on it where the URL says
 * so, one timer over all of it, and as much of the answer as its status line
 * needs.
 */
#include "control/webhook.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/address.h"
#include "base/check.h"
#include "base/span.h"
#include "control/lookup.h"
#include "control/webhook_tls.h"

#define WEBHOOK_MAGIC 0x3eb40001u
/* Of the answer's head; interim answers are skipped. */
#define ANSWER_MAX 16384u

struct webhook {
	unsigned magic;
	struct event_base *base;
	struct lookup *lookup;
	struct bufferevent *bev;
	struct event deadline;
	uint32_t timeout_ms;
	webhook_done *done;
	void *arg;
	bool tls, numeric;
	bool connected; /* no other address is tried any more */
	char *host;	/* without brackets */
	char *request;
	struct address to[LOOKUP_MAX];
	size_t nto, next; /* of these the one to be tried next */
	char why[400];
};

void
webhook_cancel(struct webhook *w)
{
	if (w == NULL)
		return;
	CHECK_OBJ(w, WEBHOOK_MAGIC);
	evtimer_del(&w->deadline);
	lookup_cancel(w->lookup);
	if (w->bev != NULL)
		bufferevent_free(w->bev);
	free(w->host);
	free(w->request);
	w->magic = 0;
	free(w);
}

/* The words may be the call's own. */
static void
finish(struct webhook *w, int status, const char *why)
{
	webhook_done *done = w->done;
	void *arg = w->arg;
	char words[sizeof w->why];

	snprintf(words, sizeof words, "%s", why);
	webhook_cancel(w);
	done(arg, status, words);
}

/* The status of "HTTP/1.1 200 OK"; -1 when it is no such line. */
static int
status_of(struct span line)
{
	struct span version = span_cut(&line, ' ');
	struct span digits = {line.p, line.n < 3 ? line.n : 3};
	uint64_t status;

	if (version.n != 8 || memcmp(version.p, "HTTP/1.", 7) != 0 ||
	    digits.p == NULL || !span_to_u64(digits, &status) ||
	    digits.n != 3 || (line.n > 3 && line.p[3] != ' ') || status < 100)
		return -1;
	return (int)status;
}

/* Behind the head of an interim answer, which ends with an empty line. */
static void
skip_head(struct evbuffer *in)
{
	size_t n;
	char *line;

	while ((line = evbuffer_readln(in, &n, EVBUFFER_EOL_CRLF)) != NULL) {
		free(line);
		if (n == 0)
			return;
	}
}

static void
on_read(struct bufferevent *bev, void *arg)
{
	struct webhook *w = arg;
	struct evbuffer *in = bufferevent_get_input(bev);
	size_t n;
	char *line;
	int status = 0;

	CHECK_OBJ(w, WEBHOOK_MAGIC);
	while (evbuffer_search(in, "\r\n\r\n", 4, NULL).pos >= 0) {
		line = evbuffer_readln(in, &n, EVBUFFER_EOL_CRLF);
		status = line != NULL ? status_of((struct span){line, n}) : -1;
		free(line);
		if (status < 0 || status >= 200 || status == 101)
			break;
		skip_head(in);
		status = 0;
	}
	if (status > 0)
		finish(w, status, "");
	else if (status < 0)
		finish(w, 0, "its answer is no HTTP/1");
	else if (evbuffer_get_length(in) > ANSWER_MAX)
		finish(w, 0, "its answer has too long a head");
}

static void on_event(struct bufferevent *bev, short what, void *arg);

static void
say(struct webhook *w, const char *why)
{
	snprintf(w->why, sizeof w->why, "%s", why);
}

/* To the first of the addresses that are left; false when none is. */
static bool
connect_next(struct webhook *w)
{
	while (w->next < w->nto) {
		const struct address *to = &w->to[w->next++];

		if (w->bev != NULL)
			bufferevent_free(w->bev);
		w->bev = bufferevent_socket_new(w->base, -1,
		    BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS);
		if (w->bev == NULL) {
			say(w, "out of memory");
			return false;
		}
		bufferevent_setcb(w->bev, on_read, NULL, on_event, w);
		if (bufferevent_socket_connect(w->bev,
			(const struct sockaddr *)&to->sa, (int)to->len) == 0)
			return true;
		say(w, strerror(errno));
	}
	return false;
}

/* The socket goes from one bufferevent to the other. */
static bool
begin_tls(struct webhook *w)
{
	const evutil_socket_t fd = bufferevent_getfd(w->bev);
	struct bufferevent *tls =
	    webhook_tls_new(w->base, fd, w->host, w->numeric);

	if (tls == NULL)
		return false;
	bufferevent_setfd(w->bev, -1);
	bufferevent_free(w->bev);
	w->bev = tls;
	bufferevent_setcb(tls, on_read, NULL, on_event, w);
	return true;
}

static void
on_connected(struct webhook *w)
{
	if (w->connected) /* and now TLS stands, too */
		return;
	w->connected = true;
	if ((w->tls && !begin_tls(w)) ||
	    bufferevent_write(w->bev, w->request, strlen(w->request)) < 0 ||
	    bufferevent_enable(w->bev, EV_READ | EV_WRITE) < 0)
		finish(w, 0, "out of memory");
}

static void
on_event(struct bufferevent *bev, short what, void *arg)
{
	struct webhook *w = arg;
	const char *error =
	    evutil_socket_error_to_string(EVUTIL_SOCKET_ERROR());
	const char *tls = NULL;

	CHECK_OBJ(w, WEBHOOK_MAGIC);
	if (what & BEV_EVENT_CONNECTED) {
		on_connected(w);
		return;
	}
	if (!w->connected) {
		say(w, error);
		if (!connect_next(w))
			finish(w, 0, w->why);
		return;
	}
	if (w->tls)
		tls = webhook_tls_reason(bev);
	if (tls != NULL)
		error = tls;
	else if (what & BEV_EVENT_EOF)
		error = "it closed the connection without an answer";
	say(w, error);
	finish(w, 0, w->why);
}

static void
on_found(void *arg, const struct address *list, size_t n, const char *why)
{
	struct webhook *w = arg;

	CHECK_OBJ(w, WEBHOOK_MAGIC);
	w->lookup = NULL;
	memcpy(w->to, list, n * sizeof *list);
	w->nto = n;
	snprintf(w->why, sizeof w->why, "%s: %s", w->host, why);
	if (!connect_next(w))
		finish(w, 0, w->why);
}

static void
on_deadline(evutil_socket_t fd, short what, void *arg)
{
	struct webhook *w = arg;
	char why[64];

	(void)fd;
	(void)what;
	CHECK_OBJ(w, WEBHOOK_MAGIC);
	snprintf(why, sizeof why, "no answer within %u ms", w->timeout_ms);
	finish(w, 0, why);
}

/* A URL as conf/read_hooks.c writes it. */
struct target {
	bool tls;
	struct span authority; /* host:port */
	struct span host;      /* perhaps in brackets */
	uint64_t port;
	const char *path;
};

static bool
split_url(const char *url, struct target *t)
{
	static const char plain[] = "http://", secure[] = "https://";
	const char *p, *colon;

	t->tls = strncmp(url, secure, sizeof secure - 1) == 0;
	if (!t->tls && strncmp(url, plain, sizeof plain - 1) != 0)
		return false;
	p = url + (t->tls ? sizeof secure : sizeof plain) - 1;
	t->authority = (struct span){p, strcspn(p, "/?#")};
	t->path = p + t->authority.n;
	colon = memrchr(p, ':', t->authority.n);
	if (colon == NULL || *t->path != '/')
		return false;
	t->host = (struct span){p, (size_t)(colon - p)};
	return span_to_u64(
		   (struct span){colon + 1, (size_t)(t->path - colon) - 1},
		   &t->port) &&
	       t->port > 0 && t->port <= UINT16_MAX;
}

/* The port of the scheme is left out of Host (RFC 9110 4.2.3). */
static char *
make_request(const struct target *t, const char *body)
{
	const bool usual = t->port == (t->tls ? 443u : 80u);
	const struct span host = usual ? t->host : t->authority;
	char *text;

	if (asprintf(&text,
		"POST %s HTTP/1.1\r\n"
		"Host: %.*s\r\n"
		"Content-Type: application/json\r\n"
		"Content-Length: %zu\r\n"
		"User-Agent: shunt\r\n"
		"Connection: close\r\n"
		"\r\n%s",
		t->path, SPAN_ARG(host), strlen(body), body) < 0)
		return NULL;
	return text;
}

/* False with the reason in w->why. */
static bool
begin(struct webhook *w, const struct resolver_settings *settings,
    const struct target *t)
{
	const struct timeval limit = {
	    w->timeout_ms / 1000, (suseconds_t)(w->timeout_ms % 1000) * 1000};
	const bool brackets = t->host.n > 1 && t->host.p[0] == '[';

	w->tls = t->tls;
	w->numeric = address_parse(t->authority, &w->to[0]);
	w->host = strndup(t->host.p + brackets, t->host.n - (brackets ? 2 : 0));
	if (w->host == NULL || w->request == NULL ||
	    evtimer_add(&w->deadline, &limit) < 0) {
		snprintf(w->why, sizeof w->why, "out of memory");
		return false;
	}
	if (w->numeric) {
		w->nto = 1;
		return connect_next(w);
	}
	w->lookup = lookup_begin(w->base, settings, w->host, (uint16_t)t->port,
	    on_found, w, w->why, sizeof w->why);
	return w->lookup != NULL;
}

struct webhook *
webhook_post(struct event_base *base, const struct resolver_settings *settings,
    const char *url, const char *body, uint32_t timeout_ms, webhook_done *done,
    void *arg, char *why, size_t why_size)
{
	struct webhook *w = calloc(1, sizeof *w);
	struct target t;

	snprintf(why, why_size, "out of memory");
	if (w == NULL)
		return NULL;
	w->magic = WEBHOOK_MAGIC;
	w->base = base;
	w->timeout_ms = timeout_ms;
	w->done = done;
	w->arg = arg;
	evtimer_assign(&w->deadline, base, on_deadline, w);
	if (!split_url(url, &t)) {
		snprintf(why, why_size, "no http://host:port/path: %s", url);
		webhook_cancel(w);
		return NULL;
	}
	w->request = make_request(&t, body);
	if (begin(w, settings, &t))
		return w;
	snprintf(why, why_size, "%s", w->why);
	webhook_cancel(w);
	return NULL;
}
