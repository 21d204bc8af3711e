/*
 * HTTP/1.x heads and chunked bodies, strictly: what two readers could take
 * for two different messages is refused (RFC 9112 11.2, request smuggling).
 */
#include "proxy/h1_parse.h"

#include "base/check.h"

enum {
	TCHAR = 1, /* RFC 9110 5.6.2 token */
	VCHAR = 2, /* field value: VCHAR, obs-text, SP, HTAB */
	UCHAR = 4, /* request target: visible ASCII */
	HCHAR = 8, /* Host: what uri-host and port are made of */
};

#define T (TCHAR | VCHAR | UCHAR)
#define V (VCHAR | UCHAR)
#define H (HCHAR | VCHAR | UCHAR)
#define A (TCHAR | VCHAR | UCHAR | HCHAR)

/* clang-format off */
static const unsigned char class[256] = {
	['\t'] = VCHAR, [' '] = VCHAR,
	['!'] = A, ['"'] = V, ['#'] = T, ['$'] = A, ['%'] = A, ['&'] = A,
	['\''] = A, ['('] = H, [')'] = H, ['*'] = A, ['+'] = A, [','] = H,
	['-'] = A, ['.'] = A, ['/'] = V,
	['0'] = A, ['1'] = A, ['2'] = A, ['3'] = A, ['4'] = A, ['5'] = A,
	['6'] = A, ['7'] = A, ['8'] = A, ['9'] = A,
	[':'] = H, [';'] = H, ['<'] = V, ['='] = H, ['>'] = V, ['?'] = V,
	['@'] = V,
	['A'] = A, ['B'] = A, ['C'] = A, ['D'] = A, ['E'] = A, ['F'] = A,
	['G'] = A, ['H'] = A, ['I'] = A, ['J'] = A, ['K'] = A, ['L'] = A,
	['M'] = A, ['N'] = A, ['O'] = A, ['P'] = A, ['Q'] = A, ['R'] = A,
	['S'] = A, ['T'] = A, ['U'] = A, ['V'] = A, ['W'] = A, ['X'] = A,
	['Y'] = A, ['Z'] = A,
	['['] = H, ['\\'] = V, [']'] = H, ['^'] = T, ['_'] = A, ['`'] = T,
	['a'] = A, ['b'] = A, ['c'] = A, ['d'] = A, ['e'] = A, ['f'] = A,
	['g'] = A, ['h'] = A, ['i'] = A, ['j'] = A, ['k'] = A, ['l'] = A,
	['m'] = A, ['n'] = A, ['o'] = A, ['p'] = A, ['q'] = A, ['r'] = A,
	['s'] = A, ['t'] = A, ['u'] = A, ['v'] = A, ['w'] = A, ['x'] = A,
	['y'] = A, ['z'] = A,
	['{'] = V, ['|'] = T, ['}'] = V, ['~'] = A,
	[0x80 ... 0xff] = VCHAR,
};
/* clang-format on */

#undef T
#undef V
#undef H
#undef A

static inline bool
is(unsigned char mask, char c)
{
	return (class[(unsigned char)c] & mask) != 0;
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

/* A run of one class of bytes, at least one; then `end` at *pos. */
static enum h1_result
parse_word(struct span in, size_t *pos, unsigned char mask, char end,
    struct span *word)
{
	size_t i = *pos;

	while (i < in.n && is(mask, in.p[i]))
		i++;
	if (i == in.n)
		return H1_MORE;
	if (i == *pos || in.p[i] != end)
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
	if (in.p[0] < '0' || in.p[0] > '9' || in.p[1] != '.' || in.p[2] < '0' ||
	    in.p[2] > '9')
		return bad(h, ERR_BAD_REQUEST);
	if (in.p[0] != '1')
		return bad(h, ERR_VERSION);
	h->minor = in.p[2] == '0' ? 0 : 1;
	*pos += 8;
	return H1_DONE;
}

/* One "name: value" line at *pos (RFC 9112 5). */
static enum h1_result
parse_field(struct span in, size_t *pos, struct field *f)
{
	enum h1_result r;
	size_t start, i;

	r = parse_word(in, pos, TCHAR, ':', &f->name);
	if (r != H1_DONE)
		return r;
	i = *pos;
	while (i < in.n && (in.p[i] == ' ' || in.p[i] == '\t'))
		i++;
	start = i;
	while (i < in.n && is(VCHAR, in.p[i]))
		i++;
	f->value = (struct span){in.p + start, i - start};
	r = parse_crlf(in, &i);
	if (r != H1_DONE)
		return r;
	while (f->value.n > 0 && (f->value.p[f->value.n - 1] == ' ' ||
				     f->value.p[f->value.n - 1] == '\t'))
		f->value.n--;
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

/* uri-host [":" port], loosely; what it must not be is ambiguous. */
static bool
valid_host(struct span host)
{
	const char *colon;
	struct span port;

	if (host.n == 0)
		return false;
	for (size_t i = 0; i < host.n; i++)
		if (!is(HCHAR, host.p[i]))
			return false;
	if (host.p[0] == '[') {
		colon = memchr(host.p, ']', host.n);
		if (colon == NULL)
			return false;
		port = (struct span){
		    colon + 1, host.n - (size_t)(colon + 1 - host.p)};
		if (port.n == 0)
			return true;
		if (port.p[0] != ':')
			return false;
	} else {
		colon = memchr(host.p, ':', host.n);
		if (colon == NULL)
			return true;
		if (colon == host.p)
			return false;
		port = (struct span){colon, host.n - (size_t)(colon - host.p)};
	}
	for (size_t i = 1; i < port.n; i++)
		if (port.p[i] < '0' || port.p[i] > '9')
			return false;
	return true;
}

/* Where the fields that rule framing stand while a head is read. */
struct framing {
	unsigned lengths, codings, hosts;
	bool chunked;
};

static bool
read_field(struct h1_head *h, const struct field *f, struct framing *fr)
{
	switch (f->id) {
	case FIELD_CONNECTION:
		read_connection(h, f->value);
		return true;
	case FIELD_CONTENT_LENGTH:
		return ++fr->lengths == 1 && span_to_u64(f->value, &h->length);
	case FIELD_TRANSFER_ENCODING:
		fr->chunked = span_eq_nocase(f->value, SPAN("chunked"));
		return ++fr->codings == 1 && fr->chunked;
	case FIELD_HOST:
		h->host = f->value;
		return ++fr->hosts == 1;
	case FIELD_EXPECT:
		h->expect_continue =
		    span_eq_nocase(f->value, SPAN("100-continue"));
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
	if (h->close)
		h->keep_alive = false;
	if (fr->codings > 0 && (fr->lengths > 0 || h->minor == 0))
		return bad(h, ERR_BAD_REQUEST);
	return H1_DONE;
}

static enum h1_result
parse_request_line(struct span in, size_t *pos, struct h1_head *h)
{
	enum h1_result r;

	r = parse_word(in, pos, TCHAR, ' ', &h->method);
	if (r == H1_DONE)
		r = parse_word(in, pos, UCHAR, ' ', &h->target);
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
	if (fr.hosts == 0 ? h->minor == 1 : !valid_host(h->host))
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
	const char *p = in.p + *pos;
	size_t i;

	if (r != H1_DONE)
		return r;
	if (in.n - *pos < 5)
		return H1_MORE;
	if (p[0] != ' ' || p[1] < '1' || p[1] > '9' || p[2] < '0' ||
	    p[2] > '9' || p[3] < '0' || p[3] > '9')
		return bad(h, ERR_BAD_RESPONSE);
	h->status = (p[1] - '0') * 100 + (p[2] - '0') * 10 + (p[3] - '0');
	*pos += 4;
	if (in.p[*pos] == ' ') {
		i = ++*pos;
		while (i < in.n && is(VCHAR, in.p[i]))
			i++;
		h->reason = (struct span){in.p + *pos, i - *pos};
		*pos = i;
	}
	return parse_crlf(in, pos);
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
		h->body = H1_BODY_NONE;
	else if (fr.chunked)
		h->body = H1_BODY_CHUNKED;
	else if (fr.lengths == 0)
		h->body = H1_BODY_CLOSE;
	else if (h->length > 0)
		h->body = H1_BODY_LENGTH;
	return H1_DONE;
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
