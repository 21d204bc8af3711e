/* Answering admin requests, also those whose requester has gone. */
#include "admin/call.h"

#include <event2/buffer.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"

#define CALL_MAGIC 0xca110001u

/* More than any drain timeout. */
#define PATIENCE_S (25 * 3600)

/* Enough for what people read; 0.8 stays 0.8. An answer may be null. */
#define JSON_FLAGS (JSON_REAL_PRECISION(10) | JSON_ENCODE_ANY)

struct call {
	unsigned magic;
	struct control *control;
	struct streams *streams;
	struct evhttp_request *request; /* NULL once abandoned */
	char *args[CALL_ARGS_MAX];
	struct evkeyvalq query;
	bool query_read;
	LIST_ENTRY(call) link;
};

struct call *
call_new(struct call_list *list, struct control *control,
    struct streams *streams, struct evhttp_request *request)
{
	struct call *c = calloc(1, sizeof *c);

	if (c == NULL)
		return NULL;
	c->magic = CALL_MAGIC;
	c->control = control;
	c->streams = streams;
	c->request = request;
	LIST_INSERT_HEAD(list, c, link);
	return c;
}

static void
call_free(struct call *c)
{
	if (c->request != NULL)
		LIST_REMOVE(c, link);
	for (size_t i = 0; i < CALL_ARGS_MAX; i++)
		free(c->args[i]);
	if (c->query_read)
		evhttp_clear_headers(&c->query);
	c->magic = 0;
	free(c);
}

void
call_abandon(struct call_list *list)
{
	struct call *c;

	while ((c = LIST_FIRST(list)) != NULL) {
		LIST_REMOVE(c, link);
		c->request = NULL;
	}
}

struct control *
call_control(const struct call *c)
{
	CHECK_OBJ(c, CALL_MAGIC);
	return c->control;
}

struct streams *
call_streams(const struct call *c)
{
	CHECK_OBJ(c, CALL_MAGIC);
	return c->streams;
}

struct evhttp_request *
call_take(struct call *c)
{
	struct evhttp_request *request = call_request(c);

	call_free(c);
	return request;
}

const char *
call_arg(const struct call *c, size_t i)
{
	CHECK_OBJ(c, CALL_MAGIC);
	CHECK(i < CALL_ARGS_MAX && c->args[i] != NULL);
	return c->args[i];
}

bool
call_set_arg(struct call *c, size_t i, struct span segment)
{
	char *encoded;
	size_t n = 0;

	CHECK_OBJ(c, CALL_MAGIC);
	CHECK(i < CALL_ARGS_MAX);
	encoded = strndup(segment.p, segment.n);
	if (encoded == NULL)
		return false;
	free(c->args[i]);
	c->args[i] = evhttp_uridecode(encoded, 0, &n);
	free(encoded);
	return c->args[i] != NULL && strlen(c->args[i]) == n;
}

bool
call_set_text(struct call *c, size_t i, const char *text)
{
	CHECK_OBJ(c, CALL_MAGIC);
	CHECK(i < CALL_ARGS_MAX);
	free(c->args[i]);
	c->args[i] = strdup(text);
	return c->args[i] != NULL;
}

const char *
call_query(struct call *c, const char *key)
{
	const struct evhttp_uri *uri =
	    evhttp_request_get_evhttp_uri(call_request(c));
	const char *text = uri != NULL ? evhttp_uri_get_query(uri) : NULL;

	if (!c->query_read && text != NULL)
		c->query_read = evhttp_parse_query_str(text, &c->query) == 0;
	return c->query_read ? evhttp_find_header(&c->query, key) : NULL;
}

void
call_patiently(struct call *c)
{
	struct evhttp_connection *connection =
	    evhttp_request_get_connection(call_request(c));

	evhttp_connection_set_timeout(connection, PATIENCE_S);
	/* nor is it left like that to whatever comes next on it */
	evhttp_add_header(evhttp_request_get_output_headers(call_request(c)),
	    "Connection", "close");
}

struct evhttp_request *
call_request(const struct call *c)
{
	CHECK_OBJ(c, CALL_MAGIC);
	CHECK(c->request != NULL);
	return c->request;
}

struct span
call_body(const struct call *c)
{
	struct evbuffer *in = evhttp_request_get_input_buffer(call_request(c));
	size_t n = evbuffer_get_length(in);
	const unsigned char *p = n > 0 ? evbuffer_pullup(in, -1) : NULL;

	return p != NULL ? (struct span){(const char *)p, n} : SPAN("");
}

static void
send_reply(struct evhttp_request *request, int status, const char *type,
    struct evbuffer *body)
{
	struct evkeyvalq *fields = evhttp_request_get_output_headers(request);
	char length[24];

	evhttp_add_header(fields, "Content-Type", type);
	evhttp_add_header(fields, "Cache-Control", "no-store");
	/* evhttp would send a body after the head of an answer to HEAD. */
	if (evhttp_request_get_command(request) == EVHTTP_REQ_HEAD) {
		snprintf(
		    length, sizeof length, "%zu", evbuffer_get_length(body));
		evhttp_add_header(fields, "Content-Length", length);
		evbuffer_drain(body, evbuffer_get_length(body));
	}
	/* Frees the request when its connection has gone. */
	evhttp_send_reply(request, status, NULL, body);
}

void
call_reply(struct call *c, int status, const char *type, struct evbuffer *body)
{
	CHECK_OBJ(c, CALL_MAGIC);
	if (c->request != NULL && body != NULL)
		send_reply(c->request, status, type, body);
	else if (c->request != NULL)
		evhttp_send_reply(c->request, HTTP_INTERNAL, NULL, NULL);
	if (body != NULL)
		evbuffer_free(body);
	call_free(c);
}

void
call_json(struct call *c, int status, json_t *value)
{
	struct evbuffer *body = evbuffer_new();
	char *text = value != NULL ? json_dumps(value, JSON_FLAGS) : NULL;

	if (body != NULL &&
	    (text == NULL || evbuffer_add_printf(body, "%s\n", text) < 0)) {
		evbuffer_free(body);
		body = NULL;
	}
	free(text);
	json_decref(value);
	call_reply(c, status, "application/json", body);
}

/* What a requester sent may be in it, so it may be no UTF-8. */
static json_t *
error_text(char *text)
{
	json_t *string = json_string(text);

	if (string != NULL)
		return string;
	for (char *p = text; *p != '\0'; p++)
		if ((unsigned char)*p >= 0x80)
			*p = '?';
	return json_string(text);
}

void
call_error(struct call *c, int status, const char *fmt, ...)
{
	json_t *value = NULL;
	char *text;
	va_list args;

	va_start(args, fmt);
	if (vasprintf(&text, fmt, args) < 0)
		text = NULL;
	va_end(args);
	if (text != NULL)
		value = json_pack("{s:o}", "error", error_text(text));
	free(text);
	call_json(c, status, value);
}
