/*
 * Streams of events. Each remembers the last event it has sent and takes the
 * next ones from the ring of control/events.h as its client reads, so a slow
 * one costs no memory; when the ring has gone past it, it is cut.
 */
#include "admin/streams.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>

#include "admin/call.h"
#include "admin/handlers.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/queue.h"
#include "base/span.h"
#include "control/control.h"
#include "control/events.h"

#define STREAMS_MAGIC 0x57ea0001u
#define STREAM_MAGIC  0x57ea0002u
/* More than so many at one time are refused. */
#define STREAMS_MAX 100u
/* A stream with so much that is not sent yet gets no more for now. */
#define BACKLOG_MAX (32u * 1024u)
/* Silence is broken by a comment: proxies and clients see that we live. */
#define HEARTBEAT_S 15
/* What a client says on is kept up to here, unread. */
#define HEARD_MAX 4096u
/* A client that takes nothing for so long is cut. */
#define STUCK_S 30

struct stream {
	unsigned magic;
	LIST_ENTRY(stream) link;
	struct streams *all;
	struct evhttp_request *request;
	uint64_t sent; /* id of the last event */
};

struct streams {
	unsigned magic;
	struct control *control;
	struct events_listener listener;
	struct event heartbeat;
	LIST_HEAD(, stream) list;
	unsigned n;
};

static struct bufferevent *
stream_wire(const struct stream *st)
{
	return evhttp_connection_get_bufferevent(
	    evhttp_request_get_connection(st->request));
}

static size_t
stream_backlog(const struct stream *st)
{
	return evbuffer_get_length(bufferevent_get_output(stream_wire(st)));
}

static void
stream_forget(struct stream *st)
{
	LIST_REMOVE(st, link);
	st->all->n--;
	st->magic = 0;
	free(st);
}

/* The connection goes, and the request with it. */
static void
stream_cut(struct stream *st)
{
	struct evhttp_connection *conn =
	    evhttp_request_get_connection(st->request);

	evhttp_connection_set_closecb(conn, NULL, NULL);
	stream_forget(st);
	evhttp_connection_free(conn);
}

/* The client has gone: evhttp leaves us the request, without connection. */
static void
stream_on_close(struct evhttp_connection *conn, void *arg)
{
	struct stream *st = arg;
	struct evhttp_request *request = st->request;

	(void)conn;
	CHECK_OBJ(st, STREAM_MAGIC);
	stream_forget(st);
	evhttp_send_reply_end(request); /* frees it */
}

static void stream_on_sent(struct evhttp_connection *conn, void *arg);

static void
stream_write(struct stream *st, struct evbuffer *piece)
{
	evhttp_send_reply_chunk_with_cb(st->request, piece, stream_on_sent, st);
}

static void
set_text(json_t *object, const char *key, const char *text)
{
	json_t *string;

	if (text == NULL)
		return;
	string = json_string(text);
	json_object_set_new(
	    object, key, string != NULL ? string : json_string("(not UTF-8)"));
}

static bool
add_event(struct evbuffer *out, const struct event_record *e)
{
	json_t *object = json_object();
	char time[32], *text;
	int n = -1;

	clock_format(e->time_us, time, sizeof time);
	json_object_set_new(object, "id", json_integer((json_int_t)e->id));
	set_text(object, "time", time);
	set_text(object, "kind", event_kind_name(e->kind));
	set_text(object, "service", e->service);
	set_text(object, "version", e->version);
	set_text(object, "pod", e->pod);
	set_text(object, "name", e->name);
	set_text(object, "from", e->from);
	set_text(object, "to", e->to);
	set_text(object, "reason", e->reason);
	text = json_dumps(object, JSON_COMPACT);
	json_decref(object);
	if (text != NULL)
		n = evbuffer_add_printf(out,
		    "id: %" PRIu64 "\nevent: %s\ndata: %s\n\n", e->id,
		    event_kind_name(e->kind), text);
	free(text);
	return n >= 0;
}

/*
 * Sends what is new, as long as the client takes it. False when it is of no
 * use any more: without memory, or with events that are lost to it.
 */
static bool
stream_pump(struct stream *st)
{
	const struct events *events = control_events(st->all->control);
	const struct event_record *e = events_next(events, st->sent);
	size_t backlog = stream_backlog(st);
	struct evbuffer *piece;
	bool good = true;

	if (e != NULL && e->id != st->sent + 1)
		return false;
	if (e == NULL || backlog >= BACKLOG_MAX)
		return true;
	piece = evbuffer_new();
	if (piece == NULL)
		return false;
	while (good && e != NULL &&
	       backlog + evbuffer_get_length(piece) < BACKLOG_MAX) {
		good = add_event(piece, e);
		st->sent = e->id;
		e = events_next(events, st->sent);
	}
	if (good)
		stream_write(st, piece);
	evbuffer_free(piece);
	return good;
}

static void
stream_go_on(struct stream *st)
{
	if (stream_pump(st))
		return;
	log_info("admin: a reader of events is too slow");
	stream_cut(st);
}

static void
stream_on_sent(struct evhttp_connection *conn, void *arg)
{
	(void)conn;
	stream_go_on(arg);
}

static void
streams_on_event(void *arg, const struct event_record *e)
{
	struct streams *s = arg;
	struct stream *st, *next;

	(void)e;
	CHECK_OBJ(s, STREAMS_MAGIC);
	for (st = LIST_FIRST(&s->list); st != NULL; st = next) {
		next = LIST_NEXT(st, link);
		stream_go_on(st);
	}
}

/* A client that does not read is told nothing: its time is running. */
static void
streams_on_heartbeat(evutil_socket_t fd, short what, void *arg)
{
	struct streams *s = arg;
	struct stream *st;
	struct evbuffer *piece = evbuffer_new();

	(void)fd;
	(void)what;
	CHECK_OBJ(s, STREAMS_MAGIC);
	if (piece == NULL)
		return;
	LIST_FOREACH (st, &s->list, link) {
		if (stream_backlog(st) > 0)
			continue;
		evbuffer_add_printf(piece, ": still here\n\n");
		stream_write(st, piece);
	}
	evbuffer_free(piece);
}

struct streams *
streams_new(struct control *control)
{
	const struct timeval every = {HEARTBEAT_S, 0};
	struct streams *s = calloc(1, sizeof *s);

	if (s == NULL)
		return NULL;
	s->magic = STREAMS_MAGIC;
	s->control = control;
	LIST_INIT(&s->list);
	event_assign(&s->heartbeat, control_base(control), -1, EV_PERSIST,
	    streams_on_heartbeat, s);
	if (event_add(&s->heartbeat, &every) < 0) {
		free(s);
		return NULL;
	}
	s->listener.told = streams_on_event;
	s->listener.arg = s;
	events_listen(control_events(control), &s->listener);
	return s;
}

/* The loop is over: what the socket takes now is all that will be sent. */
static void
stream_end(struct stream *st)
{
	struct bufferevent *wire = stream_wire(st);
	struct evhttp_connection *conn =
	    evhttp_request_get_connection(st->request);
	struct evhttp_request *request = st->request;

	evhttp_connection_set_closecb(conn, NULL, NULL);
	stream_forget(st);
	evhttp_send_reply_end(request);
	bufferevent_flush(wire, EV_WRITE, BEV_FLUSH);
	evbuffer_unfreeze(bufferevent_get_output(wire), 1);
	evbuffer_write(bufferevent_get_output(wire), bufferevent_getfd(wire));
	evhttp_connection_free(conn);
}

void
streams_free(struct streams *s)
{
	struct stream *st;

	if (s == NULL)
		return;
	CHECK_OBJ(s, STREAMS_MAGIC);
	events_unlisten(&s->listener);
	event_del(&s->heartbeat);
	while ((st = LIST_FIRST(&s->list)) != NULL)
		stream_end(st);
	s->magic = 0;
	free(s);
}

/*
 * The id behind which the stream begins: that of the header, which a client
 * sends that comes again, or of the query, or of the latest event. One that
 * this process has not given out yet is of its predecessor: all are new then.
 * False, answered, when it is no number.
 */
static bool
read_after(struct call *c, uint64_t *after)
{
	struct evhttp_request *request = call_request(c);
	const struct events *events = control_events(call_control(c));
	const char *text, *query;
	struct evkeyvalq fields = TAILQ_HEAD_INITIALIZER(fields);
	bool good = true;

	*after = events_last(events);
	text = evhttp_find_header(
	    evhttp_request_get_input_headers(request), "Last-Event-ID");
	query = evhttp_uri_get_query(evhttp_request_get_evhttp_uri(request));
	if (text == NULL && query != NULL) {
		evhttp_parse_query_str(query, &fields);
		text = evhttp_find_header(&fields, "after");
	}
	if (text != NULL)
		good = span_to_u64(span_of(text), after);
	evhttp_clear_headers(&fields);
	if (!good)
		call_error(c, HTTP_BADREQUEST,
		    "expected the id of an event, as in ?after=17");
	if (*after > events_last(events))
		*after = 0;
	return good;
}

/* What is no longer kept cannot be told: where it begins is said. */
static void
stream_begin(struct stream *st)
{
	const struct event_record *e =
	    events_next(control_events(st->all->control), st->sent);
	struct evbuffer *piece = evbuffer_new();

	if (piece == NULL)
		return;
	if (e != NULL && e->id > st->sent + 1) {
		evbuffer_add_printf(
		    piece, ": kept are those from %" PRIu64 " on\n", e->id);
		st->sent = e->id - 1;
	}
	evbuffer_add_printf(piece, ": events\n\n");
	stream_write(st, piece);
	evbuffer_free(piece);
}

static void
stream_start(struct streams *s, struct stream *st)
{
	const struct timeval stuck = {STUCK_S, 0};
	struct evkeyvalq *fields =
	    evhttp_request_get_output_headers(st->request);

	st->magic = STREAM_MAGIC;
	st->all = s;
	LIST_INSERT_HEAD(&s->list, st, link);
	s->n++;
	evhttp_add_header(fields, "Content-Type", "text/event-stream");
	evhttp_add_header(fields, "Cache-Control", "no-store");
	evhttp_add_header(fields, "Connection", "close");
	evhttp_connection_set_closecb(
	    evhttp_request_get_connection(st->request), stream_on_close, st);
	evhttp_send_reply_start(st->request, HTTP_OK, NULL);
	/* It has nothing more to say, and is to be heard when it leaves. */
	bufferevent_set_timeouts(stream_wire(st), NULL, &stuck);
	bufferevent_setwatermark(stream_wire(st), EV_READ, 0, HEARD_MAX);
	bufferevent_enable(stream_wire(st), EV_READ);
	stream_begin(st);
	stream_go_on(st);
}

void
events_get(struct call *c)
{
	struct streams *s = call_streams(c);
	struct stream *st;
	uint64_t after;

	if (!read_after(c, &after))
		return;
	if (evhttp_request_get_command(call_request(c)) == EVHTTP_REQ_HEAD) {
		call_reply(c, HTTP_OK, "text/event-stream", evbuffer_new());
		return;
	}
	if (s->n == STREAMS_MAX) {
		call_error(c, HTTP_SERVUNAVAIL, "%u others read events already",
		    STREAMS_MAX);
		return;
	}
	st = calloc(1, sizeof *st);
	if (st == NULL) {
		call_error(c, HTTP_INTERNAL, "out of memory");
		return;
	}
	st->sent = after;
	st->request = call_take(c);
	stream_start(s, st);
}
