/*
 * Any bytes as a field section: when it is a request it goes the whole way,
 * to HTTP/1.1 and back to HTTP/2, and is the same request at its end. The
 * same bytes are read as a response and as trailers.
 *
 * The first byte chooses the options. The second says how many of the usual
 * pseudo-header fields are in front; then each line is a size for its name,
 * or a name that is known, a size for its value, and both.
 */
#include "proxy/h2_fields.h"
#include "proxy/http.h"
#include "tests/fuzz/fuzz.h"

#define FUZZ_FIELDS 24u
#define FUZZ_BYTES  4096u
/* What HTTP/1.1 and the forwarding may add. */
#define FUZZ_ADDED 16u
#define FUZZ_LINES (FUZZ_FIELDS + FUZZ_ADDED + H2_LINES_ADDED)
#define KEY	   "dGhlIHNhbXBsZSBub25jZQ=="

/* A section may begin with some of these, all of one kind are its target. */
static const struct {
	struct span name, value;
} usual[] = {
    {{":scheme", 7}, {"https", 5}},
    {{":path", 5}, {"/a?b", 4}},
    {{":authority", 10}, {"example.com:443", 15}},
    {{":method", 7}, {"POST", 4}},
    {{":protocol", 9}, {"websocket", 9}},
    {{":method", 7}, {"CONNECT", 7}},
    {{":status", 7}, {"200", 3}},
};
#define USUAL (sizeof usual / sizeof usual[0])

static const struct span known[] = {
    {":method", 7},
    {":scheme", 7},
    {":authority", 10},
    {":path", 5},
    {":protocol", 9},
    {":status", 7},
#define X(id, name) {name, sizeof(name) - 1},
    FIELDS(X)
#undef X
	{"sec-websocket-key", 17},
    {"grpc-status", 11},
};
#define KNOWN (sizeof known / sizeof known[0])
#define NAMES 0x80u /* sizes from here on choose a known name */

static struct span
take(struct span *in, size_t n)
{
	struct span part = *in;

	if (part.n > n)
		part.n = n;
	in->p += part.n;
	in->n -= part.n;
	return part;
}

static uint8_t
take_byte(struct span *in)
{
	return in->n > 0 ? (uint8_t)take(in, 1).p[0] : 0;
}

static struct h2_section
build(struct span in)
{
	struct h2_section s = {0};
	uint8_t front = take_byte(&in);

	for (size_t i = 0; i < USUAL; i++)
		if (front & 1u << i)
			h2_section_add(&s, usual[i].name, usual[i].value,
			    FUZZ_BYTES, FUZZ_FIELDS);
	while (in.n > 0) {
		uint8_t size = take_byte(&in);
		struct span name =
		    size >= NAMES ? known[size % KNOWN] : take(&in, size);
		struct span value = take(&in, take_byte(&in));

		h2_section_add(&s, name, value, FUZZ_BYTES, FUZZ_FIELDS);
	}
	return s;
}

/* No byte that would end a line or a string. */
static void
clean(struct span s)
{
	for (size_t i = 0; i < s.n; i++)
		CHECK(s.p[i] != '\r' && s.p[i] != '\n' && s.p[i] != '\0');
}

static void
clean_head(const struct h1_head *h)
{
	CHECK(h->nfields <= h->max_fields);
	CHECK(h->http2 && h->minor == 1);
	clean(h->method);
	clean(h->target);
	for (unsigned i = 0; i < h->nfields; i++) {
		const struct field *f = &h->fields[i];

		CHECK(f->name.n > 0 && f->name.p[0] != ':');
		CHECK(memchr(f->name.p, ':', f->name.n) == NULL);
		CHECK(f->id == field_lookup(f->name));
		clean(f->name);
		clean(f->value);
	}
}

static void
clean_lines(const struct field *lines, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		CHECK(lines[i].name.n > 0);
		clean(lines[i].name);
		clean(lines[i].value);
	}
}

static struct span
line_of(const struct field *lines, unsigned n, struct span name)
{
	for (unsigned i = 0; i < n; i++)
		if (span_eq_nocase(lines[i].name, name))
			return lines[i].value;
	return SPAN_NONE;
}

/* The request that left is the one that came. */
static void
same_request(const struct h1_head *in, const struct field *lines, unsigned n)
{
	bool websocket = http_wants_upgrade(in);

	clean_lines(lines, n);
	CHECK(span_eq(line_of(lines, n, SPAN(":method")),
	    websocket ? SPAN("CONNECT") : in->method));
	CHECK(span_eq(line_of(lines, n, SPAN(":path")), in->target));
	CHECK(span_eq(line_of(lines, n, SPAN(":authority")), in->host));
	CHECK((line_of(lines, n, SPAN(":protocol")).p != NULL) == websocket);
	CHECK(line_of(lines, n, SPAN("host")).p == NULL);
	CHECK(line_of(lines, n, SPAN("connection")).p == NULL);
	CHECK(line_of(lines, n, SPAN("upgrade")).p == NULL);
	CHECK(line_of(lines, n, SPAN("transfer-encoding")).p == NULL);
	CHECK(line_of(lines, n, SPAN("x_client_subject")).p == NULL);
	for (unsigned i = 0; i < in->nfields; i++)
		if (in->fields[i].id == FIELD_OTHER &&
		    !span_eq_nocase(
			in->fields[i].name, SPAN("sec-websocket-key")))
			CHECK(line_of(lines, n, in->fields[i].name).p != NULL);
}

static void
pass_request(const struct h1_head *h, uint8_t options)
{
	static const enum x_forwarded modes[] = {X_FORWARDED_APPEND,
	    X_FORWARDED_REPLACE, X_FORWARDED_OFF, X_FORWARDED_APPEND};
	struct field again[FUZZ_FIELDS + FUZZ_ADDED], lines[FUZZ_LINES];
	struct http_forward f = {
	    .client_ip = SPAN("2001:db8::1"),
	    .client_subject = options & 4 ? SPAN("CN=me") : SPAN_NONE,
	    .scheme = SPAN("https"),
	    .x_forwarded = modes[options & 3],
	    .via = options & 8,
	    .upgrade = http_wants_upgrade(h),
	};
	char numbers[H2_LINES_BUF];
	struct h1_head out;
	struct request r;
	size_t size, n;
	unsigned nlines;
	char *buf;

	CHECK(http_read_request(h, &r) == ERR_NONE);
	size = http_request_size(h, &f);
	buf = malloc(size);
	CHECK(buf != NULL);
	n = http_write_request(buf, h, &r, &f);
	CHECK(n <= size);
	h1_head_init(&out, again, FUZZ_FIELDS + FUZZ_ADDED);
	CHECK(h1_parse_request((struct span){buf, n}, &out) == H1_DONE);
	CHECK(out.size == n);
	CHECK(out.body == h->body && out.length == h->length);
	CHECK(out.connection_upgrade == f.upgrade);
	CHECK(span_eq(out.target, h->target) && span_eq(out.host, h->host));
	nlines = h2_write_request(
	    &out, SPAN("https"), lines, out.nfields + H2_LINES_ADDED, numbers);
	CHECK(nlines > 0);
	same_request(h, lines, nlines);
	free(buf);
}

/* To an HTTP/1.1 client, and to one of HTTP/2. */
static void
pass_response(const struct h1_head *h, uint8_t options)
{
	struct field again[FUZZ_FIELDS + FUZZ_ADDED], lines[FUZZ_LINES];
	struct http_answer a = {.date = SPAN("D"), .via = options & 1};
	struct h2_answer a2 = {.date = SPAN("D"), .via = options & 1};
	char numbers[H2_LINES_BUF], buf[2 * FUZZ_BYTES];
	struct h1_head out;
	unsigned nlines;
	size_t n;

	a.chunked = h->body == H1_BODY_CHUNKED;
	a.hsts = a2.hsts = options & 2 ? SPAN("max-age=1") : SPAN_NONE;
	n = http_write_response(buf, sizeof buf, h, &a);
	CHECK(n > 0);
	h1_head_init(&out, again, FUZZ_FIELDS + FUZZ_ADDED);
	CHECK(h1_parse_response((struct span){buf, n}, options & 4, &out) ==
	      H1_DONE);
	CHECK(out.size == n && out.status == h->status);
	CHECK(out.body == h->body);
	nlines = h2_write_response(
	    h, &a2, lines, h->nfields + H2_LINES_ADDED, numbers);
	CHECK(nlines > 0);
	clean_lines(lines, nlines);
	CHECK(span_eq(lines[0].name, SPAN(":status")));
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct field fields[FUZZ_FIELDS + 4], lines[FUZZ_FIELDS];
	struct h2_section s;
	struct h1_head h;
	struct span in;
	uint8_t options;

	if (n < 2)
		return 0;
	in = fuzz_copy(bytes + 1, n - 1);
	options = bytes[0];
	s = build(in);
	h1_head_init(&h, fields, FUZZ_FIELDS + 4);
	if (h2_read_request(&s, options & 16, SPAN(KEY), &h) == ERR_NONE) {
		clean_head(&h);
		pass_request(&h, options);
	}
	if (h2_read_response(&s, options & 16, options & 4, &h) == ERR_NONE) {
		clean_head(&h);
		pass_response(&h, options);
	}
	if (h2_read_trailers(&s, &h) == ERR_NONE) {
		clean_head(&h);
		clean_lines(lines, h2_write_trailers(&h, lines, FUZZ_FIELDS));
	}
	h2_section_end(&s);
	fuzz_free(in);
	return 0;
}
