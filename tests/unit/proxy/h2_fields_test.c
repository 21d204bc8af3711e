/*
 * Field sections as text, a line "name=value" each: what becomes of them as
 * heads, and what heads become as field sections.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "proxy/h2_fields.h"
#include "proxy/http.h"

#define FIELDS_MAX 16u
#define KEY	   "dGhlIHNhbXBsZSBub25jZQ=="

/* What most sections begin with. */
#define GET  ":method=GET\n:scheme=https\n:path=/\n:authority=h\n"
#define POST ":method=POST\n:scheme=https\n:path=/\n:authority=h\n"
#define WEBSOCKET                                                            \
	":method=CONNECT\n:protocol=websocket\n:scheme=https\n:path=/chat\n" \
	":authority=h\n"

static struct field fields[FIELDS_MAX];

static struct h2_section
section(const char *text)
{
	struct h2_section s = {0};
	struct span rest = span_of(text);

	while (rest.n > 0) {
		struct span value = span_cut(&rest, '\n');
		struct span name = span_cut(&value, '=');

		h2_section_add(&s, name, value, 4096, 64);
	}
	assert_false(s.too_large);
	return s;
}

static enum err
read_request(struct h2_section *s, bool end_stream, struct h1_head *h)
{
	h1_head_init(h, fields, FIELDS_MAX);
	return h2_read_request(s, end_stream, SPAN(KEY), h);
}

static void
within(const struct h2_section *s, struct span part)
{
	assert_true(part.p >= s->bytes && part.p + part.n <= s->bytes + s->n);
}

/* The head as it goes to an HTTP/1.1 pod. */
static void
check_written(struct h1_head *h, const char *expect)
{
	struct http_forward f = {
	    .x_forwarded = X_FORWARDED_OFF,
	    .upgrade = http_wants_upgrade(h),
	};
	struct request r;
	size_t size, n;
	char *buf;

	assert_int_equal(http_read_request(h, &r), ERR_NONE);
	size = http_request_size(h, &f);
	buf = malloc(size);
	assert_non_null(buf);
	n = http_write_request(buf, h, &r, &f);
	assert_true(n <= size);
	if (n != strlen(expect) || memcmp(buf, expect, n) != 0)
		fail_msg("expected:\n%s\nfound:\n%.*s", expect, (int)n, buf);
	free(buf);
}

struct good {
	const char *section;
	bool end_stream;
	enum h1_body body;
	const char *written;
};

static const struct good good[] = {
    {GET, true, H1_BODY_NONE, "GET / HTTP/1.1\r\nHost: h\r\n\r\n"},
    {":authority=H:8443\n:path=/a?b\n:scheme=HTTP\n:method=PURGE\n"
     "x-y=1\nx-y=\n",
	true, H1_BODY_NONE,
	"PURGE /a?b HTTP/1.1\r\nHost: H:8443\r\nx-y: 1\r\nx-y: \r\n\r\n"},
    {":method=OPTIONS\n:scheme=http\n:path=*\n:authority=h\n", true,
	H1_BODY_NONE, "OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n"},

    /* Host in the place of :authority, or beside it */
    {":method=GET\n:scheme=http\n:path=/\nx=y\nhost=[::1]:80\n", true,
	H1_BODY_NONE, "GET / HTTP/1.1\r\nHost: [::1]:80\r\nx: y\r\n\r\n"},
    {GET "x=y\nhost=H\n", true, H1_BODY_NONE,
	"GET / HTTP/1.1\r\nHost: h\r\nx: y\r\n\r\n"},

    /* bodies */
    {POST, false, H1_BODY_CHUNKED,
	"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"},
    {POST "content-length=007\n", false, H1_BODY_LENGTH,
	"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 7\r\n\r\n"},
    {POST "content-length=7\ncontent-length=07\n", false, H1_BODY_LENGTH,
	"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 7\r\n\r\n"},
    {POST "content-length=0\n", true, H1_BODY_NONE,
	"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n"},
    {POST "content-length=0\n", false, H1_BODY_NONE,
	"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n"},

    /* crumbs */
    {GET "cookie=a=b\n", true, H1_BODY_NONE,
	"GET / HTTP/1.1\r\nHost: h\r\ncookie: a=b\r\n\r\n"},
    {GET "cookie=a=b\nx=y\ncookie=c=d\ncookie=e=f\n", true, H1_BODY_NONE,
	"GET / HTTP/1.1\r\nHost: h\r\ncookie: a=b; c=d; e=f\r\nx: y\r\n\r\n"},

    {GET "te=trailers\n", true, H1_BODY_NONE,
	"GET / HTTP/1.1\r\nHost: h\r\nTE: trailers\r\nConnection: TE\r\n\r\n"},
    {GET "x-client-subject=CN=me\n", true, H1_BODY_NONE,
	"GET / HTTP/1.1\r\nHost: h\r\n\r\n"},

    /* WebSockets (RFC 8441 5) */
    {WEBSOCKET "sec-websocket-version=13\nsec-websocket-key=mine\n"
	       "origin=o\n",
	false, H1_BODY_NONE,
	"GET /chat HTTP/1.1\r\nHost: h\r\nsec-websocket-version: 13\r\n"
	"origin: o\r\nSec-WebSocket-Key: " KEY "\r\n"
	"Upgrade: websocket\r\nConnection: upgrade\r\n\r\n"},
    {GET "sec-websocket-key=mine\n", true, H1_BODY_NONE,
	"GET / HTTP/1.1\r\nHost: h\r\nsec-websocket-key: mine\r\n\r\n"},
};

static void
requests(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
		struct h2_section s = section(good[i].section);
		struct h1_head h;
		enum err e = read_request(&s, good[i].end_stream, &h);

		if (e != ERR_NONE)
			fail_msg("%s: %s", good[i].section, err_words(e));
		assert_int_equal(h.body, good[i].body);
		assert_true(h.http2 && h.minor == 1 && h.keep_alive);
		assert_int_equal(h.fields[0].id, FIELD_HOST);
		within(&s, h.target);
		within(&s, h.host);
		check_written(&h, good[i].written);
		h2_section_end(&s);
		assert_null(s.bytes);
	}
}

struct bad {
	const char *section;
	bool end_stream;
	enum err err;
};

#define M ":method=GET\n"
#define S ":scheme=https\n"
#define P ":path=/\n"
#define A ":authority=h\n"

static const struct bad bad[] = {
    /* pseudo-header fields: missing, repeated, unknown, behind others */
    {"", true, ERR_BAD_REQUEST},
    {S P A, true, ERR_BAD_REQUEST},
    {M P A, true, ERR_BAD_REQUEST},
    {M S A, true, ERR_BAD_REQUEST},
    {M S P, true, ERR_BAD_REQUEST},
    {M M S P A, true, ERR_BAD_REQUEST},
    {M S S P A, true, ERR_BAD_REQUEST},
    {M S P P A, true, ERR_BAD_REQUEST},
    {M S P A A, true, ERR_BAD_REQUEST},
    {M S P A ":status=200\n", true, ERR_BAD_REQUEST},
    {M S P A ":x=y\n", true, ERR_BAD_REQUEST},
    {M S P A ":=y\n", true, ERR_BAD_REQUEST},
    {M S P "x=y\n" A, true, ERR_BAD_REQUEST},
    {"x=y\n" M S P A, true, ERR_BAD_REQUEST},
    {M S P "host=h\n" A, true, ERR_BAD_REQUEST},

    /* and what they say */
    {":method=\n" S P A, true, ERR_BAD_REQUEST},
    {":method=G T\n" S P A, true, ERR_BAD_REQUEST},
    {M ":scheme=\n" P A, true, ERR_BAD_REQUEST},
    {M ":scheme=ftp\n" P A, true, ERR_BAD_REQUEST},
    {M S ":path=\n" A, true, ERR_BAD_REQUEST},
    {M S ":path=x\n" A, true, ERR_BAD_REQUEST},
    {M S ":path=*\n" A, true, ERR_BAD_REQUEST},
    {M S ":path=/ HTTP/1.1\n" A, true, ERR_BAD_REQUEST},
    {M S ":path=/\tx\n" A, true, ERR_BAD_REQUEST},
    {M S ":path=/\x7f\n" A, true, ERR_BAD_REQUEST},
    {M S ":path=/\xc3\xa4\n" A, true, ERR_BAD_REQUEST},
    {M S ":path=/#f\n" A, true, ERR_BAD_REQUEST},
    {M S ":path=http://h/\n" A, true, ERR_BAD_REQUEST},
    {M S P ":authority=\n", true, ERR_BAD_REQUEST},
    {M S P ":authority=me@h\n", true, ERR_BAD_REQUEST},
    {M S P ":authority=h/x\n", true, ERR_BAD_REQUEST},
    {M S P ":authority=a,b\n", true, ERR_BAD_REQUEST},
    {M S P "host=\n", true, ERR_BAD_REQUEST},
    {GET "host=g\n", true, ERR_BAD_REQUEST},
    {GET "host=h:443\n", true, ERR_BAD_REQUEST},
    {GET "host=h\nhost=h\n", true, ERR_BAD_REQUEST},

    /* names and values (RFC 9113 8.2.1) */
    {GET "X=y\n", true, ERR_BAD_REQUEST},
    {GET "x-Y=y\n", true, ERR_BAD_REQUEST},
    {GET "=y\n", true, ERR_BAD_REQUEST},
    {GET "x y=z\n", true, ERR_BAD_REQUEST},
    {GET "x:=z\n", true, ERR_BAD_REQUEST},
    {GET "x\xc3=z\n", true, ERR_BAD_REQUEST},
    {GET "x= y\n", true, ERR_BAD_REQUEST},
    {GET "x=y \n", true, ERR_BAD_REQUEST},
    {GET "x=\ty\n", true, ERR_BAD_REQUEST},
    {GET "x=y\t\n", true, ERR_BAD_REQUEST},
    {GET "x=a\rb\n", true, ERR_BAD_REQUEST},
    {GET "x=\x01\n", true, ERR_BAD_REQUEST},
    {GET "x=\x7f\n", true, ERR_BAD_REQUEST},
    {GET "x=a b\tc\xc3\n", true, ERR_NONE},

    /* of one connection only (RFC 9113 8.2.2) */
    {GET "connection=close\n", true, ERR_BAD_REQUEST},
    {GET "keep-alive=1\n", true, ERR_BAD_REQUEST},
    {GET "proxy-connection=x\n", true, ERR_BAD_REQUEST},
    {GET "transfer-encoding=chunked\n", false, ERR_BAD_REQUEST},
    {GET "upgrade=websocket\n", true, ERR_BAD_REQUEST},
    {GET "te=gzip\n", true, ERR_BAD_REQUEST},
    {GET "te=trailers, gzip\n", true, ERR_BAD_REQUEST},
    {GET "te=Trailers\n", true, ERR_NONE},

    /* lengths */
    {POST "content-length=\n", false, ERR_BAD_REQUEST},
    {POST "content-length=+1\n", false, ERR_BAD_REQUEST},
    {POST "content-length=1, 1\n", false, ERR_BAD_REQUEST},
    {POST "content-length=9223372036854775807\n", false, ERR_NONE},
    {POST "content-length=9223372036854775808\n", false, ERR_BAD_REQUEST},
    {POST "content-length=1\ncontent-length=2\n", false, ERR_BAD_REQUEST},
    {POST "content-length=0\ncontent-length=2\n", false, ERR_BAD_REQUEST},
    {POST "content-length=1\n", true, ERR_BAD_REQUEST},

    /* CONNECT */
    {":method=CONNECT\n:authority=h:1\n", false, ERR_NOT_IMPLEMENTED},
    {":method=CONNECT\n:protocol=udp\n" S P A, false, ERR_NOT_IMPLEMENTED},
    {":method=CONNECT\n:protocol=\n" S P A, false, ERR_NOT_IMPLEMENTED},
    {":method=CONNECT\n:protocol=websocket\n" S P, false, ERR_BAD_REQUEST},
    {":method=CONNECT\n:protocol=websocket\n" S P "host=h\n", false,
	ERR_BAD_REQUEST},
    {":method=CONNECT\n:protocol=websocket\n" S A, false, ERR_BAD_REQUEST},
    {":method=CONNECT\n:protocol=websocket\n" P A, false, ERR_BAD_REQUEST},
    {":method=connect\n:protocol=websocket\n" S P A, false, ERR_BAD_REQUEST},
    {GET ":protocol=websocket\n", true, ERR_BAD_REQUEST},
    {WEBSOCKET, false, ERR_NONE},
    {WEBSOCKET, true, ERR_BAD_REQUEST},
    {WEBSOCKET "content-length=1\n", false, ERR_BAD_REQUEST},
    {WEBSOCKET "upgrade=websocket\n", false, ERR_BAD_REQUEST},
    {WEBSOCKET ":protocol=websocket\n", false, ERR_BAD_REQUEST},
};

static void
malformed_requests(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		struct h2_section s = section(bad[i].section);
		struct h1_head h;
		enum err e = read_request(&s, bad[i].end_stream, &h);

		if (e != bad[i].err)
			fail_msg("%s: %s", bad[i].section, err_words(e));
		h2_section_end(&s);
	}
}

/* What no text can say. */
static void
ends_of_lines(void **state)
{
	static const struct span values[] = {
	    {"a\0b", 3},
	    {"a\nb", 3},
	    {"a\r\nx: y", 7},
	    {"\0", 1},
	};

	(void)state;
	for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
		struct h2_section s = section(GET);
		struct h1_head h;

		h2_section_add(&s, SPAN("x"), values[i], 4096, 64);
		assert_int_equal(read_request(&s, true, &h), ERR_BAD_REQUEST);
		h2_section_end(&s);
		s = section(M S A);
		h2_section_add(
		    &s, SPAN(":path"), (struct span){"/a\0b", 4}, 4096, 64);
		assert_int_equal(read_request(&s, true, &h), ERR_BAD_REQUEST);
		h2_section_end(&s);
		s = section(GET);
		h2_section_add(&s, values[i], SPAN("x"), 4096, 64);
		assert_int_equal(read_request(&s, true, &h), ERR_BAD_REQUEST);
		h2_section_end(&s);
	}
}

static void
upgrades(void **state)
{
	struct h2_section s = section(WEBSOCKET);
	struct h1_head h;

	(void)state;
	assert_int_equal(read_request(&s, false, &h), ERR_NONE);
	assert_true(http_wants_upgrade(&h));
	assert_true(h.connection_upgrade);
	h2_section_end(&s);
	s = section(GET "expect=100-Continue\n");
	assert_int_equal(read_request(&s, true, &h), ERR_NONE);
	assert_true(h.expect_continue);
	assert_false(http_wants_upgrade(&h));
	h2_section_end(&s);
}

/* 4 bytes for each line, so that HTTP/1.1 would have spent the same. */
static void
limits(void **state)
{
	struct h2_section s = {0};
	struct h1_head h;

	(void)state;
	h2_section_add(&s, SPAN("abc"), SPAN("def"), 20, 2);
	h2_section_add(&s, SPAN("abc"), SPAN("def"), 20, 2);
	assert_false(s.too_large);
	assert_int_equal(s.nlines, 2);
	h2_section_add(&s, SPAN(""), SPAN(""), 24, 2);
	assert_true(s.too_large);
	h2_section_end(&s);
	h2_section_add(&s, SPAN("abc"), SPAN("def"), 9, 2);
	assert_true(s.too_large);
	h2_section_add(&s, SPAN("a"), SPAN(""), 9, 2);
	assert_int_equal(s.nlines, 0); /* sticky */
	assert_int_equal(read_request(&s, true, &h), ERR_HEAD_TOO_LARGE);
	assert_int_equal(
	    h2_read_response(&s, true, false, &h), ERR_BAD_RESPONSE);
	assert_int_equal(h2_read_trailers(&s, &h), ERR_BAD_REQUEST);
	h2_section_end(&s);
	assert_false(s.too_large);
}

/* Sections that grow: nothing that was added before is lost. */
static void
large_sections(void **state)
{
	struct h2_section s = section(GET "cookie=first\n");
	char value[1000];
	struct h1_head h;
	size_t n = strlen("first");

	(void)state;
	memset(value, 'v', sizeof value);
	for (int i = 0; i < 50; i++) {
		h2_section_add(&s, SPAN("cookie"),
		    (struct span){value, sizeof value}, 100000, 100);
		n += sizeof value + 2;
	}
	assert_int_equal(read_request(&s, true, &h), ERR_NONE);
	assert_int_equal(h.nfields, 2);
	assert_int_equal(h.fields[1].value.n, n);
	assert_memory_equal(h.fields[1].value.p, "first; vv", 9);
	h2_section_end(&s);
	s = section(GET);
	for (unsigned i = 0; i < FIELDS_MAX - 1; i++)
		h2_section_add(&s, SPAN("x"), SPAN("y"), 100000, 100);
	assert_int_equal(read_request(&s, true, &h), ERR_NONE);
	h2_section_add(&s, SPAN("x"), SPAN("y"), 100000, 100);
	assert_int_equal(read_request(&s, true, &h), ERR_HEAD_TOO_LARGE);
	h2_section_end(&s);
}

static const struct {
	const char *section;
	bool end_stream, head_method;
	enum err err;
	int status;
	enum h1_body body;
} responses[] = {
    {":status=200\n", true, false, ERR_NONE, 200, H1_BODY_NONE},
    {":status=200\n", false, false, ERR_NONE, 200, H1_BODY_CHUNKED},
    {":status=200\ncontent-length=5\n", false, false, ERR_NONE, 200,
	H1_BODY_LENGTH},
    {":status=200\ncontent-length=0\n", false, false, ERR_NONE, 200,
	H1_BODY_NONE},
    {":status=200\ncontent-length=5\n", true, false, ERR_BAD_RESPONSE, 0, 0},
    {":status=200\ncontent-length=5\n", true, true, ERR_NONE, 200,
	H1_BODY_NONE},
    {":status=304\ncontent-length=5\n", true, false, ERR_NONE, 304,
	H1_BODY_NONE},
    {":status=204\n", true, false, ERR_NONE, 204, H1_BODY_NONE},
    {":status=103\nlink=x\n", false, false, ERR_NONE, 103, H1_BODY_NONE},
    {":status=103\n", true, false, ERR_BAD_RESPONSE, 0, 0},
    {":status=103\ncontent-length=1\n", false, false, ERR_BAD_RESPONSE, 0, 0},
    {":status=101\n", false, false, ERR_BAD_RESPONSE, 0, 0},
    {":status=099\n", false, false, ERR_BAD_RESPONSE, 0, 0},
    {":status=600\n", true, false, ERR_BAD_RESPONSE, 0, 0},
    {":status=20\n", true, false, ERR_BAD_RESPONSE, 0, 0},
    {":status=2000\n", true, false, ERR_BAD_RESPONSE, 0, 0},
    {":status=2 0\n", true, false, ERR_BAD_RESPONSE, 0, 0},
    {":status=\n", true, false, ERR_BAD_RESPONSE, 0, 0},
    {"", true, false, ERR_BAD_RESPONSE, 0, 0},
    {"x=y\n", true, false, ERR_BAD_RESPONSE, 0, 0},
    {"x=y\n:status=200\n", true, false, ERR_BAD_RESPONSE, 0, 0},
    {":status=200\n:status=200\n", true, false, ERR_BAD_RESPONSE, 0, 0},
    {":status=200\n:path=/\n", true, false, ERR_BAD_RESPONSE, 0, 0},
    {":status=200\nX=y\n", true, false, ERR_BAD_RESPONSE, 0, 0},
    {":status=200\nhost=x y\n", true, false, ERR_NONE, 200, H1_BODY_NONE},
    {":status=200\nhost=a\nhost=a\n", true, false, ERR_BAD_RESPONSE, 0, 0},
    {":status=200\nconnection=close\n", true, false, ERR_BAD_RESPONSE, 0, 0},
};

static void
read_responses(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof responses / sizeof responses[0]; i++) {
		struct h2_section s = section(responses[i].section);
		struct h1_head h;
		enum err e;

		h1_head_init(&h, fields, FIELDS_MAX);
		e = h2_read_response(
		    &s, responses[i].end_stream, responses[i].head_method, &h);
		if (e != responses[i].err)
			fail_msg("%s: %s", responses[i].section, err_words(e));
		if (e == ERR_NONE) {
			assert_int_equal(h.status, responses[i].status);
			assert_int_equal(h.body, responses[i].body);
			assert_true(h.http2 && h.keep_alive);
		}
		h2_section_end(&s);
	}
}

static void
read_trailers(void **state)
{
	static const struct bad rows[] = {
	    {"", true, ERR_NONE},
	    {"grpc-status=0\ngrpc-message=\n", true, ERR_NONE},
	    {":status=200\n", true, ERR_BAD_REQUEST},
	    {":path=/\n", true, ERR_BAD_REQUEST},
	    {"x=y\n:x=y\n", true, ERR_BAD_REQUEST},
	    {"X=y\n", true, ERR_BAD_REQUEST},
	    {"x= y\n", true, ERR_BAD_REQUEST},
	    {"connection=x\n", true, ERR_BAD_REQUEST},
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct h2_section s = section(rows[i].section);
		struct h1_head h;

		h1_head_init(&h, fields, FIELDS_MAX);
		assert_int_equal(h2_read_trailers(&s, &h), rows[i].err);
		h2_section_end(&s);
	}
}

/* Lines against the text that `section` would read. */
static void
check_lines(const struct field *lines, unsigned n, const char *expect)
{
	char text[1024] = "";
	size_t used = 0;

	for (unsigned i = 0; i < n; i++)
		used += (size_t)snprintf(text + used, sizeof text - used,
		    "%.*s=%.*s\n", SPAN_ARG(lines[i].name),
		    SPAN_ARG(lines[i].value));
	assert_string_equal(text, expect);
}

static void
check_request(const char *text, const char *expect)
{
	struct field lines[FIELDS_MAX + H2_LINES_ADDED];
	char buf[H2_LINES_BUF];
	struct h1_head h;
	unsigned n;

	h1_head_init(&h, fields, FIELDS_MAX);
	assert_int_equal(h1_parse_request(span_of(text), &h), H1_DONE);
	n = h2_write_request(
	    &h, SPAN("http"), lines, h.nfields + H2_LINES_ADDED, buf);
	check_lines(lines, n, expect);
	assert_int_equal(h2_write_request(&h, SPAN("http"), lines, n, buf), n);
	assert_int_equal(
	    h2_write_request(&h, SPAN("http"), lines, n - 1, buf), 0);
}

static void
write_requests(void **state)
{
	(void)state;
	check_request("GET /a?b HTTP/1.1\r\nHost: h:1\r\nX-Y: z\r\n\r\n",
	    ":method=GET\n:scheme=http\n:authority=h:1\n:path=/a?b\nX-Y=z\n");
	check_request("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 012\r\n"
		      "Via: 1.1 shunt\r\n\r\n",
	    ":method=POST\n:scheme=http\n:authority=h\n:path=/\n"
	    "Via=1.1 shunt\ncontent-length=12\n");
	check_request("POST / HTTP/1.1\r\nHost: h\r\nTE: trailers\r\n"
		      "Connection: TE\r\nTransfer-Encoding: chunked\r\n\r\n",
	    ":method=POST\n:scheme=http\n:authority=h\n:path=/\n"
	    "te=trailers\n");
	check_request("GET /c HTTP/1.1\r\nHost: h\r\nUpgrade: WebSocket\r\n"
		      "Connection: upgrade\r\nSec-WebSocket-Key: " KEY "\r\n"
		      "Content-Length: 0\r\nSec-WebSocket-Version: 13\r\n\r\n",
	    ":method=CONNECT\n:scheme=http\n:authority=h\n:path=/c\n"
	    ":protocol=websocket\nSec-WebSocket-Version=13\n");
	check_request("GET / HTTP/1.1\r\nHost: h\r\nUpgrade: tls\r\n"
		      "Connection: upgrade\r\nSec-WebSocket-Key: k\r\n\r\n",
	    ":method=GET\n:scheme=http\n:authority=h\n:path=/\n"
	    "Sec-WebSocket-Key=k\n");
	check_request("GET / HTTP/1.1\r\nHost: h\r\n"
		      "Upgrade: websocket\r\n\r\n",
	    ":method=GET\n:scheme=http\n:authority=h\n:path=/\n");
}

static void
check_response(const char *text, struct h2_answer a, const char *expect)
{
	struct field lines[FIELDS_MAX + H2_LINES_ADDED];
	char buf[H2_LINES_BUF];
	struct h1_head h;
	unsigned n;

	h1_head_init(&h, fields, FIELDS_MAX);
	assert_int_equal(h1_parse_response(span_of(text), false, &h), H1_DONE);
	n = h2_write_response(&h, &a, lines, h.nfields + H2_LINES_ADDED, buf);
	check_lines(lines, n, expect);
	assert_int_equal(h2_write_response(&h, &a, lines, n - 1, buf), 0);
}

static void
write_responses(void **state)
{
	struct h2_answer a = {.date = {"D", 1}};

	(void)state;
	check_response("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n"
		       "Connection: x\r\nX: y\r\nServer: s\r\n\r\n",
	    a, ":status=200\nServer=s\ndate=D\ncontent-length=0\n");
	check_response("HTTP/1.1 200 OK\r\nDate: E\r\n"
		       "Transfer-Encoding: chunked\r\n\r\n",
	    a, ":status=200\nDate=E\n");
	check_response("HTTP/1.1 204 No\r\nContent-Length: 3\r\n\r\n", a,
	    ":status=204\ndate=D\n");
	check_response("HTTP/1.1 304 No\r\nContent-Length: "
		       "9223372036854775807\r\n\r\n",
	    a, ":status=304\ndate=D\ncontent-length=9223372036854775807\n");
	a.via = true;
	a.hsts = SPAN("max-age=1");
	check_response("HTTP/1.1 200 OK\r\nVia: 1.0 p\r\n\r\n", a,
	    ":status=200\nVia=1.0 p\ndate=D\n"
	    "strict-transport-security=max-age=1\nvia=1.1 shunt\n");
	check_response(
	    "HTTP/1.1 200 OK\r\nstrict-Transport-Security: mine\r\n\r\n", a,
	    ":status=200\nstrict-Transport-Security=mine\ndate=D\n"
	    "via=1.1 shunt\n");
	check_response("HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n", a,
	    ":status=103\nLink=x\nvia=1.1 shunt\n");
	a.via = false;
	a.hsts = SPAN_NONE;
	check_response("HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\n"
		       "Connection: upgrade\r\nSec-WebSocket-Accept: x\r\n"
		       "Sec-WebSocket-Protocol: y\r\n\r\n",
	    a, ":status=200\nSec-WebSocket-Protocol=y\ndate=D\n");
	check_response("HTTP/1.1 200 OK\r\nSec-WebSocket-Accept: x\r\n\r\n", a,
	    ":status=200\nSec-WebSocket-Accept=x\ndate=D\n");
}

/* What came by HTTP/2 says so in Via. */
static void
via_of_http2(void **state)
{
	struct h2_section s = section(":status=200\n");
	struct field lines[FIELDS_MAX];
	struct h2_answer a = {.date = {"D", 1}, .via = true};
	char buf[H2_LINES_BUF];
	struct h1_head h;

	(void)state;
	h1_head_init(&h, fields, FIELDS_MAX);
	assert_int_equal(h2_read_response(&s, true, false, &h), ERR_NONE);
	check_lines(lines, h2_write_response(&h, &a, lines, FIELDS_MAX, buf),
	    ":status=200\ndate=D\nvia=2.0 shunt\ncontent-length=0\n");
	h2_section_end(&s);
}

static void
write_trailers(void **state)
{
	struct h2_section s = section("grpc-status=0\nhost=x\nset-cookie=a\n"
				      "x-client-subject=x\nx-sum=1\n");
	struct field lines[FIELDS_MAX];
	struct h1_head h;

	(void)state;
	h1_head_init(&h, fields, FIELDS_MAX);
	assert_int_equal(h2_read_trailers(&s, &h), ERR_NONE);
	check_lines(lines, h2_write_trailers(&h, lines, FIELDS_MAX),
	    "grpc-status=0\nx-sum=1\n");
	assert_int_equal(h2_write_trailers(&h, lines, 1), 0);
	h2_section_end(&s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(requests),
	    cmocka_unit_test(malformed_requests),
	    cmocka_unit_test(ends_of_lines),
	    cmocka_unit_test(upgrades),
	    cmocka_unit_test(limits),
	    cmocka_unit_test(large_sections),
	    cmocka_unit_test(read_responses),
	    cmocka_unit_test(read_trailers),
	    cmocka_unit_test(write_requests),
	    cmocka_unit_test(write_responses),
	    cmocka_unit_test(via_of_http2),
	    cmocka_unit_test(write_trailers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
