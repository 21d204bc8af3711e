/*
 * A health check in HTTP/1.1 without a socket: what it asks, and what it makes
 * of answers that come whole, byte by byte, and in two parts cut anywhere.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/check_codec.h"
#include "control/pod_check.h"
#include "proxy/fifo.h"
#include "router/match.h"

static struct terms terms;
static struct address address;

/* A codec, and what it asks as a text in `asked`. */
static struct check_codec *
start(char *asked, size_t size)
{
	const struct check_wish wish = {.address = &address, .terms = &terms};
	struct fifo out = {NULL};
	struct check_codec *c = check_h1_new(&wish, &out);

	assert_non_null(c);
	snprintf(asked, size, "%.*s", SPAN_ARG(fifo_span(&out)));
	fifo_free(&out);
	return c;
}

static void
setup(const char *at)
{
	health_rules_clear(&terms.health);
	terms.health.path = strdup("/healthz");
	assert_true(address_parse(span_of(at), &address));
}

static void
check_asked(const char *expected)
{
	char asked[1024];
	struct check_codec *c = start(asked, sizeof asked);

	assert_string_equal(asked, expected);
	c->ops->free(c);
}

static void
test_asks(void **state)
{
	struct health_rules *h = &terms.health;

	(void)state;
	setup("127.0.0.1:8080");
	check_asked("GET /healthz HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n"
		    "User-Agent: " CHECK_AGENT "\r\nAccept: */*\r\n"
		    "Connection: close\r\n\r\n");
	h->method = HEALTH_POST;
	h->host = strdup("shop.test:81");
	edits_add(&h->headers, EDIT_ADD, SPAN("ACCEPT"), SPAN("text/plain"));
	edits_add(&h->headers, EDIT_ADD, SPAN("X-Empty"), SPAN(""));
	check_asked("POST /healthz HTTP/1.1\r\nHost: shop.test:81\r\n"
		    "User-Agent: " CHECK_AGENT "\r\nContent-Length: 0\r\n"
		    "ACCEPT: text/plain\r\nX-Empty: \r\n"
		    "Connection: close\r\n\r\n");
	edits_add(&h->headers, EDIT_ADD, SPAN("user-agent"), SPAN("me"));
	h->method = HEALTH_OPTIONS;
	check_asked("OPTIONS /healthz HTTP/1.1\r\nHost: shop.test:81\r\n"
		    "ACCEPT: text/plain\r\nX-Empty: \r\nuser-agent: me\r\n"
		    "Connection: close\r\n\r\n");
	setup("unix:/run/app.sock");
	check_asked("GET /healthz HTTP/1.1\r\nHost: localhost\r\n"
		    "User-Agent: " CHECK_AGENT "\r\nAccept: */*\r\n"
		    "Connection: close\r\n\r\n");
}

struct row {
	const char *bytes;
	enum check_read end;
	int status;
	const char *body; /* or why */
	bool until_close;
	bool head; /* asked with HEAD */
};

#define OK200 "HTTP/1.1 200 OK\r\n"

static const struct row rows[] = {
    {OK200 "Content-Length: 2\r\n\r\nok", CHECK_READ_DONE, 200, "ok", 0, 0},
    {OK200 "Content-Length: 2\r\n\r\nokay", CHECK_READ_DONE, 200, "ok", 0, 0},
    {OK200 "Content-Length: 3\r\n\r\nok", CHECK_READ_MORE, 200, "ok", 0, 0},
    {OK200 "Content-Length: 0\r\n\r\n", CHECK_READ_DONE, 200, "", 0, 0},
    {"HTTP/1.0 404 No\r\n\r\nsome", CHECK_READ_MORE, 404, "some", 1, 0},
    {"HTTP/1.1 204 No\r\n\r\n", CHECK_READ_DONE, 204, "", 0, 0},
    {OK200 "Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n1;x=y\r\n!\r\n0\r\n"
	   "A: b\r\n\r\n",
	CHECK_READ_DONE, 200, "ok!", 0, 0},
    {OK200 "Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n", CHECK_READ_MORE,
	200, "ok", 0, 0},
    {OK200 "Transfer-Encoding: chunked\r\n\r\nx\r\n", CHECK_READ_BAD, 200,
	"malformed answer: chunks", 0, 0},
    {"HTTP/1.1 100 Go\r\n\r\nHTTP/1.1 103 Hint\r\nLink: x\r\n\r\n" OK200
     "Content-Length: 2\r\n\r\nok",
	CHECK_READ_DONE, 200, "ok", 0, 0},
    {"HTTP/1.1 101 Up\r\nUpgrade: x\r\n\r\n", CHECK_READ_DONE, 101, "", 0, 0},
    {OK200 "Content-Length: 2\r\n\r\n", CHECK_READ_DONE, 200, "", 0, 1},
    {"", CHECK_READ_MORE, 0, "", 0, 0},
    {"HTTP/1.1 200 OK\r\nA: b\r\n", CHECK_READ_MORE, 0, "", 0, 0},
    {"rubbish\r\n\r\n", CHECK_READ_BAD, 0, "malformed answer", 0, 0},
    {"SSH-2.0-x\r\n\r\n", CHECK_READ_BAD, 0, "malformed answer", 0, 0},
    {OK200 "Content-Length: 2\r\nContent-Length: 3\r\n\r\nok", CHECK_READ_BAD,
	0, "malformed answer", 0, 0},
};

static enum check_read
feed(struct check_codec *c, const char *bytes, size_t n)
{
	/* exactly as large, so that a sanitizer sees a step beyond */
	char *copy = malloc(n + 1);
	enum check_read r;

	assert_non_null(copy);
	memcpy(copy + 1, bytes, n);
	r = c->ops->read(c, (struct span){copy + 1, n}, NULL);
	free(copy);
	return r;
}

/* In pieces of `first` bytes, then of `step`. */
static void
check_row(const struct row *row, size_t first, size_t step)
{
	const size_t all = strlen(row->bytes);
	enum check_read end = CHECK_READ_MORE;
	char asked[1024];
	struct check_codec *c;

	terms.health.method = row->head ? HEALTH_HEAD : HEALTH_GET;
	c = start(asked, sizeof asked);
	for (size_t at = 0, n = first; at < all && end == CHECK_READ_MORE;
	     at += n, n = step) {
		n = n < all - at ? n : all - at;
		end = feed(c, row->bytes + at, n);
	}
	if (end != row->end)
		fail_msg("%zu, %zu: %s", first, step, row->bytes);
	assert_int_equal(c->status, row->status);
	if (row->end == CHECK_READ_BAD) {
		assert_string_equal(c->why, row->body);
	} else {
		assert_int_equal(c->until_close, row->until_close);
		assert_int_equal(c->nbody, strlen(row->body));
		assert_memory_equal(
		    c->body != NULL ? c->body : "", row->body, c->nbody);
	}
	c->ops->free(c);
}

static void
test_answers(void **state)
{
	char why[64];

	(void)state;
	setup("127.0.0.1:8080");
	terms.health.body = pattern_new(PATTERN_REGEX, "o", why, sizeof why);
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		const size_t all = strlen(rows[i].bytes);

		check_row(&rows[i], all, 1);
		check_row(&rows[i], 1, 1);
		for (size_t cut = 1; cut < all; cut++)
			check_row(&rows[i], cut, all);
	}
}

/* Bodies are kept to their limit, and only where somebody looks at them. */
static void
test_long_bodies(void **state)
{
	static char bytes[10000];
	char asked[1024], why[64];
	struct check_codec *c;
	enum check_read r = CHECK_READ_MORE;

	(void)state;
	memset(bytes, 'x', sizeof bytes);
	for (int kept = 0; kept < 2; kept++) {
		setup("127.0.0.1:8080");
		if (kept)
			terms.health.body =
			    pattern_new(PATTERN_REGEX, "x", why, sizeof why);
		c = start(asked, sizeof asked);
		r = feed(c, OK200 "\r\n", strlen(OK200 "\r\n"));
		for (size_t n = 0; n <= CHECK_BODY_MAX; n += sizeof bytes) {
			assert_int_equal(r, CHECK_READ_MORE);
			r = feed(c, bytes, sizeof bytes);
		}
		assert_int_equal(r, CHECK_READ_DONE);
		assert_int_equal(c->nbody, kept ? HEALTH_BODY_MAX : 0);
		c->ops->free(c);
	}
}

/* A head of 8 KiB is one, a longer one is not; nor is one without end. */
static void
test_long_heads(void **state)
{
	static char bytes[20000];
	char asked[1024];

	(void)state;
	setup("127.0.0.1:8080");
	for (size_t size = 8190; size < 8195; size++) {
		const size_t front = strlen(OK200 "A: ");

		memset(bytes, 'x', sizeof bytes);
		memcpy(bytes, OK200 "A: ", front);
		memcpy(bytes + size - 4, "\r\n\r\n", 4);
		for (size_t step = 1; step < sizeof bytes; step += 4111) {
			struct check_codec *c = start(asked, sizeof asked);
			enum check_read r = CHECK_READ_MORE;

			for (size_t at = 0; at < size; at += step)
				r = feed(c, bytes + at,
				    step < size - at ? step : size - at);
			assert_int_equal(
			    r, size <= 8192 ? CHECK_READ_MORE : CHECK_READ_BAD);
			assert_int_equal(c->status, size <= 8192 ? 200 : 0);
			c->ops->free(c);
		}
	}
}

static int
clear(void **state)
{
	(void)state;
	health_rules_clear(&terms.health);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_asks),
	    cmocka_unit_test(test_answers),
	    cmocka_unit_test(test_long_bodies),
	    cmocka_unit_test(test_long_heads),
	};

	return cmocka_run_group_tests(tests, NULL, clear);
}
