/*
 * A bufferevent, one timer over all of it, and as much of the answer as its
 * status line needs.
 */
#include "control/webhook.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/address.h"
#include "base/check.h"
#include "base/span.h"

#define WEBHOOK_MAGIC 0x3eb40001u
/* Of the answer's head; interim answers are skipped. */
#define ANSWER_MAX 16384u

struct webhook {
	unsigned magic;
	struct bufferevent *bev;
	struct event deadline;
	uint32_t timeout_ms;
	webhook_done *done;
	void *arg;
};

void
webhook_cancel(struct webhook *w)
{
	if (w == NULL)
		return;
	CHECK_OBJ(w, WEBHOOK_MAGIC);
	evtimer_del(&w->deadline);
	if (w->bev != NULL)
		bufferevent_free(w->bev);
	w->magic = 0;
	free(w);
}

static void
finish(struct webhook *w, int status, const char *why)
{
	webhook_done *done = w->done;
	void *arg = w->arg;

	webhook_cancel(w);
	done(arg, status, why);
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

static void
on_event(struct bufferevent *bev, short what, void *arg)
{
	struct webhook *w = arg;

	(void)bev;
	CHECK_OBJ(w, WEBHOOK_MAGIC);
	if (what & BEV_EVENT_EOF)
		finish(w, 0, "it closed the connection without an answer");
	else if (what & BEV_EVENT_ERROR)
		finish(
		    w, 0, evutil_socket_error_to_string(EVUTIL_SOCKET_ERROR()));
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

/* "http://127.0.0.1:80/path?query" into "127.0.0.1:80" and "/path?query". */
static bool
split_url(const char *url, struct span *host, const char **path)
{
	static const char scheme[] = "http://";
	const char *p;

	if (strncmp(url, scheme, sizeof scheme - 1) != 0)
		return false;
	p = url + sizeof scheme - 1;
	*host = (struct span){p, strcspn(p, "/?#")};
	*path = p + host->n;
	return **path == '/';
}

static int
begin(struct webhook *w, struct event_base *base, struct span host,
    const char *path, const char *body)
{
	const struct timeval limit = {
	    w->timeout_ms / 1000, (suseconds_t)(w->timeout_ms % 1000) * 1000};
	struct address to;

	if (!address_parse(host, &to) || address_is_unix(&to)) {
		errno = EDESTADDRREQ;
		return -1;
	}
	w->bev = bufferevent_socket_new(
	    base, -1, BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS);
	if (w->bev == NULL)
		return -1;
	bufferevent_setcb(w->bev, on_read, NULL, on_event, w);
	if (evbuffer_add_printf(bufferevent_get_output(w->bev),
		"POST %s HTTP/1.1\r\n"
		"Host: %.*s\r\n"
		"Content-Type: application/json\r\n"
		"Content-Length: %zu\r\n"
		"User-Agent: shunt\r\n"
		"Connection: close\r\n"
		"\r\n%s",
		path, SPAN_ARG(host), strlen(body), body) < 0 ||
	    bufferevent_enable(w->bev, EV_READ | EV_WRITE) < 0 ||
	    evtimer_add(&w->deadline, &limit) < 0)
		return -1;
	return bufferevent_socket_connect(
	    w->bev, (struct sockaddr *)&to.sa, (int)to.len);
}

struct webhook *
webhook_post(struct event_base *base, const char *url, const char *body,
    uint32_t timeout_ms, webhook_done *done, void *arg, char *why,
    size_t why_size)
{
	struct webhook *w = calloc(1, sizeof *w);
	const char *path;
	struct span host;

	snprintf(why, why_size, "out of memory");
	if (w == NULL)
		return NULL;
	w->magic = WEBHOOK_MAGIC;
	w->timeout_ms = timeout_ms;
	w->done = done;
	w->arg = arg;
	evtimer_assign(&w->deadline, base, on_deadline, w);
	if (!split_url(url, &host, &path)) {
		snprintf(why, why_size, "no http://host:port/path: %s", url);
		webhook_cancel(w);
		return NULL;
	}
	errno = ENOMEM;
	if (begin(w, base, host, path, body) < 0) {
		snprintf(why, why_size, "%s", strerror(errno));
		webhook_cancel(w);
		return NULL;
	}
	return w;
}
