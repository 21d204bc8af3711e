/* Following the events of the admin API. */
#include "load/marks.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/address.h"
#include "base/check.h"
#include "base/clock.h"
#include "load/buffer.h"
#include "proxy/h1_parse.h"

#define MARKS_MAGIC 0x10ad0004u
#define FIELDS_MAX  64u
/* One event, or the head; more is not ours. */
#define TEXT_MAX   65536u
#define AGAIN_USEC 500000

struct marks_follower {
	unsigned magic;
	struct event_base *base;
	struct address address;
	struct bufferevent *wire;
	struct event *again;
	uint64_t start_ns;
	bool in_body;
	struct h1_chunks chunks;
	struct buffer text; /* of the body, from the last whole event on */
	char last[32];	    /* the id of the last event */
	struct marks marks;
};

static void follow(struct marks_follower *f);

static void
come_again(struct marks_follower *f, const char *why)
{
	const struct timeval later = {0, AGAIN_USEC};

	snprintf(f->marks.why, sizeof f->marks.why, "%s", why);
	if (f->wire != NULL)
		bufferevent_free(f->wire);
	f->wire = NULL;
	event_add(f->again, &later);
}

static const char *
text_of(const json_t *event, const char *key)
{
	return json_string_value(json_object_get(event, key));
}

/* "shop v2 127.0.0.1:9101: up -> down, refused" */
static char *
describe(const json_t *event)
{
	static const char *const subjects[] = {
	    "service", "version", "pod", "name"};
	const char *from = text_of(event, "from"), *to = text_of(event, "to");
	const char *reason = text_of(event, "reason"), *gap = "";
	struct buffer b = {0};

	for (size_t i = 0; i < 4; i++) {
		const char *subject = text_of(event, subjects[i]);

		if (subject == NULL)
			continue;
		buffer_print(&b, "%s%s", gap, subject);
		gap = " ";
	}
	gap = b.n > 0 ? ": " : "";
	if (to != NULL) {
		buffer_print(&b, "%s%s%s%s", gap, from != NULL ? from : "",
		    from != NULL ? " -> " : "", to);
		gap = ", ";
	}
	if (reason != NULL && reason[0] != '\0')
		buffer_print(&b, "%s%s", gap, reason);
	buffer_add(&b, (struct span){"", 1});
	if (!b.failed)
		return b.p;
	buffer_free(&b);
	return NULL;
}

static void
add_mark(struct marks_follower *f, struct span json)
{
	json_t *event = json_loadb(json.p, json.n, 0, NULL);
	const char *kind = event != NULL ? text_of(event, "kind") : NULL;
	uint64_t now = clock_now_us() * 1000;
	struct mark *m = &f->marks.list[f->marks.n];

	if (kind == NULL || f->marks.n == MARKS_MAX) {
		f->marks.lost += kind != NULL;
		json_decref(event);
		return;
	}
	m->at_ns = now > f->start_ns ? now - f->start_ns : 0;
	m->kind = strdup(kind);
	m->text = describe(event);
	json_decref(event);
	if (m->kind == NULL || m->text == NULL) {
		free(m->kind);
		free(m->text);
		return;
	}
	f->marks.n++;
}

/* One event: lines "id: ..." and "data: ..."; comments begin with a colon. */
static void
take_event(struct marks_follower *f, struct span lines)
{
	while (lines.p != NULL) {
		struct span value = span_cut(&lines, '\n'),
			    name = span_cut(&value, ':');

		value = span_trim(value);
		if (span_eq(name, SPAN("data")))
			add_mark(f, value);
		else if (span_eq(name, SPAN("id")) && value.n < sizeof f->last)
			*span_put(f->last, value) = '\0';
	}
}

/* False when it is no stream of events. */
static bool
take_text(struct marks_follower *f)
{
	const char *end;

	while ((end = span_find(buffer_span(&f->text), SPAN("\n\n"))) != NULL) {
		size_t n = (size_t)(end - f->text.p);

		take_event(f, (struct span){f->text.p, n});
		buffer_consume(&f->text, n + 2);
	}
	return f->text.n < TEXT_MAX && !f->text.failed;
}

/* False when the answer is not what was asked for, and all is said. */
static bool
take_head(struct marks_follower *f, struct span *in)
{
	struct field fields[FIELDS_MAX];
	struct h1_head head;
	char why[64];

	h1_head_init(&head, fields, FIELDS_MAX);
	switch (h1_parse_response(*in, false, &head)) {
	case H1_MORE:
		in->n = 0;
		return true;
	case H1_BAD:
		come_again(f, "the answer is not HTTP");
		return false;
	case H1_DONE:
		break;
	}
	in->p += head.size;
	in->n -= head.size;
	if (head.status == 200 && head.body == H1_BODY_CHUNKED) {
		f->in_body = true;
		f->marks.why[0] = '\0';
		return true;
	}
	snprintf(why, sizeof why, "the admin API answered %d", head.status);
	come_again(f, why);
	return false;
}

/* How much of it was used; (size_t)-1 when the stream is over. */
static size_t
take(struct marks_follower *f, struct span in)
{
	const struct span all = in;
	struct span piece;

	if (!f->in_body && !take_head(f, &in))
		return (size_t)-1;
	if (!f->in_body)
		return 0;
	while (in.n > 0) {
		switch (h1_parse_chunked(&f->chunks, &in, &piece)) {
		case H1_MORE:
			break;
		case H1_BAD:
			come_again(f, "the answer is not HTTP");
			return (size_t)-1;
		case H1_DONE:
			buffer_add(&f->text, piece);
			if (piece.n > 0 && take_text(f))
				break;
			come_again(f, "the stream of events has ended");
			return (size_t)-1;
		}
	}
	return all.n;
}

static void
follower_on_read(struct bufferevent *wire, void *arg)
{
	struct marks_follower *f = arg;
	struct evbuffer *in = bufferevent_get_input(wire);
	size_t n = evbuffer_get_length(in), used;

	CHECK_OBJ(f, MARKS_MAGIC);
	if (n == 0)
		return;
	used = take(f, (struct span){(char *)evbuffer_pullup(in, -1), n});
	if (used == (size_t)-1)
		return;
	evbuffer_drain(in, used);
	if (used == 0 && n >= TEXT_MAX)
		come_again(f, "the answer is not HTTP");
}

static void
follower_on_event(struct bufferevent *wire, short what, void *arg)
{
	struct marks_follower *f = arg;

	(void)wire;
	CHECK_OBJ(f, MARKS_MAGIC);
	if (what & (BEV_EVENT_EOF | BEV_EVENT_ERROR))
		come_again(f, what & BEV_EVENT_ERROR
				  ? strerror(EVUTIL_SOCKET_ERROR())
				  : "the stream of events has ended");
}

static void
follower_on_again(evutil_socket_t fd, short what, void *arg)
{
	struct marks_follower *f = arg;

	(void)fd;
	(void)what;
	CHECK_OBJ(f, MARKS_MAGIC);
	follow(f);
}

static void
follow(struct marks_follower *f)
{
	f->in_body = false;
	f->chunks = (struct h1_chunks){0};
	f->text.n = 0;
	f->wire = bufferevent_socket_new(f->base, -1, BEV_OPT_CLOSE_ON_FREE);
	if (f->wire == NULL) {
		come_again(f, "out of memory");
		return;
	}
	bufferevent_setcb(
	    f->wire, follower_on_read, NULL, follower_on_event, f);
	evbuffer_add_printf(bufferevent_get_output(f->wire),
	    "GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n"
	    "Accept: text/event-stream\r\n%s%s%s\r\n",
	    f->last[0] != '\0' ? "Last-Event-ID: " : "", f->last,
	    f->last[0] != '\0' ? "\r\n" : "");
	bufferevent_enable(f->wire, EV_READ | EV_WRITE);
	if (bufferevent_socket_connect(f->wire,
		(struct sockaddr *)&f->address.sa, (int)f->address.len) != 0 &&
	    f->wire != NULL)
		come_again(f, strerror(errno));
}

/*
 * What is no address, but has a slash or is there, is the path of a Unix
 * socket. An address has a whole path, so a relative one is completed.
 */
static bool
read_address(struct address *a, const char *text)
{
	char path[ADDRESS_TEXT_MAX + 8], folder[ADDRESS_TEXT_MAX] = "";

	if (address_parse(span_of(text), a))
		return true;
	if (strchr(text, '/') == NULL && access(text, F_OK) != 0)
		return false;
	if (text[0] != '/' && getcwd(folder, sizeof folder) == NULL)
		return false;
	return (size_t)snprintf(path, sizeof path, ADDRESS_UNIX "%s%s%s",
		   folder, folder[0] != '\0' ? "/" : "", text) < sizeof path &&
	       address_parse(span_of(path), a);
}

struct marks_follower *
marks_follow(struct event_base *base, const char *address, uint64_t start_ns,
    char *why, size_t why_size)
{
	struct marks_follower *f = calloc(1, sizeof *f);

	snprintf(why, why_size, "out of memory");
	if (f == NULL)
		return NULL;
	f->magic = MARKS_MAGIC;
	f->base = base;
	f->start_ns = start_ns;
	f->again = event_new(base, -1, 0, follower_on_again, f);
	if (!read_address(&f->address, address)) {
		snprintf(why, why_size,
		    "--admin: expected IP:PORT or the path of the admin "
		    "socket");
		marks_unfollow(f);
		return NULL;
	}
	if (f->again == NULL) {
		marks_unfollow(f);
		return NULL;
	}
	follow(f);
	return f;
}

void
marks_unfollow(struct marks_follower *f)
{
	if (f == NULL)
		return;
	CHECK_OBJ(f, MARKS_MAGIC);
	for (size_t i = 0; i < f->marks.n; i++) {
		free(f->marks.list[i].kind);
		free(f->marks.list[i].text);
	}
	if (f->wire != NULL)
		bufferevent_free(f->wire);
	if (f->again != NULL)
		event_free(f->again);
	buffer_free(&f->text);
	f->magic = 0;
	free(f);
}

const struct marks *
marks_of(const struct marks_follower *f)
{
	return f != NULL ? &f->marks : NULL;
}
