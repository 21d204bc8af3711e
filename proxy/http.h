/*
 * What a proxy does to a message on its way (RFC 9110 7): which fields go,
 * which are added, how the head is written anew. Pure: bytes to bytes.
 */
#ifndef PROXY_HTTP_H
#define PROXY_HTTP_H

#include <stdbool.h>
#include <stddef.h>

#include "base/span.h"
#include "conf/settings.h"
#include "proxy/h1_parse.h"
#include "router/match.h"
#include "router/route.h"

/*
 * What the router needs, from a parsed head: host, path and query out of the
 * target's form (RFC 9112 3.2). ERR_NONE, or why the request is refused.
 */
enum err http_read_request(const struct h1_head *h, struct request *r);

/* How a request is forwarded. */
struct http_forward {
	struct span client_ip;
	/* of its certificate, valid as a field value; empty: none. The client's
	 * own X-Client-Subject never goes further */
	struct span client_subject;
	struct span scheme; /* "http" or "https" */
	bool trusted;	    /* the client's X-Forwarded-* is believed */
	enum x_forwarded x_forwarded;
	bool via;
	bool upgrade; /* Connection: upgrade is passed on */
	/* a route's doing: instead of the request's; empty: as it is */
	struct span path, host;
	const struct edits *edits; /* after all of the above; NULL: none */
};

/*
 * Writes the request head for the pod: the target in origin-form, fields of
 * the hop removed, forwarding fields added, framing as the body has it. No
 * more than http_request_size() bytes; returns how many.
 */
size_t http_request_size(const struct h1_head *h, const struct http_forward *f);
size_t http_write_request(char *buf, const struct h1_head *h,
    const struct request *r, const struct http_forward *f);

/* How a response is framed for an HTTP/1 client. */
struct http_answer {
	struct span date; /* added where it is missing */
	struct span hsts; /* Strict-Transport-Security, likewise; empty: not */
	bool via;
	bool chunked;	 /* we frame the body in chunks */
	bool close;	 /* Connection: close */
	bool keep_alive; /* Connection: keep-alive, for HTTP/1.0 */
	bool upgrade;	 /* Connection: upgrade, of a 101 */
};

/* 0 when it does not fit into size bytes. */
size_t http_write_response(char *buf, size_t size, const struct h1_head *h,
    const struct http_answer *a);

/*
 * The last chunk and those trailer fields that may be passed on (RFC 9110
 * 6.5.1); without room for them just the last chunk. Returns the bytes.
 */
size_t http_write_trailers(char *buf, size_t size, const struct h1_head *h);

/*
 * A trailer field that may be passed on: no reader takes it for a field of
 * the head (RFC 9110 6.5.1).
 */
bool http_trailer_field(const struct field *f);

/* Our element of Via: by which protocol the head came, and who we are. */
struct span http_via(const struct h1_head *h);

/* Whether TE says that the client takes trailer fields (RFC 9110 10.1.4). */
bool http_takes_trailers(const struct h1_head *h);

/* The first value of the field of that name, in any case; p == NULL: none. */
struct span http_field_named(const struct h1_head *h, struct span name);

/* Whether the head has the field. */
bool http_has(const struct h1_head *h, enum field_id id);

/*
 * Max-Forwards of an OPTIONS or TRACE request (RFC 9110 7.6.2): whether it
 * must not go further.
 */
bool http_last_hop(const struct h1_head *h);

/* Whether the request asks for another protocol, as WebSocket does. */
bool http_wants_upgrade(const struct h1_head *h);

/* Methods that may be sent twice (RFC 9110 9.2.2). */
bool http_idempotent(struct span method);

/* Whether an address (4 or 16 bytes) is in one of the blocks. */
bool http_trusted(
    const struct forward *f, int family, const unsigned char *address);

/* The standard phrase of a status (RFC 9110 15), "" when unknown. */
const char *http_phrase(int status);

#endif
