/*
 * Reading and writing of HTTP/2 field sections. What a section says is held
 * against the same rules as an HTTP/1.1 head, because it becomes one.
 */
#include "proxy/h2_fields.h"

#include <stdlib.h>

#include "base/check.h"
#include "proxy/h1_scan.h"
#include "proxy/hop.h"
#include "proxy/http.h"
#include "proxy/websocket.h"

/* What HTTP/1.1 spends for a line: ": " and its end. */
#define LINE_BYTES 4u
/* And for a request or status line beyond its words, and for the last line. */
#define HEAD_BYTES 32u
/* A section's first memory. */
#define FIRST_BYTES 512u
#define FIRST_LINES 16u

/* The value stands behind the name. */
struct h2_line {
	uint32_t at, name, value; /* the place of both, and their sizes */
};

enum pseudo {
	METHOD,
	SCHEME,
	AUTHORITY,
	PATH,
	PROTOCOL, /* RFC 8441 4 */
	STATUS,
	PSEUDO_COUNT
};

static const struct span pseudo_names[] = {
    [METHOD] = {":method", 7},
    [SCHEME] = {":scheme", 7},
    [AUTHORITY] = {":authority", 10},
    [PATH] = {":path", 5},
    [PROTOCOL] = {":protocol", 9},
    [STATUS] = {":status", 7},
};

/* Which of them a section may have, as bits. */
#define OF_REQUEST  ((1u << STATUS) - 1u)
#define OF_RESPONSE (1u << STATUS)
#define OF_TRAILERS 0u

/* What is found while a section is read. */
struct reading {
	struct h2_section *section;
	struct h1_head *head;
	struct span pseudo[PSEUDO_COUNT]; /* p == NULL: absent */
	unsigned first;			  /* line behind the pseudo-headers */
	bool request, websocket;
	struct field *cookies; /* the first line of them */
	bool has_length;
};

void
h2_section_end(struct h2_section *s)
{
	free(s->bytes);
	free(s->lines);
	*s = (struct h2_section){0};
}

/* Room for `need` bytes more. Spans into the section are void then. */
static bool
reserve_bytes(struct h2_section *s, size_t need)
{
	size_t size = s->size > 0 ? s->size : FIRST_BYTES;
	char *bytes;

	while (size - s->n < need)
		size *= 2;
	if (size == s->size)
		return true;
	bytes = realloc(s->bytes, size);
	if (bytes == NULL)
		return false;
	s->bytes = bytes;
	s->size = size;
	return true;
}

static bool
reserve_line(struct h2_section *s)
{
	unsigned room = s->room > 0 ? s->room * 2 : FIRST_LINES;
	struct h2_line *lines;

	if (s->nlines < s->room)
		return true;
	lines = realloc(s->lines, room * sizeof *lines);
	if (lines == NULL)
		return false;
	s->lines = lines;
	s->room = room;
	return true;
}

/* The bytes are there. */
static struct span
append(struct h2_section *s, struct span bytes)
{
	char *p = s->bytes + s->n;

	CHECK(bytes.n <= s->size - s->n);
	if (bytes.n > 0)
		memcpy(p, bytes.p, bytes.n);
	s->n += bytes.n;
	return (struct span){p, bytes.n};
}

void
h2_section_add(struct h2_section *s, struct span name, struct span value,
    size_t bytes_max, unsigned lines_max)
{
	size_t used = s->n + (size_t)s->nlines * LINE_BYTES;

	if (s->too_large)
		return;
	if (s->nlines >= lines_max || used > bytes_max ||
	    bytes_max - used < LINE_BYTES ||
	    bytes_max - used - LINE_BYTES < name.n ||
	    bytes_max - used - LINE_BYTES - name.n < value.n ||
	    s->n + name.n + value.n > UINT32_MAX || !reserve_line(s) ||
	    !reserve_bytes(s, name.n + value.n)) {
		s->too_large = true;
		return;
	}
	s->lines[s->nlines++] = (struct h2_line){
	    (uint32_t)s->n, (uint32_t)name.n, (uint32_t)value.n};
	append(s, name);
	append(s, value);
}

static struct span
name_of(const struct h2_section *s, unsigned i)
{
	return (struct span){s->bytes + s->lines[i].at, s->lines[i].name};
}

static struct span
value_of(const struct h2_section *s, unsigned i)
{
	const struct h2_line *l = &s->lines[i];

	return (struct span){s->bytes + l->at + l->name, l->value};
}

static bool
is_token(struct span s)
{
	return s.n > 0 && scan_token(s.p, s.p + s.n) == s.p + s.n;
}

/* A token in lower case (RFC 9113 8.2.1). */
static bool
is_name(struct span name)
{
	for (size_t i = 0; i < name.n; i++)
		if (name.p[i] >= 'A' && name.p[i] <= 'Z')
			return false;
	return is_token(name);
}

/* Nothing that ends a line or a string, no white space around it. */
static bool
is_value(struct span value)
{
	const char *end = value.p + value.n;

	return scan_value(value.p, end) == end && span_trim(value).n == value.n;
}

static bool
read_pseudo(struct reading *r, unsigned i, unsigned allowed)
{
	struct span name = name_of(r->section, i);

	for (unsigned k = 0; k < PSEUDO_COUNT; k++) {
		if ((allowed & 1u << k) == 0 || !span_eq(name, pseudo_names[k]))
			continue;
		if (r->pseudo[k].p != NULL)
			return false;
		r->pseudo[k] = value_of(r->section, i);
		return true;
	}
	return false;
}

/* Each line for itself, and pseudo-header fields in front of all others. */
static bool
read_lines(struct reading *r, unsigned allowed)
{
	const struct h2_section *s = r->section;

	for (unsigned i = 0; i < s->nlines; i++) {
		struct span name = name_of(s, i);
		bool pseudo = name.n > 0 && name.p[0] == ':';

		if (!is_value(value_of(s, i)))
			return false;
		if (!pseudo && !is_name(name))
			return false;
		if (pseudo && (r->first < i || !read_pseudo(r, i, allowed)))
			return false;
		if (pseudo)
			r->first = i + 1;
	}
	return true;
}

static bool
add_field(struct h1_head *h, struct span name, struct span value)
{
	if (h->nfields == h->max_fields)
		return false;
	h->fields[h->nfields++] =
	    (struct field){name, value, field_lookup(name)};
	return true;
}

static enum err
add(struct h1_head *h, const struct field *f)
{
	return add_field(h, f->name, f->value) ? ERR_NONE : ERR_HEAD_TOO_LARGE;
}

/* Joined lines of one value are one line (RFC 9110 8.6). */
static enum err
take_length(struct reading *r, const struct field *f)
{
	uint64_t length;

	if (!span_to_u64(f->value, &length) || length > INT64_MAX)
		return ERR_BAD_REQUEST;
	if (r->has_length)
		return length == r->head->length ? ERR_NONE : ERR_BAD_REQUEST;
	r->has_length = true;
	r->head->length = length;
	return add(r->head, f);
}

static enum err
take_host(struct reading *r, const struct field *f)
{
	struct h1_head *h = r->head;

	if (h->host.p != NULL || (r->request && !h1_valid_host(f->value)))
		return ERR_BAD_REQUEST;
	h->host = f->value;
	return r->request ? ERR_NONE : add(h, f);
}

/* A crumb goes behind those that came before (RFC 9113 8.2.3). */
static enum err
take_cookie(struct reading *r, const struct field *f)
{
	struct h2_section *s = r->section;
	struct span *joined;
	const char *begin;

	if (!r->request || r->cookies == NULL) {
		r->cookies = &r->head->fields[r->head->nfields];
		return add(r->head, f);
	}
	joined = &r->cookies->value;
	begin = joined->p;
	if (begin + joined->n != s->bytes + s->n)
		begin = append(s, *joined).p;
	append(s, SPAN("; "));
	append(s, f->value);
	*joined = (struct span){begin, (size_t)(s->bytes + s->n - begin)};
	return ERR_NONE;
}

static enum err
take_field(struct reading *r, const struct field *f)
{
	switch (f->id) {
	case FIELD_CONNECTION:
	case FIELD_KEEP_ALIVE:
	case FIELD_PROXY_CONNECTION:
	case FIELD_TRANSFER_ENCODING:
	case FIELD_UPGRADE:
		return ERR_BAD_REQUEST; /* RFC 9113 8.2.2 */
	case FIELD_TE:
		if (!span_eq_nocase(f->value, SPAN("trailers")))
			return ERR_BAD_REQUEST;
		return add(r->head, f);
	case FIELD_CONTENT_LENGTH:
		return take_length(r, f);
	case FIELD_HOST:
		return take_host(r, f);
	case FIELD_COOKIE:
		return take_cookie(r, f);
	case FIELD_EXPECT:
		r->head->expect_continue =
		    span_eq_nocase(f->value, SPAN("100-continue"));
		return add(r->head, f);
	default:
		/* the handshake's key is ours to make */
		if (r->websocket && span_eq(f->name, SPAN("sec-websocket-key")))
			return ERR_NONE;
		return add(r->head, f);
	}
}

static enum err
take_fields(struct reading *r)
{
	const struct h2_section *s = r->section;
	enum err e = ERR_NONE;

	for (unsigned i = r->first; i < s->nlines && e == ERR_NONE; i++) {
		struct span name = name_of(s, i);
		struct field f = {name, value_of(s, i), field_lookup(name)};

		e = take_field(r, &f);
	}
	return e;
}

/* From here on nothing moves: everything that is copied has its room. */
static bool
reserve_copies(struct h2_section *s)
{
	size_t need = WEBSOCKET_KEY_SIZE;

	for (unsigned i = 0; i < s->nlines; i++)
		if (span_eq(name_of(s, i), SPAN("cookie")))
			need += value_of(s, i).n + 2;
	return reserve_bytes(s, need);
}

/* Begins with a slash and stays a path in every reader's eyes, or is "*". */
static bool
is_path(struct span path, struct span method)
{
	if (path.n == 0 ||
	    scan_target(path.p, path.p + path.n) != path.p + path.n ||
	    memchr(path.p, '#', path.n) != NULL)
		return false;
	return path.p[0] == '/' ||
	       (span_eq(path, SPAN("*")) && span_eq(method, SPAN("OPTIONS")));
}

/* The request line out of the pseudo-header fields. */
static enum err
take_target(struct reading *r)
{
	const struct span *p = r->pseudo;
	struct span method = p[METHOD];
	bool connect = span_eq(method, SPAN("CONNECT"));

	if (!is_token(method))
		return ERR_BAD_REQUEST;
	if (connect && p[PROTOCOL].p == NULL)
		return ERR_NOT_IMPLEMENTED;
	if (!span_eq_nocase(p[SCHEME], SPAN("https")) &&
	    !span_eq_nocase(p[SCHEME], SPAN("http")))
		return ERR_BAD_REQUEST;
	if (!is_path(p[PATH], method) || (p[PROTOCOL].p != NULL && !connect))
		return ERR_BAD_REQUEST;
	if (p[AUTHORITY].p != NULL && !h1_valid_host(p[AUTHORITY]))
		return ERR_BAD_REQUEST;
	if (connect && p[AUTHORITY].p == NULL)
		return ERR_BAD_REQUEST; /* RFC 8441 4 */
	if (connect && !span_eq_nocase(p[PROTOCOL], SPAN("websocket")))
		return ERR_NOT_IMPLEMENTED;
	r->websocket = connect;
	r->head->method = connect ? SPAN("GET") : method;
	r->head->target = p[PATH];
	return ERR_NONE;
}

/* Host goes where place was kept for it: in front. */
static bool
set_host(struct reading *r)
{
	struct span authority = r->pseudo[AUTHORITY];
	struct h1_head *h = r->head;

	if (authority.p == NULL)
		authority = h->host;
	if (authority.p == NULL ||
	    (h->host.p != NULL && !span_eq_nocase(h->host, authority)))
		return false;
	h->host = authority;
	h->fields[0] = (struct field){SPAN("Host"), authority, FIELD_HOST};
	return true;
}

/* The body of a request: what END_STREAM says must fit its length. */
static bool
set_body(struct reading *r, bool end_stream)
{
	struct h1_head *h = r->head;

	if (r->websocket)
		return !end_stream && h->length == 0;
	if (end_stream)
		return h->length == 0;
	if (!r->has_length)
		h->body = H1_BODY_CHUNKED;
	else if (h->length > 0)
		h->body = H1_BODY_LENGTH;
	return true;
}

static bool
add_handshake(struct reading *r, struct span key)
{
	struct h1_head *h = r->head;

	h->connection_upgrade = true;
	return add_field(h, SPAN("Upgrade"), SPAN("websocket")) &&
	       add_field(h, SPAN("Connection"), SPAN("Upgrade")) &&
	       add_field(h, SPAN("Sec-WebSocket-Key"), append(r->section, key));
}

/* As many bytes as it would have in HTTP/1.1, or some more. */
static size_t
head_size(const struct h1_head *h)
{
	size_t size = h->method.n + h->target.n + HEAD_BYTES;

	for (unsigned i = 0; i < h->nfields; i++)
		size += h->fields[i].name.n + h->fields[i].value.n + LINE_BYTES;
	return size;
}

static struct reading
begin(struct h2_section *s, struct h1_head *h)
{
	h1_head_init(h, h->fields, h->max_fields);
	h->minor = 1;
	h->http2 = true;
	h->keep_alive = true;
	return (struct reading){.section = s, .head = h};
}

enum err
h2_read_request(
    struct h2_section *s, bool end_stream, struct span key, struct h1_head *h)
{
	struct reading r = begin(s, h);
	enum err e;

	CHECK(key.n == WEBSOCKET_KEY_SIZE && h->max_fields > 0);
	if (s->too_large || !reserve_copies(s))
		return ERR_HEAD_TOO_LARGE;
	r.request = true;
	if (!read_lines(&r, OF_REQUEST))
		return ERR_BAD_REQUEST;
	e = take_target(&r);
	h->nfields = 1; /* Host */
	if (e == ERR_NONE)
		e = take_fields(&r);
	if (e != ERR_NONE)
		return e;
	if (!set_host(&r) || !set_body(&r, end_stream))
		return ERR_BAD_REQUEST;
	if (r.websocket && !add_handshake(&r, key))
		return ERR_HEAD_TOO_LARGE;
	h->size = head_size(h);
	return ERR_NONE;
}

static bool
read_status(struct span status, int *number)
{
	uint64_t value;

	if (status.n != 3 || !span_to_u64(status, &value))
		return false;
	*number = (int)value;
	/* there is no 101 in HTTP/2 (RFC 9113 8.6) */
	return value >= 100 && value <= 599 && value != 101;
}

/*
 * Whether END_STREAM and the length may stand in a response like this one.
 * That nothing follows is said in the words of HTTP/1.1, too.
 */
static bool
set_response_body(struct reading *r, bool end_stream, bool head_method)
{
	struct h1_head *h = r->head;

	if (h->status < 200)
		return !end_stream && h->length == 0;
	if (head_method || h->status == 204 || h->status == 304)
		return true;
	if (end_stream && r->has_length)
		return h->length == 0;
	if (end_stream)
		return add_field(h, SPAN("Content-Length"), SPAN("0"));
	if (!r->has_length)
		h->body = H1_BODY_CHUNKED;
	else if (h->length > 0)
		h->body = H1_BODY_LENGTH;
	return true;
}

enum err
h2_read_response(
    struct h2_section *s, bool end_stream, bool head_method, struct h1_head *h)
{
	struct reading r = begin(s, h);

	if (s->too_large || !read_lines(&r, OF_RESPONSE) ||
	    !read_status(r.pseudo[STATUS], &h->status) ||
	    take_fields(&r) != ERR_NONE ||
	    !set_response_body(&r, end_stream, head_method))
		return ERR_BAD_RESPONSE;
	h->size = head_size(h);
	return ERR_NONE;
}

enum err
h2_read_trailers(struct h2_section *s, struct h1_head *h)
{
	struct reading r = begin(s, h);

	if (s->too_large || !read_lines(&r, OF_TRAILERS) ||
	    take_fields(&r) != ERR_NONE)
		return ERR_BAD_REQUEST;
	return ERR_NONE;
}

/* Lines on their way out; n > max: they do not fit. */
struct out {
	struct field *lines;
	unsigned n, max;
};

static void
put(struct out *o, struct span name, struct span value)
{
	if (o->n < o->max)
		o->lines[o->n] = (struct field){name, value, FIELD_OTHER};
	o->n++;
}

static unsigned
lines_of(const struct out *o)
{
	return o->n <= o->max ? o->n : 0;
}

/* Digits in front of `end`, as many as there are but at least `width`. */
static struct span
digits(char *end, uint64_t value, unsigned width)
{
	char *p = end;

	while (value > 0 || (size_t)(end - p) < width) {
		*--p = (char)('0' + value % 10);
		value /= 10;
	}
	return (struct span){p, (size_t)(end - p)};
}

static void
put_length(struct out *o, const struct h1_head *h, char *buf)
{
	if (http_has(h, FIELD_CONTENT_LENGTH))
		put(o, SPAN("content-length"),
		    digits(buf + H2_LINES_BUF, h->length, 1));
}

static bool
asks_for_websocket(const struct h1_head *h)
{
	if (!h->connection_upgrade)
		return false;
	for (unsigned i = 0; i < h->nfields; i++)
		if (h->fields[i].id == FIELD_UPGRADE)
			return span_eq_nocase(
			    h->fields[i].value, SPAN("websocket"));
	return false;
}

unsigned
h2_write_request(const struct h1_head *h, struct span scheme,
    struct field *lines, unsigned max, char *buf)
{
	struct out o = {.lines = lines, .max = max};
	bool websocket = asks_for_websocket(h);

	put(&o, pseudo_names[METHOD], websocket ? SPAN("CONNECT") : h->method);
	put(&o, pseudo_names[SCHEME], scheme);
	put(&o, pseudo_names[AUTHORITY], h->host);
	put(&o, pseudo_names[PATH], h->target);
	if (websocket)
		put(&o, pseudo_names[PROTOCOL], SPAN("websocket"));
	for (unsigned i = 0; i < h->nfields; i++) {
		const struct field *f = &h->fields[i];

		if (f->id == FIELD_HOST || hop_field(h, f) ||
		    (websocket &&
			span_eq_nocase(f->name, SPAN("sec-websocket-key"))))
			continue;
		put(&o, f->name, f->value);
	}
	if (http_takes_trailers(h))
		put(&o, SPAN("te"), SPAN("trailers"));
	if (!websocket)
		put_length(&o, h, buf);
	return lines_of(&o);
}

unsigned
h2_write_response(const struct h1_head *h, const struct h2_answer *a,
    struct field *lines, unsigned max, char *buf)
{
	struct out o = {.lines = lines, .max = max};
	bool switching = h->status == 101;
	int status = switching ? 200 : h->status;
	bool final = status >= 200;

	put(&o, pseudo_names[STATUS], digits(buf + 3, (uint64_t)status, 3));
	for (unsigned i = 0; i < h->nfields; i++) {
		const struct field *f = &h->fields[i];

		if (hop_field(h, f) ||
		    (switching &&
			span_eq_nocase(f->name, SPAN("sec-websocket-accept"))))
			continue;
		put(&o, f->name, f->value);
	}
	if (final && !http_has(h, FIELD_DATE))
		put(&o, SPAN("date"), a->date);
	if (final && a->hsts.n > 0 && !http_has(h, FIELD_STRICT_TRANSPORT))
		put(&o, SPAN("strict-transport-security"), a->hsts);
	if (a->via)
		put(&o, SPAN("via"), http_via(h));
	if (final && !switching && status != 204)
		put_length(&o, h, buf);
	return lines_of(&o);
}

unsigned
h2_write_trailers(const struct h1_head *h, struct field *lines, unsigned max)
{
	struct out o = {.lines = lines, .max = max};

	for (unsigned i = 0; i < h->nfields; i++)
		if (http_trailer_field(&h->fields[i]))
			put(&o, h->fields[i].name, h->fields[i].value);
	return lines_of(&o);
}
