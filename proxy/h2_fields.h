/*
 * Messages between HTTP/2 field sections and our heads, which have the shape
 * of HTTP/1.1 (RFC 9113 8.1-8.3, RFC 8441). Pure: bytes to bytes, no
 * nghttp2, no sockets.
 */
#ifndef PROXY_H2_FIELDS_H
#define PROXY_H2_FIELDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/errs.h"
#include "base/field.h"
#include "base/span.h"
#include "proxy/h1_parse.h"

/*
 * A field section on its way in. Names and values are copied; both limits
 * are sticky: once broken, further fields are only counted out.
 */
struct h2_section {
	char *bytes; /* malloc'd */
	size_t n, size;
	struct h2_line *lines; /* malloc'd: where names and values lie */
	unsigned nlines, room;
	bool too_large; /* or without memory */
};

/* Zeroed is empty. Frees and zeroes. */
void h2_section_end(struct h2_section *s);
/*
 * One field line, pseudo-header fields among them. The limits are of the
 * sum of names and values, 4 bytes added for each line as HTTP/1.1 would
 * spend them, and of lines.
 */
void h2_section_add(struct h2_section *s, struct span name, struct span value,
    size_t bytes_max, unsigned lines_max);

/*
 * A request (RFC 9113 8.3.1) as a head: target in origin-form or "*", Host
 * first in the fields, cookie crumbs joined (8.2.3), minor 1, http2 set, body
 * by END_STREAM and Content-Length: H1_BODY_NONE, _LENGTH or _CHUNKED; it is
 * NONE with Content-Length: 0, too, and END_STREAM comes later then. An
 * extended CONNECT for WebSockets (RFC 8441) becomes GET with Upgrade, and a
 * Sec-WebSocket-Key made of `key`, 24 characters. The head's spans point into
 * the section, which may grow for it, and lines_max + 4 fields must fit.
 *
 * ERR_NONE; ERR_BAD_REQUEST when it is malformed (8.1.1): upper case in
 * names, pseudo-header fields missing, repeated, unknown, behind others or
 * in a trailer, :authority and Host that disagree, connection-specific
 * fields, a path that is none, TE other than trailers, a Content-Length that
 * is none or comes twice with different values; ERR_HEAD_TOO_LARGE,
 * ERR_NOT_IMPLEMENTED for CONNECT otherwise.
 */
enum err h2_read_request(
    struct h2_section *s, bool end_stream, struct span key, struct h1_head *h);

/*
 * A response (8.3.2), interim or final: status, fields, and the body by
 * END_STREAM, Content-Length and `head_method`; one that ends with its head
 * gets Content-Length: 0, which HTTP/1.1 needs. ERR_NONE or ERR_BAD_RESPONSE.
 */
enum err h2_read_response(
    struct h2_section *s, bool end_stream, bool head_method, struct h1_head *h);

/* A trailer section: only fields are set. ERR_NONE, or ERR_BAD_REQUEST. */
enum err h2_read_trailers(struct h2_section *s, struct h1_head *h);

/*
 * The other way: the field lines of a message, pseudo-header fields first,
 * written to `lines`. Names may be in any case: HTTP/2 wants them lower. What
 * one hop only concerns is left out (8.2.2). Values point into the head, into
 * static memory or into `buf` of H2_LINES_BUF bytes. 0 when there are more
 * than `max` lines; a head's nfields + H2_LINES_ADDED are enough.
 */
#define H2_LINES_ADDED 8u
#define H2_LINES_BUF   32u

/* A request as it was written by http_write_request() and parsed again. */
unsigned h2_write_request(const struct h1_head *h, struct span scheme,
    struct field *lines, unsigned max, char *buf);

/* What is added to a response. */
struct h2_answer {
	struct span date; /* where it is missing */
	struct span hsts; /* likewise; empty: not */
	bool via;
};
/* A 101 becomes 200, without the fields of its handshake (RFC 8441 5). */
unsigned h2_write_response(const struct h1_head *h, const struct h2_answer *a,
    struct field *lines, unsigned max, char *buf);
/* Those that may be passed on (RFC 9110 6.5.1). */
unsigned h2_write_trailers(
    const struct h1_head *h, struct field *lines, unsigned max);

#endif
