/*
 * Any bytes as a head that passes through: what is written is one message
 * that means the same, without what belongs to a single hop.
 *
 * The first byte chooses the options, the second what kind of head it is.
 */
#include "proxy/http.h"
#include "tests/fuzz/fuzz.h"

#define FUZZ_FIELDS 16u
/* What may be added to the fields that came. */
#define FUZZ_ADDED 16u

#define DATE "Sun, 06 Nov 1994 08:49:37 GMT"

static const struct field *
field_of(const struct h1_head *h, enum field_id id)
{
	for (unsigned i = 0; i < h->nfields; i++)
		if (h->fields[i].id == id)
			return &h->fields[i];
	return NULL;
}

static unsigned
count_of(const struct h1_head *h, enum field_id id)
{
	unsigned n = 0;

	for (unsigned i = 0; i < h->nfields; i++)
		n += h->fields[i].id == id;
	return n;
}

static bool
connection_names(const struct h1_head *h, struct span name)
{
	for (unsigned i = 0; i < h->nfields; i++) {
		struct span list = h->fields[i].value, option;

		if (h->fields[i].id != FIELD_CONNECTION)
			continue;
		while (span_list_next(&list, &option))
			if (span_eq_nocase(option, name))
				return true;
	}
	return false;
}

static unsigned
count_named(const struct h1_head *h, const struct field *f)
{
	unsigned n = 0;

	for (unsigned i = 0; i < h->nfields; i++)
		n += span_eq_nocase(h->fields[i].name, f->name) &&
		     span_eq(h->fields[i].value, f->value);
	return n;
}

/*
 * Every other field arrives as often as it came, unless Connection names it:
 * then it must not arrive.
 */
static void
same_fields(const struct h1_head *in, const struct h1_head *out)
{
	for (unsigned i = 0; i < in->nfields; i++) {
		const struct field *f = &in->fields[i];
		bool hop = connection_names(in, f->name);

		if (f->id == FIELD_OTHER)
			CHECK(count_named(out, f) ==
			      (hop ? 0 : count_named(in, f)));
	}
	CHECK(count_of(out, FIELD_KEEP_ALIVE) == 0);
	CHECK(count_of(out, FIELD_PROXY_CONNECTION) == 0);
	CHECK(count_of(out, FIELD_CONNECTION) <= 1);
	CHECK(count_of(out, FIELD_CONTENT_LENGTH) +
		  count_of(out, FIELD_TRANSFER_ENCODING) <=
	      1);
}

/* Upgrade and TE are of one hop: there only with Connection naming them. */
static void
same_hop(const struct h1_head *in, const struct h1_head *out, bool upgrade)
{
	const struct field *te = field_of(out, FIELD_TE);

	CHECK(count_of(out, FIELD_UPGRADE) == (upgrade ? 1u : 0u));
	CHECK(out->connection_upgrade == upgrade);
	CHECK(!upgrade || in->connection_upgrade);
	if (te != NULL) {
		CHECK(span_eq(te->value, SPAN("trailers")));
		CHECK(connection_names(out, SPAN("te")));
	}
}

static void
same_request(const struct h1_head *in, const struct h1_head *out,
    const struct request *r, const struct http_forward *f)
{
	CHECK(span_eq(in->method, out->method));
	CHECK(out->minor == 1 && out->keep_alive);
	CHECK(count_of(out, FIELD_HOST) == 1);
	CHECK(in->host.p == NULL || span_eq(in->host, out->host));
	CHECK(out->target.p[0] == '/' || span_eq(out->target, SPAN("*")));
	CHECK(
	    memmem(out->target.p, out->target.n, r->path.p, r->path.n) != NULL);
	CHECK(in->body == out->body && in->length == out->length);
	CHECK(count_of(out, FIELD_VIA) <= 1 || !f->via);
	CHECK(f->x_forwarded == X_FORWARDED_OFF ||
	      count_of(out, FIELD_X_FORWARDED_FOR) == 1);
	CHECK(count_of(out, FIELD_X_CLIENT_SUBJECT) ==
	      (f->client_subject.n > 0 ? 1u : 0u));
	same_fields(in, out);
	same_hop(in, out, f->upgrade);
}

/* The same with what a route may change: still one message, as it says. */
static void
pass_changed(
    const struct h1_head *h, const struct request *r, struct http_forward f)
{
	static struct edit list[] = {
	    {EDIT_SET, FIELD_OTHER, {"X-Mine", 6}, {"1", 1}, NULL},
	    {EDIT_REMOVE, FIELD_USER_AGENT, {"User-Agent", 10}, {"", 0}, NULL},
	    {EDIT_ADD, FIELD_COOKIE, {"Cookie", 6}, {"a=b", 3}, NULL},
	};
	static const struct edits edits = {list, 3, 11 + 14 + 13};
	const struct field mine = {SPAN("x-mine"), SPAN("1"), FIELD_OTHER};
	struct field again[FUZZ_FIELDS + FUZZ_ADDED];
	struct h1_head out;
	size_t size, n;
	char *buf;

	f.path = SPAN("/new");
	f.host = SPAN("inner:1");
	f.edits = &edits;
	size = http_request_size(h, &f);
	buf = malloc(size);
	CHECK(buf != NULL);
	n = http_write_request(buf, h, r, &f);
	CHECK(n <= size);
	h1_head_init(&out, again, FUZZ_FIELDS + FUZZ_ADDED);
	CHECK(h1_parse_request((struct span){buf, n}, &out) == H1_DONE);
	CHECK(out.size == n);
	CHECK(count_of(&out, FIELD_HOST) == 1);
	CHECK(span_eq(out.host, SPAN("inner:1")));
	CHECK(memcmp(out.target.p, "/new", 4) == 0);
	CHECK(count_named(&out, &mine) == 1);
	CHECK(count_of(&out, FIELD_USER_AGENT) == 0);
	CHECK(count_of(&out, FIELD_COOKIE) >= 1);
	CHECK(h->body == out.body && h->length == out.length);
	same_hop(h, &out, f.upgrade);
	free(buf);
}

static void
pass_request(struct span in, uint8_t options)
{
	static const enum x_forwarded modes[] = {X_FORWARDED_APPEND,
	    X_FORWARDED_REPLACE, X_FORWARDED_OFF, X_FORWARDED_APPEND};
	struct field fields[FUZZ_FIELDS], again[FUZZ_FIELDS + FUZZ_ADDED];
	struct http_forward f = {
	    .client_ip = SPAN("2001:db8::1"),
	    .scheme = SPAN("http"),
	    .x_forwarded = modes[options & 3],
	    .trusted = options & 4,
	    .via = options & 8,
	    .client_subject = options & 16 ? SPAN("CN=me") : SPAN_NONE,
	};
	struct h1_head h, out;
	struct request r;
	size_t size, n;
	char *buf;

	h1_head_init(&h, fields, FUZZ_FIELDS);
	if (h1_parse_request(in, &h) != H1_DONE ||
	    http_read_request(&h, &r) != ERR_NONE)
		return;
	/* HTTP/1.0 that names no host: an empty one, which no reader takes */
	if (r.authority.n == 0)
		return;
	f.upgrade = http_wants_upgrade(&h);
	size = http_request_size(&h, &f);
	buf = malloc(size);
	CHECK(buf != NULL);
	n = http_write_request(buf, &h, &r, &f);
	CHECK(n <= size);
	h1_head_init(&out, again, FUZZ_FIELDS + FUZZ_ADDED);
	CHECK(h1_parse_request((struct span){buf, n}, &out) == H1_DONE);
	CHECK(out.size == n);
	same_request(&h, &out, &r, &f);
	free(buf);
	if (options & 32)
		pass_changed(&h, &r, f);
}

static void
same_response(const struct h1_head *in, const struct h1_head *out,
    const struct http_answer *a, bool head_method)
{
	bool final = in->status >= 200;

	CHECK(in->status == out->status && out->minor == 1);
	CHECK(!final || field_of(out, FIELD_DATE) != NULL);
	if (a->chunked && !head_method && out->body != H1_BODY_NONE)
		CHECK(out->body == H1_BODY_CHUNKED);
	else if (in->body == H1_BODY_LENGTH)
		CHECK(out->body == in->body && out->length == in->length);
	else if (in->body == H1_BODY_NONE)
		CHECK(out->body == H1_BODY_NONE);
	CHECK(out->keep_alive == !a->close);
	CHECK(count_of(out, FIELD_VIA) <= 1 || !a->via);
	same_fields(in, out);
	same_hop(in, out, a->upgrade);
}

static void
pass_response(struct span in, uint8_t options, bool head_method)
{
	struct field fields[FUZZ_FIELDS], again[FUZZ_FIELDS + FUZZ_ADDED];
	struct http_answer a = {
	    .date = SPAN(DATE),
	    .hsts = options & 4 ? SPAN("max-age=1") : SPAN_NONE,
	    .via = options & 1,
	};
	size_t size = in.n + 1024, n;
	struct h1_head h, out;
	char *buf;

	h1_head_init(&h, fields, FUZZ_FIELDS);
	if (h1_parse_response(in, head_method, &h) != H1_DONE)
		return;
	if (h.status >= 200) {
		a.chunked =
		    h.body == H1_BODY_CHUNKED || h.body == H1_BODY_CLOSE;
		a.close = options & 2;
	}
	a.upgrade = h.status == 101 && h.connection_upgrade &&
		    field_of(&h, FIELD_UPGRADE) != NULL;
	buf = malloc(size);
	CHECK(buf != NULL);
	n = http_write_response(buf, size, &h, &a);
	CHECK(n > 0 && n <= size);
	h1_head_init(&out, again, FUZZ_FIELDS + FUZZ_ADDED);
	CHECK(h1_parse_response((struct span){buf, n}, head_method, &out) ==
	      H1_DONE);
	CHECK(out.size == n);
	same_response(&h, &out, &a, head_method);
	free(buf);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct span in;

	if (n < 2)
		return 0;
	in = fuzz_copy(bytes + 2, n - 2);
	if (bytes[1] % 3 == 0)
		pass_request(in, bytes[0]);
	else
		pass_response(in, bytes[0], bytes[1] % 3 == 1);
	fuzz_free(in);
	return 0;
}
