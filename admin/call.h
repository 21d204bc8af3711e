/*
 * One request to the admin API: what an endpoint's handler sees of it, and
 * the ways to answer. Main thread only.
 */
#ifndef ADMIN_CALL_H
#define ADMIN_CALL_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/queue.h>

#include "base/span.h"

struct call;
struct control;
struct evbuffer;
struct evhttp_request;
struct json_t;
struct streams;

/* Calls not yet answered. */
LIST_HEAD(call_list, call);

/* As many variable segments as a path may have. */
#define CALL_ARGS_MAX 3

/* Of a request's body; more is answered with 413. */
#define CALL_BODY_MAX (1u << 20)

/* Joins the list until it is answered. NULL without memory. */
struct call *call_new(struct call_list *list, struct control *control,
    struct streams *streams, struct evhttp_request *request);
/*
 * The server goes away, and the requests with it: the calls live on until
 * they are answered, and those answers go nowhere.
 */
void call_abandon(struct call_list *list);

struct control *call_control(const struct call *c);
/* Where answers go that do not end. */
struct streams *call_streams(const struct call *c);

/* Percent-decoded; i counts the variable segments of the path. */
const char *call_arg(const struct call *c, size_t i);
/* As it is; false without memory. */
bool call_set_text(struct call *c, size_t i, const char *text);
/* Decodes a path segment; false when it is no text or without memory. */
bool call_set_arg(struct call *c, size_t i, struct span segment);

/* What the query says for this key, decoded; NULL when nothing. */
const char *call_query(struct call *c, const char *key);
/*
 * The answer may take longer than a requester usually may be silent: the
 * connection is not cut for that.
 */
void call_patiently(struct call *c);

/* Until the call is answered. */
struct evhttp_request *call_request(const struct call *c);
struct span call_body(const struct call *c);

/*
 * Each call is answered exactly once, by one of these; it is gone afterwards.
 * For HEAD only the head is sent. call_reply and call_json consume what they
 * are given; a NULL body is answered with 500.
 */
void call_reply(
    struct call *c, int status, const char *type, struct evbuffer *body);
void call_json(struct call *c, int status, struct json_t *value);
/* Another way to answer: the request is the caller's, and the call is gone. */
struct evhttp_request *call_take(struct call *c);
/* {"error": "..."} */
void call_error(struct call *c, int status, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#endif
