/*
 * HTTP/1.x heads and chunked bodies, strictly: what two readers could take
 * for two different messages is refused (RFC 9112 11.2, request smuggling).
 */
#include "proxy/h1_parse.h"

#include "base/check.h"
#include "proxy/h1_scan.h"

/*
 * Bytes in all Connection fields: each field of the message is held against
 * each option, so a list without end would cost its square.
 */
#define CONNECTION_MAX 256u

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static enum h1_result
bad(struct h1_head *h, enum err e)
{
	h->error = e;
	return H1_BAD;
}

void
h1_head_init(struct h1_head *h, struct field *fields, unsigned max)
{
	memset(h, 0, sizeof *h);
	h->fields = fields;
	h->max_fields = max;
}

static void
head_reset(struct h1_head *h)
{
	struct field *fields = h->fields;
	unsigned max = h->max_fields;

	h1_head_init(h, fields, max);
}

/*
 * CRLF at *pos: DONE and *pos moves behind it. A lone CR or LF is BAD: other
 * readers disagree about it.
 */
static enum h1_result
parse_crlf(struct span in, size_t *pos)
{
	if (*pos == in.n)
		return H1_MORE;
	if (in.p[*pos] != '\r')
		return H1_BAD;
	if (*pos + 1 == in.n)
		return H1_MORE;
	if (in.p[*pos + 1] != '\n')
		return H1_BAD;
	*pos += 2;
	return H1_DONE;
}

/* Bytes from *pos to `stop`, at least one; then `end`, and *pos behind it. */
static enum h1_result
take_word(
    struct span in, size_t *pos, const char *stop, char end, struct span *word)
{
	size_t i = (size_t)(stop - in.p);

	if (i == in.n)
		return H1_MORE;
	if (i == *pos || *stop != end)
		return H1_BAD;
	*word = (struct span){in.p + *pos, i - *pos};
	*pos = i + 1;
	return H1_DONE;
}

/* "HTTP/1.1": any minor digit counts as the highest we know (RFC 9110 2.5). */
static enum h1_result
parse_version(struct span in, size_t *pos, struct h1_head *h)
{
	static const char name[] = "HTTP/";
	size_t have = in.n - *pos;

	if (memcmp(in.p + *pos, name, have < 5 ? have : 5) != 0)
		return bad(h, ERR_BAD_REQUEST);
	if (have < 8)
		return H1_MORE;
	in.p += *pos + 5;
	if (!is_digit(in.p[0]) || in.p[1] != '.' || !is_digit(in.p[2]))
		return bad(h, ERR_BAD_REQUEST);
	if (in.p[0] != '1')
		return bad(h, ERR_VERSION);
	h->minor = in.p[2] == '0' ? 0 : 1;
	*pos += 8;
	return H1_DONE;
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* One "name: value" line at *pos (RFC 9112 5). */
static enum h1_result
parse_field(struct span in, size_t *pos, struct field *f)
{
	const char *end = in.p + in.n, *p, *stop;
	enum h1_result r;
	size_t i;

	r = take_word(in, pos, scan_token(in.p + *pos, end), ':', &f->name);
	if (r != H1_DONE)
		return r;
	p = in.p + *pos;
	while (p < end && is_blank(*p))
		p++;
	stop = scan_value(p, end);
	i = (size_t)(stop - in.p);
	r = parse_crlf(in, &i);
	if (r != H1_DONE)
		return r;
	while (stop > p && is_blank(stop[-1]))
		stop--;
	f->value = (struct span){p, (size_t)(stop - p)};
	f->id = field_lookup(f->name);
	*pos = i;
	return H1_DONE;
}

/* All field lines and the empty line behind them; *pos ends the head. */
static enum h1_result
parse_fields(struct span in, size_t *pos, struct h1_head *h)
{
	enum h1_result r;

	for (;;) {
		if (*pos == in.n)
			return H1_MORE;
		if (in.p[*pos] == '\r' || in.p[*pos] == '\n') {
			r = parse_crlf(in, pos);
			h->size = *pos;
			return r == H1_BAD ? bad(h, ERR_BAD_REQUEST) : r;
		}
		if (h->nfields == h->max_fields)
			return bad(h, ERR_HEAD_TOO_LARGE);
		r = parse_field(in, pos, &h->fields[h->nfields]);
		if (r != H1_DONE)
			return r == H1_BAD ? bad(h, ERR_BAD_REQUEST) : r;
		h->nfields++;
	}
}

static void
read_connection(struct h1_head *h, struct span value)
{
	struct span option;

	while (span_list_next(&value, &option)) {
		if (span_eq_nocase(option, SPAN("close")))
			h->close = true;
		else if (span_eq_nocase(option, SPAN("keep-alive")))
			h->keep_alive = true;
		else if (span_eq_nocase(option, SPAN("upgrade")))
			h->connection_upgrade = true;
		else
			h->connection_names = true;
	}
}

static bool
is_hex(char c)
{
	return is_digit(c) || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f');
}

/* "[::1]" at the front of host (RFC 3986 3.2.2); 0 when it is none. */
static size_t
literal_length(struct span host)
{
	bool colon = false;
	size_t i = 1;

	for (; i < host.n && host.p[i] != ']'; i++) {
		if (!is_hex(host.p[i]) && host.p[i] != ':' && host.p[i] != '.')
			return 0;
		colon |= host.p[i] == ':';
	}
	return colon && i < host.n ? i + 1 : 0;
}

/*
 * unreserved and sub-delims (RFC 3986 2), but no comma, which would look like
 * two fields joined.
 */
static const bool name_bytes[256] = {
    ['0' ... '9'] = true,
    ['A' ... 'Z'] = true,
    ['a' ... 'z'] = true,
    ['-'] = true,
    ['.'] = true,
    ['_'] = true,
    ['~'] = true,
    ['!'] = true,
    ['$'] = true,
    ['&'] = true,
    ['\''] = true,
    ['('] = true,
    [')'] = true,
    ['*'] = true,
    ['+'] = true,
    [';'] = true,
    ['='] = true,
};

/* The reg-name at the front of host (RFC 3986 3.2.2); 0 without. */
static size_t
name_length(struct span host)
{
	size_t i = 0;

	while (i < host.n) {
		if (name_bytes[(unsigned char)host.p[i]])
			i++;
		else if (host.p[i] == '%' && host.n - i > 2 &&
			 is_hex(host.p[i + 1]) && is_hex(host.p[i + 2]))
			i += 3;
		else
			break;
	}
	return i;
}

bool
h1_valid_host(struct span host)
{
	size_t i;

	if (host.n == 0)
		return false;
	i = host.p[0] == '[' ? literal_length(host) : name_length(host);
	if (i == 0)
		return false;
	if (i == host.n)
		return true;
	if (host.p[i] != ':' || host.n - i > sizeof ":65535" - 1)
		return false;
	while (++i < host.n)
		if (!is_digit(host.p[i]))
			return false;
	return true;
}

/* Where the fields that rule framing stand while a head is read. */
struct framing {
	unsigned lengths, codings, hosts;
	size_t connection; /* bytes of its options */
	bool chunked;
};

static bool
read_field(struct h1_head *h, const struct field *f, struct framing *fr)
{
	switch (f->id) {
	case FIELD_CONNECTION:
		fr->connection += f->value.n;
		read_connection(h, f->value);
		return true;
	case FIELD_CONTENT_LENGTH:
		/* others may count in signed numbers */
		return ++fr->lengths == 1 &&
		       span_to_u64(f->value, &h->length) &&
		       h->length <= INT64_MAX;
	case FIELD_TRANSFER_ENCODING:
		fr->chunked = span_eq_nocase(f->value, SPAN("chunked"));
		return ++fr->codings == 1 && fr->chunked;
	case FIELD_HOST:
		h->host = f->value;
		return ++fr->hosts == 1;
	case FIELD_EXPECT:
		/* RFC 9110 10.1.1: not in HTTP/1.0 */
		h->expect_continue = h->minor == 1 && span_eq_nocase(f->value,
							  SPAN("100-continue"));
		return true;
	default:
		return true;
	}
}

/*
 * The fields that the connection itself depends on. A message with both
 * lengths and codings, or several of one, is refused whole (RFC 9112 6.1,
 * 6.3), as is a coding other than chunked and any coding in HTTP/1.0.
 */
static enum h1_result
read_fields(struct h1_head *h, struct framing *fr)
{
	*fr = (struct framing){0};
	h->keep_alive = h->minor == 1;
	for (unsigned i = 0; i < h->nfields; i++)
		if (h->fields[i].id != FIELD_OTHER &&
		    !read_field(h, &h->fields[i], fr))
			return bad(h, ERR_BAD_REQUEST);
	if (fr->connection > CONNECTION_MAX)
		return bad(h, ERR_HEAD_TOO_LARGE);
	if (h->close)
		h->keep_alive = false;
	if (fr->codings > 0 && (fr->lengths > 0 || h->minor == 0))
		return bad(h, ERR_BAD_REQUEST);
	return H1_DONE;
}

static enum h1_result
parse_request_line(struct span in, size_t *pos, struct h1_head *h)
{
	const char *end = in.p + in.n;
	enum h1_result r;

	r = take_word(in, pos, scan_token(in.p + *pos, end), ' ', &h->method);
	if (r == H1_DONE)
		r = take_word(
		    in, pos, scan_target(in.p + *pos, end), ' ', &h->target);
	if (r != H1_DONE)
		return r == H1_BAD ? bad(h, ERR_BAD_REQUEST) : r;
	r = parse_version(in, pos, h);
	if (r != H1_DONE)
		return r;
	r = parse_crlf(in, pos);
	return r == H1_BAD ? bad(h, ERR_BAD_REQUEST) : r;
}

enum h1_result
h1_parse_request(struct span in, struct h1_head *h)
{
	struct framing fr;
	enum h1_result r;
	size_t pos = 0;

	head_reset(h);
	while (pos < in.n && (in.p[pos] == '\r' || in.p[pos] == '\n')) {
		r = parse_crlf(in, &pos); /* RFC 9112 2.2: empty lines */
		if (r != H1_DONE)
			return r == H1_BAD ? bad(h, ERR_BAD_REQUEST) : r;
	}
	r = parse_request_line(in, &pos, h);
	if (r == H1_DONE)
		r = parse_fields(in, &pos, h);
	if (r == H1_DONE)
		r = read_fields(h, &fr);
	if (r != H1_DONE)
		return r;
	if (fr.hosts == 0 ? h->minor == 1 : !h1_valid_host(h->host))
		return bad(h, ERR_BAD_REQUEST);
	if (fr.chunked)
		h->body = H1_BODY_CHUNKED;
	else if (h->length > 0)
		h->body = H1_BODY_LENGTH;
	return H1_DONE;
}

/* "HTTP/1.1 200 OK"; the phrase may be empty, with or without its space. */
static enum h1_result
parse_status_line(struct span in, size_t *pos, struct h1_head *h)
{
	enum h1_result r = parse_version(in, pos, h);
	const char *p = in.p + *pos, *stop;

	if (r != H1_DONE)
		return r;
	if (in.n - *pos < 5)
		return H1_MORE;
	if (p[0] != ' ' || p[1] < '1' || p[1] > '5' || !is_digit(p[2]) ||
	    !is_digit(p[3]))
		return bad(h, ERR_BAD_RESPONSE);
	h->status = (p[1] - '0') * 100 + (p[2] - '0') * 10 + (p[3] - '0');
	*pos += 4;
	if (in.p[*pos] == ' ') {
		p = in.p + ++*pos;
		stop = scan_value(p, in.p + in.n);
		h->reason = (struct span){p, (size_t)(stop - p)};
		*pos += h->reason.n;
	}
	return parse_crlf(in, pos);
}

/*
 * What follows a response without a body. After an announced one where none
 * may be (RFC 9112 6.1, RFC 9110 8.6) nobody can tell: an interim response is
 * refused then, and after a 204 the connection is not used again.
 */
static enum h1_result
check_bodiless(struct h1_head *h, const struct framing *fr)
{
	bool announced = fr->chunked || h->length > 0;

	if (announced && h->status < 200)
		return bad(h, ERR_BAD_RESPONSE);
	if (announced && h->status == 204)
		h->keep_alive = false;
	return H1_DONE;
}

enum h1_result
h1_parse_response(struct span in, bool head_method, struct h1_head *h)
{
	struct framing fr;
	enum h1_result r;
	size_t pos = 0;

	head_reset(h);
	r = parse_status_line(in, &pos, h);
	if (r == H1_DONE)
		r = parse_fields(in, &pos, h);
	if (r == H1_DONE)
		r = read_fields(h, &fr);
	if (r == H1_BAD)
		return bad(h, ERR_BAD_RESPONSE);
	if (r != H1_DONE)
		return r;
	if (head_method || h->status < 200 || h->status == 204 ||
	    h->status == 304)
		return check_bodiless(h, &fr);
	if (fr.chunked)
		h->body = H1_BODY_CHUNKED;
	else if (fr.lengths == 0)
		h->body = H1_BODY_CLOSE;
	else if (h->length > 0)
		h->body = H1_BODY_LENGTH;
	return H1_DONE;
}

enum h1_result
h1_parse_trailers(struct span in, struct h1_head *h)
{
	size_t pos = 0;

	head_reset(h);
	return parse_fields(in, &pos, h);
}

bool
h1_head_complete(struct span in, size_t *scanned)
{
	size_t from = *scanned > 3 ? *scanned - 3 : 0;
	bool found;

	CHECK(*scanned <= in.n);
	found = memmem(in.p + from, in.n - from, "\r\n\r\n", 4) != NULL;
	*scanned = in.n;
	return found;
}
