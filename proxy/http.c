/* Rewriting heads. */
#include "proxy/http.h"

#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>

#include "base/check.h"
#include "proxy/edits.h"
#include "proxy/hop.h"

/* Everything we may add to a request beyond the client's own bytes. */
#define REQUEST_GROWTH 400u

/* host[:port], without the port; brackets of an IPv6 address stay. */
static struct span
without_port(struct span authority)
{
	const char *colon = memrchr(authority.p, ':', authority.n);
	const char *bracket = memrchr(authority.p, ']', authority.n);

	if (colon != NULL && (bracket == NULL || colon > bracket))
		authority.n = (size_t)(colon - authority.p);
	return authority;
}

static void
split_path(struct span target, struct request *r)
{
	r->query = target;
	r->path = span_cut(&r->query, '?');
}

/* "http://host/path": its authority must agree with Host (RFC 9112 3.2.2). */
static enum err
read_absolute(const struct h1_head *h, struct request *r)
{
	struct span rest = h->target, authority;
	size_t scheme = 0;

	if (rest.n > 7 &&
	    span_eq_nocase((struct span){rest.p, 7}, SPAN("http://")))
		scheme = 7;
	else if (rest.n > 8 &&
		 span_eq_nocase((struct span){rest.p, 8}, SPAN("https://")))
		scheme = 8;
	else
		return ERR_BAD_REQUEST;
	rest.p += scheme;
	rest.n -= scheme;
	authority = rest;
	for (size_t i = 0; i < rest.n; i++)
		if (rest.p[i] == '/' || rest.p[i] == '?') {
			authority.n = i;
			break;
		}
	if (!h1_valid_host(authority) ||
	    (h->host.p != NULL && !span_eq_nocase(authority, h->host)))
		return ERR_BAD_REQUEST;
	r->authority = authority;
	r->host = without_port(authority);
	rest.p += authority.n;
	rest.n -= authority.n;
	split_path(rest, r);
	if (r->path.n == 0) /* origin-form has at least a slash */
		r->path = SPAN("/");
	return ERR_NONE;
}

enum err
http_read_request(const struct h1_head *h, struct request *r)
{
	*r = (struct request){
	    .method = h->method,
	    .fields = h->fields,
	    .nfields = h->nfields,
	};
	r->authority = h->host;
	if (h->host.p != NULL)
		r->host = without_port(h->host);
	if (span_eq(h->method, SPAN("CONNECT")))
		return ERR_NOT_IMPLEMENTED;
	if (memchr(h->target.p, '#', h->target.n) != NULL)
		return ERR_BAD_REQUEST;
	if (h->target.p[0] == '/') {
		split_path(h->target, r);
		return ERR_NONE;
	}
	if (span_eq(h->target, SPAN("*"))) {
		r->path = h->target;
		return span_eq(h->method, SPAN("OPTIONS")) ? ERR_NONE
							   : ERR_BAD_REQUEST;
	}
	return read_absolute(h, r);
}

static char *
put_field(char *p, struct span name, struct span value)
{
	p = span_put(p, name);
	p = span_put(p, SPAN(": "));
	p = span_put(p, value);
	return span_put(p, SPAN("\r\n"));
}

static char *
put_number(char *p, struct span name, uint64_t value)
{
	char digits[24];
	size_t i = sizeof digits;

	do {
		digits[--i] = (char)('0' + value % 10);
		value /= 10;
	} while (value > 0);
	return put_field(p, name, (struct span){digits + i, sizeof digits - i});
}

/* The value a list field had so far, its lines joined, then one more. */
static char *
put_appended(char *p, const struct h1_head *h, enum field_id id,
    struct span name, struct span element)
{
	p = span_put(p, name);
	p = span_put(p, SPAN(": "));
	for (unsigned i = 0; i < h->nfields; i++)
		if (h->fields[i].id == id && h->fields[i].value.n > 0) {
			p = span_put(p, h->fields[i].value);
			p = span_put(p, SPAN(", "));
		}
	p = span_put(p, element);
	return span_put(p, SPAN("\r\n"));
}

struct span
http_field_named(const struct h1_head *h, struct span name)
{
	for (unsigned i = 0; i < h->nfields; i++)
		if (span_eq_nocase(h->fields[i].name, name))
			return h->fields[i].value;
	return SPAN_NONE;
}

bool
http_has(const struct h1_head *h, enum field_id id)
{
	for (unsigned i = 0; i < h->nfields; i++)
		if (h->fields[i].id == id)
			return true;
	return false;
}

struct span
http_via(const struct h1_head *h)
{
	return h->http2 ? SPAN("2.0 shunt") : SPAN("1.1 shunt");
}

/*
 * X-Forwarded-For grows by the client; -Proto and -Host are the first
 * proxy's to say, so the client's own are kept only when it is trusted.
 */
static char *
put_forwarded(char *p, const struct h1_head *h, const struct http_forward *f)
{
	bool keep = f->trusted && f->x_forwarded == X_FORWARDED_APPEND;

	if (f->x_forwarded == X_FORWARDED_OFF)
		return p;
	if (f->x_forwarded == X_FORWARDED_APPEND)
		p = put_appended(p, h, FIELD_X_FORWARDED_FOR,
		    SPAN("X-Forwarded-For"), f->client_ip);
	else
		p = put_field(p, SPAN("X-Forwarded-For"), f->client_ip);
	if (!keep || !http_has(h, FIELD_X_FORWARDED_PROTO))
		p = put_field(p, SPAN("X-Forwarded-Proto"), f->scheme);
	if (h->host.p != NULL &&
	    (!keep || !http_has(h, FIELD_X_FORWARDED_HOST)))
		p = put_field(p, SPAN("X-Forwarded-Host"), h->host);
	return p;
}

static bool
counts_forwards(const struct h1_head *h)
{
	return span_eq(h->method, SPAN("OPTIONS")) ||
	       span_eq(h->method, SPAN("TRACE"));
}

/* False when there is none, or it is no number. */
static bool
max_forwards(const struct h1_head *h, uint64_t *left)
{
	for (unsigned i = 0; i < h->nfields; i++)
		if (h->fields[i].id == FIELD_MAX_FORWARDS)
			return span_to_u64(h->fields[i].value, left);
	return false;
}

bool
http_last_hop(const struct h1_head *h)
{
	uint64_t left;

	return counts_forwards(h) && max_forwards(h, &left) && left == 0;
}

static struct span
field_value(const struct h1_head *h, enum field_id id)
{
	for (unsigned i = 0; i < h->nfields; i++)
		if (h->fields[i].id == id)
			return h->fields[i].value;
	return SPAN_NONE;
}

/*
 * HTTP/2 is never agreed on behind our back: requests in such a tunnel would
 * pass every rule.
 */
static bool
names_http2(struct span protocols)
{
	struct span protocol;

	while (span_list_next(&protocols, &protocol))
		if (span_eq_nocase(protocol, SPAN("h2c")) ||
		    span_eq_nocase(protocol, SPAN("h2")))
			return true;
	return false;
}

bool
http_wants_upgrade(const struct h1_head *h)
{
	return h->minor == 1 && h->connection_upgrade &&
	       h->body == H1_BODY_NONE && http_has(h, FIELD_UPGRADE) &&
	       !names_http2(field_value(h, FIELD_UPGRADE));
}

bool
http_takes_trailers(const struct h1_head *h)
{
	struct span list = field_value(h, FIELD_TE), coding;

	while (span_list_next(&list, &coding))
		if (span_eq_nocase(coding, SPAN("trailers")))
			return true;
	return false;
}

/* Fields of this hop that are passed on in the next one's own name. */
static char *
put_hop_fields(char *p, const struct h1_head *h, bool upgrade)
{
	bool te = http_takes_trailers(h);

	if (upgrade)
		p = put_field(
		    p, SPAN("Upgrade"), field_value(h, FIELD_UPGRADE));
	if (te)
		p = put_field(p, SPAN("TE"), SPAN("trailers"));
	if (upgrade || te)
		p = put_field(p, SPAN("Connection"),
		    upgrade ? te ? SPAN("upgrade, TE") : SPAN("upgrade")
			    : SPAN("TE"));
	return p;
}

static bool
is_replaced(
    const struct h1_head *h, const struct http_forward *f, enum field_id id)
{
	switch (id) {
	case FIELD_HOST:
		return f->host.n > 0;
	case FIELD_MAX_FORWARDS:
		return counts_forwards(h);
	case FIELD_X_FORWARDED_FOR:
		return f->x_forwarded != X_FORWARDED_OFF;
	case FIELD_X_FORWARDED_PROTO:
	case FIELD_X_FORWARDED_HOST:
		return f->x_forwarded == X_FORWARDED_REPLACE ||
		       (f->x_forwarded == X_FORWARDED_APPEND && !f->trusted);
	case FIELD_VIA:
		return f->via;
	case FIELD_X_CLIENT_SUBJECT:
		return true;
	case FIELD_X_SHUNT_MIRROR: /* pods may spare what it would cost */
		return !f->trusted;
	default:
		return false;
	}
}

size_t
http_request_size(const struct h1_head *h, const struct http_forward *f)
{
	return h->size + h->host.n + f->client_ip.n + f->client_subject.n +
	       h->nfields * 2 + REQUEST_GROWTH + f->path.n + f->host.n +
	       (f->edits != NULL ? f->edits->bytes : 0);
}

static char *
put_request_line(char *p, const struct h1_head *h, const struct request *r,
    const struct http_forward *f)
{
	p = span_put(p, h->method);
	*p++ = ' ';
	p = span_put(p, f->path.n > 0 ? f->path : r->path);
	if (r->query.p != NULL) {
		*p++ = '?';
		p = span_put(p, r->query);
	}
	return span_put(p, SPAN(" HTTP/1.1\r\n"));
}

size_t
http_write_request(char *buf, const struct h1_head *h, const struct request *r,
    const struct http_forward *f)
{
	char *p = put_request_line(buf, h, r, f), *begin = p;
	uint64_t left;

	/* an HTTP/1.1 request needs a Host (RFC 9112 3.2) */
	if (f->host.n > 0)
		p = put_field(p, SPAN("Host"), f->host);
	else if (h->host.p == NULL)
		p = put_field(p, SPAN("Host"), r->authority);
	for (unsigned i = 0; i < h->nfields; i++) {
		const struct field *field = &h->fields[i];

		if ((field->id == FIELD_OTHER && !h->connection_names) ||
		    (!hop_field(h, field) && !is_replaced(h, f, field->id)))
			p = put_field(p, field->name, field->value);
	}
	p = put_forwarded(p, h, f);
	if (f->client_subject.n > 0)
		p = put_field(p, SPAN("X-Client-Subject"), f->client_subject);
	if (f->via)
		p = put_appended(p, h, FIELD_VIA, SPAN("Via"), http_via(h));
	if (counts_forwards(h) && max_forwards(h, &left) && left > 0)
		p = put_number(p, SPAN("Max-Forwards"), left - 1);
	if (f->edits != NULL)
		p = edits_write(f->edits, begin, p);
	p = put_hop_fields(p, h, f->upgrade);
	if (h->body == H1_BODY_CHUNKED)
		p = span_put(p, SPAN("Transfer-Encoding: chunked\r\n"));
	else if (h->body == H1_BODY_LENGTH || http_has(h, FIELD_CONTENT_LENGTH))
		p = put_number(p, SPAN("Content-Length"), h->length);
	p = span_put(p, SPAN("\r\n"));
	return (size_t)(p - buf);
}

static char *
put_status_line(char *p, const struct h1_head *h)
{
	struct span reason = h->reason;

	if (reason.n == 0)
		reason = span_of(http_phrase(h->status));
	p = span_put(p, SPAN("HTTP/1.1 "));
	*p++ = (char)('0' + h->status / 100 % 10);
	*p++ = (char)('0' + h->status / 10 % 10);
	*p++ = (char)('0' + h->status % 10);
	*p++ = ' ';
	p = span_put(p, reason);
	return span_put(p, SPAN("\r\n"));
}

/*
 * Content-Length stays where it describes a body that is framed by it, or
 * one that is not sent at all (HEAD, 304: RFC 9110 8.6).
 */
static char *
put_framing(char *p, const struct h1_head *h, const struct http_answer *a)
{
	bool allowed = h->status >= 200 && h->status != 204;

	if (a->chunked)
		p = span_put(p, SPAN("Transfer-Encoding: chunked\r\n"));
	else if (allowed && http_has(h, FIELD_CONTENT_LENGTH))
		p = put_number(p, SPAN("Content-Length"), h->length);
	if (a->upgrade)
		p = put_hop_fields(p, h, true);
	else if (a->close)
		p = span_put(p, SPAN("Connection: close\r\n"));
	else if (a->keep_alive)
		p = span_put(p, SPAN("Connection: keep-alive\r\n"));
	return p;
}

size_t
http_write_response(char *buf, size_t size, const struct h1_head *h,
    const struct http_answer *a)
{
	bool date = false, hsts = false;
	size_t bound = h->reason.n + a->date.n + a->hsts.n + 256;
	char *p;

	for (unsigned i = 0; i < h->nfields; i++)
		bound += h->fields[i].name.n + h->fields[i].value.n + 6;
	if (bound > size)
		return 0;
	p = put_status_line(buf, h);
	for (unsigned i = 0; i < h->nfields; i++) {
		const struct field *f = &h->fields[i];

		if ((f->id != FIELD_OTHER || h->connection_names) &&
		    (hop_field(h, f) || (a->via && f->id == FIELD_VIA)))
			continue;
		p = put_field(p, f->name, f->value);
		date |= f->id == FIELD_DATE;
		hsts |= f->id == FIELD_STRICT_TRANSPORT;
	}
	if (!date && h->status >= 200)
		p = put_field(p, SPAN("Date"), a->date);
	if (a->hsts.n > 0 && !hsts && h->status >= 200)
		p = put_field(p, SPAN("Strict-Transport-Security"), a->hsts);
	if (a->via)
		p = put_appended(p, h, FIELD_VIA, SPAN("Via"), http_via(h));
	p = put_framing(p, h, a);
	p = span_put(p, SPAN("\r\n"));
	CHECK((size_t)(p - buf) <= bound);
	return (size_t)(p - buf);
}

bool
http_trailer_field(const struct field *f)
{
	/* framing, routing, authentication have ids or are here */
	static const struct span never[] = {
	    {"authorization", 13},
	    {"cache-control", 13},
	    {"content-encoding", 16},
	    {"content-range", 13},
	    {"content-type", 12},
	    {"proxy-authorization", 19},
	    {"set-cookie", 10},
	};

	if (f->id != FIELD_OTHER)
		return false;
	for (size_t i = 0; i < sizeof never / sizeof never[0]; i++)
		if (span_eq_nocase(f->name, never[i]))
			return false;
	return true;
}

size_t
http_write_trailers(char *buf, size_t size, const struct h1_head *h)
{
	char *p = span_put(buf, SPAN("0\r\n"));

	CHECK(size >= 5);
	for (unsigned i = 0; i < h->nfields; i++) {
		const struct field *f = &h->fields[i];
		size_t need = f->name.n + f->value.n + 6;

		if (http_trailer_field(f) && need <= size - (size_t)(p - buf))
			p = put_field(p, f->name, f->value);
	}
	return (size_t)(span_put(p, SPAN("\r\n")) - buf);
}

bool
http_idempotent(struct span method)
{
	static const struct span methods[] = {
	    {"GET", 3},
	    {"HEAD", 4},
	    {"PUT", 3},
	    {"DELETE", 6},
	    {"OPTIONS", 7},
	    {"TRACE", 5},
	};

	for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++)
		if (span_eq(method, methods[i]))
			return true;
	return false;
}

bool
http_trusted(const struct forward *f, int family, const unsigned char *address)
{
	return cidr_any_has(f->trusted, f->ntrusted, family, address);
}

const char *
http_phrase(int status)
{
	static const struct {
		int status;
		const char *phrase;
	} phrases[] = {
	    {200, "OK"},
	    {301, "Moved Permanently"},
	    {302, "Found"},
	    {303, "See Other"},
	    {307, "Temporary Redirect"},
	    {308, "Permanent Redirect"},
	    {400, "Bad Request"},
	    {404, "Not Found"},
	    {408, "Request Timeout"},
	    {413, "Content Too Large"},
	    {414, "URI Too Long"},
	    {417, "Expectation Failed"},
	    {431, "Request Header Fields Too Large"},
	    {500, "Internal Server Error"},
	    {501, "Not Implemented"},
	    {502, "Bad Gateway"},
	    {503, "Service Unavailable"},
	    {504, "Gateway Timeout"},
	    {505, "HTTP Version Not Supported"},
	};

	for (size_t i = 0; i < sizeof phrases / sizeof phrases[0]; i++)
		if (phrases[i].status == status)
			return phrases[i].phrase;
	return "";
}
