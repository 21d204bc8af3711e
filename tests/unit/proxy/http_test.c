/* Rewriting heads: what goes, what is added, what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "proxy/http.h"

#define FIELDS_MAX 32

static struct field fields[FIELDS_MAX];

static struct h1_head
request(const char *text)
{
	struct h1_head h;

	h1_head_init(&h, fields, FIELDS_MAX);
	assert_int_equal(h1_parse_request(span_of(text), &h), H1_DONE);
	return h;
}

static void
check_request(const char *text, struct http_forward f, const char *expect)
{
	struct h1_head h = request(text);
	struct request r;
	size_t size, n;
	char *buf;

	assert_int_equal(http_read_request(&h, &r), ERR_NONE);
	size = http_request_size(&h, &f);
	buf = malloc(size); /* exact, so that a sanitizer sees one too many */
	assert_non_null(buf);
	n = http_write_request(buf, &h, &r, &f);
	assert_true(n <= size);
	assert_int_equal(n, strlen(expect));
	assert_memory_equal(buf, expect, n);
	free(buf);
}

static const struct http_forward append = {
    .client_ip = {"10.1.2.3", 8},
    .scheme = {"http", 4},
    .x_forwarded = X_FORWARDED_APPEND,
    .via = true,
};

static void
hop_fields_go(void **state)
{
	struct http_forward f = append;

	(void)state;
	f.x_forwarded = X_FORWARDED_OFF;
	f.via = false;
	check_request(
	    "GET /a?b HTTP/1.1\r\nHost: h\r\nConnection: close, X-A\r\n"
	    "X-A: 1\r\nX-B: 2\r\nKeep-Alive: 5\r\nTE: trailers\r\n"
	    "Upgrade: x\r\nProxy-Connection: y\r\n\r\n",
	    f,
	    "GET /a?b HTTP/1.1\r\nHost: h\r\nX-B: 2\r\nTE: trailers\r\n"
	    "Connection: TE\r\n\r\n");
}

/* Another path and host, and edits after everything that we add. */
static void
routes_change_requests(void **state)
{
	struct route_action *a = route_action_new();
	struct http_forward f = append;

	(void)state;
	assert_non_null(a);
	f.path = SPAN("/v2/b");
	f.host = SPAN("inner:8000");
	check_request("GET /a/b?c HTTP/1.1\r\nX-A: 1\r\nHost: h.x:80\r\n\r\n",
	    f,
	    "GET /v2/b?c HTTP/1.1\r\nHost: inner:8000\r\nX-A: 1\r\n"
	    "X-Forwarded-For: 10.1.2.3\r\nX-Forwarded-Proto: http\r\n"
	    "X-Forwarded-Host: h.x:80\r\nVia: 1.1 shunt\r\n\r\n");
	/* HTTP/1.0 may come without one */
	check_request("GET /a/b HTTP/1.0\r\n\r\n", f,
	    "GET /v2/b HTTP/1.1\r\nHost: inner:8000\r\n"
	    "X-Forwarded-For: 10.1.2.3\r\nX-Forwarded-Proto: http\r\n"
	    "Via: 1.1 shunt\r\n\r\n");
	f.path = f.host = SPAN_NONE;
	f.client_subject = SPAN("CN=me");
	f.edits = &a->request;
	edits_add(
	    &a->request, EDIT_SET, SPAN("X-Forwarded-Proto"), SPAN("https"));
	edits_add(&a->request, EDIT_REMOVE, SPAN("x-forwarded-for"), SPAN(""));
	edits_add(&a->request, EDIT_REMOVE, SPAN("Via"), SPAN(""));
	edits_add(&a->request, EDIT_REMOVE, SPAN("X-Client-Subject"), SPAN(""));
	edits_add(&a->request, EDIT_ADD, SPAN("X-A"), SPAN("2"));
	check_request("PUT / HTTP/1.1\r\nHost: h\r\nX-A: 1\r\nVia: x\r\n"
		      "Connection: X-A, TE\r\nTE: trailers\r\n"
		      "Content-Length: 3\r\n\r\n",
	    f,
	    "PUT / HTTP/1.1\r\nHost: h\r\nX-Forwarded-Host: h\r\n"
	    "X-Forwarded-Proto: https\r\nX-A: 2\r\nTE: trailers\r\n"
	    "Connection: TE\r\nContent-Length: 3\r\n\r\n");
	route_action_free(a);
}

/* The most that a route may add still fits. */
static void
edits_have_room(void **state)
{
	struct route_action *a = route_action_new();
	struct http_forward f = append;
	char value[EDITS_BYTES_MAX - 5], expect[2048];

	(void)state;
	assert_non_null(a);
	memset(value, 'v', sizeof value);
	f.x_forwarded = X_FORWARDED_OFF;
	f.via = false;
	f.edits = &a->request;
	edits_add(&a->request, EDIT_SET, SPAN("A"),
	    (struct span){value, sizeof value});
	assert_int_equal(a->request.bytes, EDITS_BYTES_MAX);
	snprintf(expect, sizeof expect,
	    "GET / HTTP/1.1\r\nHost: h\r\nA: %.*s\r\n\r\n", (int)sizeof value,
	    value);
	check_request("GET / HTTP/1.1\r\nHost: h\r\n\r\n", f, expect);
	route_action_free(a);
}

static void
upgrades_and_last_hops(void **state)
{
	struct http_forward f = append;
	struct h1_head h;

	(void)state;
	f.x_forwarded = X_FORWARDED_OFF;
	f.via = false;
	f.upgrade = true;
	check_request("GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\n"
		      "Connection: keep-alive, Upgrade\r\n\r\n",
	    f,
	    "GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\n"
	    "Connection: upgrade\r\n\r\n");
	f.upgrade = false;
	check_request(
	    "OPTIONS * HTTP/1.1\r\nHost: h\r\nMax-Forwards: 5\r\n\r\n", f,
	    "OPTIONS * HTTP/1.1\r\nHost: h\r\nMax-Forwards: 4\r\n\r\n");
	check_request("GET / HTTP/1.1\r\nHost: h\r\nMax-Forwards: 5\r\n\r\n", f,
	    "GET / HTTP/1.1\r\nHost: h\r\nMax-Forwards: 5\r\n\r\n");
	h = request("TRACE / HTTP/1.1\r\nHost: h\r\nMax-Forwards: 0\r\n\r\n");
	assert_true(http_last_hop(&h));
	h = request("GET / HTTP/1.1\r\nHost: h\r\nMax-Forwards: 0\r\n\r\n");
	assert_false(http_last_hop(&h));
	h = request(
	    "GET / HTTP/1.0\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n");
	assert_false(http_wants_upgrade(&h));
}

static void
trailers(void **state)
{
	static const char section[] = "X-Sum: 1\r\nHost: evil\r\n"
				      "Content-Length: 9\r\n"
				      "Set-Cookie: a=b\r\nY: 2\r\n\r\n";
	static const char expect[] = "0\r\nX-Sum: 1\r\nY: 2\r\n\r\n";
	struct h1_head h;
	char buf[128];

	(void)state;
	h1_head_init(&h, fields, FIELDS_MAX);
	assert_int_equal(h1_parse_trailers(span_of(section), &h), H1_DONE);
	assert_int_equal(
	    http_write_trailers(buf, sizeof buf, &h), sizeof expect - 1);
	assert_memory_equal(buf, expect, sizeof expect - 1);
	assert_int_equal(http_write_trailers(buf, 5, &h), 5);
	assert_memory_equal(buf, "0\r\n\r\n", 5);
}

/* Naming Host in Connection must not let a request go without one. */
static void
host_cannot_be_named_away(void **state)
{
	struct http_forward f = append;

	(void)state;
	f.x_forwarded = X_FORWARDED_OFF;
	f.via = false;
	check_request("GET / HTTP/1.1\r\nHost: h\r\nConnection: host\r\n\r\n",
	    f, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
}

static void
forwarding_fields(void **state)
{
	struct http_forward f = append;

	(void)state;
	check_request("GET / HTTP/1.1\r\nHost: h:81\r\n\r\n", f,
	    "GET / HTTP/1.1\r\nHost: h:81\r\nX-Forwarded-For: 10.1.2.3\r\n"
	    "X-Forwarded-Proto: http\r\nX-Forwarded-Host: h:81\r\n"
	    "Via: 1.1 shunt\r\n\r\n");
	check_request(
	    "GET / HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: 1.1.1.1\r\n"
	    "X-Forwarded-For: 2.2.2.2\r\nX-Forwarded-Proto: https\r\n"
	    "X-Forwarded-Host: evil\r\nVia: 1.0 x\r\n\r\n",
	    f,
	    "GET / HTTP/1.1\r\nHost: h\r\n"
	    "X-Forwarded-For: 1.1.1.1, 2.2.2.2, 10.1.2.3\r\n"
	    "X-Forwarded-Proto: http\r\nX-Forwarded-Host: h\r\n"
	    "Via: 1.0 x, 1.1 shunt\r\n\r\n");
	f.trusted = true;
	check_request(
	    "GET / HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: 1.1.1.1\r\n"
	    "X-Forwarded-Proto: https\r\n\r\n",
	    f,
	    "GET / HTTP/1.1\r\nHost: h\r\nX-Forwarded-Proto: https\r\n"
	    "X-Forwarded-For: 1.1.1.1, 10.1.2.3\r\nX-Forwarded-Host: h\r\n"
	    "Via: 1.1 shunt\r\n\r\n");
	f.x_forwarded = X_FORWARDED_REPLACE;
	f.via = false;
	check_request(
	    "GET / HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: 1.1.1.1\r\n"
	    "X-Forwarded-Proto: https\r\n\r\n",
	    f,
	    "GET / HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: 10.1.2.3\r\n"
	    "X-Forwarded-Proto: http\r\nX-Forwarded-Host: h\r\n\r\n");
}

/* The client's word for who it is goes in every spelling; ours comes. */
static void
client_subject(void **state)
{
	static const char *const spellings[] = {"X-Client-Subject",
	    "x-client-subject", "X_CLIENT_SUBJECT", "x-client_subject"};
	struct http_forward f = append;
	struct h1_head h;
	char text[256], buf[64];

	(void)state;
	f.x_forwarded = X_FORWARDED_OFF;
	f.via = false;
	f.trusted = true;
	for (size_t i = 0; i < sizeof spellings / sizeof spellings[0]; i++) {
		snprintf(text, sizeof text,
		    "GET / HTTP/1.1\r\nHost: h\r\n%s: CN=evil\r\n"
		    "X-Client-Subjects: 1\r\n%s:\r\n\r\n",
		    spellings[i], spellings[i]);
		f.client_subject = SPAN_NONE;
		check_request(text, f,
		    "GET / HTTP/1.1\r\nHost: h\r\nX-Client-Subjects: 1\r\n"
		    "\r\n");
		f.client_subject = SPAN("CN=me,O=us");
		check_request(text, f,
		    "GET / HTTP/1.1\r\nHost: h\r\nX-Client-Subjects: 1\r\n"
		    "X-Client-Subject: CN=me,O=us\r\n\r\n");
	}
	/* nor as a trailer */
	h1_head_init(&h, fields, FIELDS_MAX);
	assert_int_equal(
	    h1_parse_trailers(SPAN("x_client_subject: CN=evil\r\n\r\n"), &h),
	    H1_DONE);
	assert_int_equal(http_write_trailers(buf, sizeof buf, &h), 5);
}

/* That it is a copy is ours to say, or a proxy's that we trust. */
static void
mirror_mark(void **state)
{
	static const char text[] = "GET / HTTP/1.1\r\nHost: h\r\n"
				   "X-Shunt-Mirror: 1\r\n"
				   "x_shunt_mirror: 1\r\n\r\n";
	struct http_forward f = append;

	(void)state;
	f.x_forwarded = X_FORWARDED_OFF;
	f.via = false;
	f.trusted = false;
	check_request(text, f, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
	f.trusted = true;
	check_request(text, f, text);
}

/* Via names the protocol by which a head came (RFC 9110 7.6.3). */
static void
via_of_http2(void **state)
{
	static const char expect[] = "GET / HTTP/1.1\r\nHost: h\r\n"
				     "Via: 1.0 x, 2.0 shunt\r\n\r\n";
	struct h1_head h =
	    request("GET / HTTP/1.1\r\nHost: h\r\nVia: 1.0 x\r\n\r\n");
	struct http_forward f = append;
	struct http_answer a = {.date = {"D", 1}, .via = true};
	struct request r;
	char buf[512];
	size_t n;

	(void)state;
	assert_false(h.http2);
	f.x_forwarded = X_FORWARDED_OFF;
	h.http2 = true;
	assert_int_equal(http_read_request(&h, &r), ERR_NONE);
	n = http_write_request(buf, &h, &r, &f);
	assert_int_equal(n, sizeof expect - 1);
	assert_memory_equal(buf, expect, n);
	assert_int_equal(h1_parse_request(span_of(expect), &h), H1_DONE);
	assert_false(h.http2); /* reset */
	h1_head_init(&h, fields, FIELDS_MAX);
	h.status = 200;
	h.http2 = true;
	n = http_write_response(buf, sizeof buf, &h, &a);
	assert_non_null(
	    span_find((struct span){buf, n}, SPAN("\r\nVia: 2.0 shunt\r\n")));
}

static void
framing_is_ours(void **state)
{
	struct http_forward f = append;

	(void)state;
	f.x_forwarded = X_FORWARDED_OFF;
	f.via = false;
	check_request(
	    "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 007\r\n\r\n", f,
	    "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 7\r\n\r\n");
	check_request("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n",
	    f, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n");
	check_request(
	    "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: Chunked\r\n\r\n",
	    f,
	    "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n");
	check_request("GET http://h:8/x HTTP/1.0\r\n\r\n", f,
	    "GET /x HTTP/1.1\r\nHost: h:8\r\n\r\n");
	check_request("GET http://h HTTP/1.1\r\nHost: h\r\n\r\n", f,
	    "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
}

/* The tightest head there can be must still fit its bound. */
static void
tight_heads_fit(void **state)
{
	char text[512] = "GET / HTTP/1.1\r\nHost:h\r\n";

	(void)state;
	for (int i = 0; i < 25; i++)
		strncat(text, "a:\r\n", sizeof text - strlen(text) - 1);
	strncat(text, "\r\n", sizeof text - strlen(text) - 1);
	struct h1_head h = request(text);
	struct request r;
	size_t size = http_request_size(&h, &append);
	char *buf = malloc(size);

	assert_non_null(buf);
	assert_int_equal(http_read_request(&h, &r), ERR_NONE);
	assert_true(http_write_request(buf, &h, &r, &append) <= size);
	free(buf);
}

static void
targets(void **state)
{
	static const struct {
		const char *line;
		enum err err;
		const char *host, *path, *query;
	} rows[] = {
	    {"GET /a/b?c=d HTTP/1.1\r\nHost: x:80\r\n\r\n", ERR_NONE, "x",
		"/a/b", "c=d"},
	    {"GET /? HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", ERR_NONE, "[::1]",
		"/", ""},
	    {"GET http://x/y HTTP/1.1\r\nHost: x\r\n\r\n", ERR_NONE, "x", "/y",
		NULL},
	    {"GET http://x/y HTTP/1.1\r\nHost: z\r\n\r\n", ERR_BAD_REQUEST,
		NULL, NULL, NULL},
	    {"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", ERR_NONE, "x", "*", NULL},
	    {"GET * HTTP/1.1\r\nHost: x\r\n\r\n", ERR_BAD_REQUEST, NULL, NULL,
		NULL},
	    {"GET x HTTP/1.1\r\nHost: x\r\n\r\n", ERR_BAD_REQUEST, NULL, NULL,
		NULL},
	    {"GET /#f HTTP/1.1\r\nHost: x\r\n\r\n", ERR_BAD_REQUEST, NULL, NULL,
		NULL},
	    {"CONNECT x:1 HTTP/1.1\r\nHost: x:1\r\n\r\n", ERR_NOT_IMPLEMENTED,
		NULL, NULL, NULL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct h1_head h = request(rows[i].line);
		struct request r;

		assert_int_equal(http_read_request(&h, &r), rows[i].err);
		if (rows[i].err != ERR_NONE)
			continue;
		assert_true(span_eq(r.host, span_of(rows[i].host)));
		assert_true(span_eq(r.path, span_of(rows[i].path)));
		if (rows[i].query == NULL)
			assert_null(r.query.p);
		else
			assert_true(span_eq(r.query, span_of(rows[i].query)));
	}
}

static void
check_response(const char *text, struct http_answer a, const char *expect)
{
	struct h1_head h;
	char buf[1024];
	size_t n;

	h1_head_init(&h, fields, FIELDS_MAX);
	assert_int_equal(h1_parse_response(span_of(text), false, &h), H1_DONE);
	n = http_write_response(buf, sizeof buf, &h, &a);
	assert_int_equal(n, strlen(expect));
	assert_memory_equal(buf, expect, n);
	assert_int_equal(http_write_response(buf, n - 1, &h, &a), 0);
}

static void
responses(void **state)
{
	struct http_answer a = {.date = {"D", 1}};

	(void)state;
	check_response("HTTP/1.1 200 Fine\r\nContent-Length: 3\r\n"
		       "Connection: close, x-y\r\nX-Y: 1\r\nServer: s\r\n\r\n",
	    a,
	    "HTTP/1.1 200 Fine\r\nServer: s\r\nDate: D\r\n"
	    "Content-Length: 3\r\n\r\n");
	a.chunked = true;
	a.via = true;
	check_response("HTTP/1.0 200 \r\nDate: E\r\nVia: 1.0 p\r\n\r\n", a,
	    "HTTP/1.1 200 OK\r\nDate: E\r\nVia: 1.0 p, 1.1 shunt\r\n"
	    "Transfer-Encoding: chunked\r\n\r\n");
	a = (struct http_answer){.date = {"D", 1}, .close = true};
	check_response("HTTP/1.1 204 No\r\nContent-Length: 3\r\n\r\n", a,
	    "HTTP/1.1 204 No\r\nDate: D\r\nConnection: close\r\n\r\n");
}

/* Strict-Transport-Security is the pod's to say, else ours. */
static void
strict_transport(void **state)
{
	struct http_answer a = {.date = {"D", 1}, .hsts = {"max-age=1", 9}};

	(void)state;
	check_response("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", a,
	    "HTTP/1.1 200 OK\r\nDate: D\r\n"
	    "Strict-Transport-Security: max-age=1\r\n"
	    "Content-Length: 3\r\n\r\n");
	check_response("HTTP/1.1 404 No\r\nContent-Length: 3\r\n"
		       "strict-transport-security: max-age=0\r\n\r\n",
	    a,
	    "HTTP/1.1 404 No\r\nstrict-transport-security: max-age=0\r\n"
	    "Date: D\r\nContent-Length: 3\r\n\r\n");
	check_response("HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n", a,
	    "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n");
}

static void
trusted_blocks(void **state)
{
	struct cidr blocks[] = {
	    {AF_INET, {10, 0, 0, 0}, 8},
	    {AF_INET, {192, 168, 4, 0}, 22},
	    {AF_INET6, {0xfd}, 8},
	    {AF_INET, {1, 2, 3, 4}, 32},
	};
	struct forward f = {.trusted = blocks, .ntrusted = 4};
	const unsigned char v6[16] = {0xfd, 1}, other6[16] = {0xfe, 1};

	(void)state;
	assert_true(http_trusted(&f, AF_INET, (unsigned char[]){10, 9, 9, 9}));
	assert_true(
	    http_trusted(&f, AF_INET, (unsigned char[]){192, 168, 7, 255}));
	assert_false(
	    http_trusted(&f, AF_INET, (unsigned char[]){192, 168, 8, 0}));
	assert_true(http_trusted(&f, AF_INET, (unsigned char[]){1, 2, 3, 4}));
	assert_false(http_trusted(&f, AF_INET, (unsigned char[]){1, 2, 3, 5}));
	assert_true(http_trusted(&f, AF_INET6, v6));
	assert_false(http_trusted(&f, AF_INET6, other6));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(hop_fields_go),
	    cmocka_unit_test(routes_change_requests),
	    cmocka_unit_test(edits_have_room),
	    cmocka_unit_test(upgrades_and_last_hops),
	    cmocka_unit_test(trailers),
	    cmocka_unit_test(host_cannot_be_named_away),
	    cmocka_unit_test(forwarding_fields),
	    cmocka_unit_test(client_subject),
	    cmocka_unit_test(mirror_mark),
	    cmocka_unit_test(via_of_http2),
	    cmocka_unit_test(framing_is_ours),
	    cmocka_unit_test(tight_heads_fit),
	    cmocka_unit_test(targets),
	    cmocka_unit_test(responses),
	    cmocka_unit_test(strict_transport),
	    cmocka_unit_test(trusted_blocks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
