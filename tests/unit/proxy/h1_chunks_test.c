/*
 * Chunked bodies as a table: bytes, verdict, the data in them, what is left.
 * Each row is fed whole and in pieces of every size; all must agree.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "proxy/h1_parse.h"

struct row {
	const char *bytes;
	enum h1_result result;
	const char *body;
	size_t left; /* bytes behind the body's end */
};

static const struct row rows[] = {
    {"0\r\n\r\n", H1_DONE, "", 0},
    {"5\r\nhello\r\n0\r\n\r\n", H1_DONE, "hello", 0},
    {"5\r\nhello\r\n0\r\n\r\nGET / HTTP/1.1", H1_DONE, "hello", 14},
    {"1\r\na\r\n2\r\nbc\r\n0\r\n\r\n", H1_DONE, "abc", 0},
    {"00000\r\n\r\n", H1_DONE, "", 0},
    {"00A\r\n0123456789\r\n0\r\n\r\n", H1_DONE, "0123456789", 0},
    {"a\r\n0123456789\r\n0\r\n\r\n", H1_DONE, "0123456789", 0},
    {"1;name=value;q=\"x y\"\r\na\r\n0;last\r\n\r\n", H1_DONE, "a", 0},
    {"1 ;n\r\na\r\n0\r\n\r\n", H1_DONE, "a", 0},
    {"2\r\n\r\n\r\n0\r\n\r\n", H1_DONE, "\r\n", 0},
    {"1\r\na\r\n0\r\nX-Sum: 7\r\nY: z\r\n\r\n", H1_DONE, "a", 0},

    {"", H1_MORE, "", 0},
    {"5", H1_MORE, "", 0},
    {"5\r\nhel", H1_MORE, "hel", 0},
    {"5\r\nhello\r\n", H1_MORE, "hello", 0},
    {"5\r\nhello\r\n0\r\n", H1_MORE, "hello", 0},
    {"0\r\nX: y\r\n", H1_MORE, "", 0},
    {"7fffffffffffff\r\nx", H1_MORE, "x", 0},

    {"\r\n", H1_BAD, "", 0},
    {"g\r\n", H1_BAD, "", 0},
    {"-1\r\n", H1_BAD, "", 0},
    {"0x1\r\na\r\n", H1_BAD, "", 0},
    {" 1\r\na\r\n", H1_BAD, "", 0},
    {";x\r\n", H1_BAD, "", 0},
    {"1\na\r\n0\r\n\r\n", H1_BAD, "", 0},
    {"1\r\nab\r\n", H1_BAD, "a", 0},
    {"1\r\na\n0\r\n\r\n", H1_BAD, "a", 0},
    {"1\r\na\r\r\n", H1_BAD, "a", 0},
    {"1;\x01\r\na\r\n", H1_BAD, "", 0},
    {"10000000000000000\r\n", H1_BAD, "", 0},
    {"ffffffffffffffff\r\n", H1_BAD, "", 0},
    {"0\r\n X: folded\r\n\r\n", H1_BAD, "", 0},
    {"0\r\nX: \x01\r\n\r\n", H1_BAD, "", 0},
    {"0\r\n\n", H1_BAD, "", 0},
    {"0\r\n\r\r", H1_BAD, "", 0},
};

struct fed {
	enum h1_result result;
	char body[64];
	size_t size; /* of the body */
	size_t left;
};

/* One piece, in memory of exactly its size. True when the body goes on. */
static bool
feed_piece(struct h1_chunks *c, const char *bytes, size_t n, struct fed *fed)
{
	char *copy = malloc(n > 0 ? n : 1);
	struct span in = {copy, n}, data;

	assert_non_null(copy);
	memcpy(copy, bytes, n);
	do {
		fed->result = h1_parse_chunked(c, &in, &data);
		if (fed->result != H1_DONE || data.n == 0)
			break;
		assert_true(data.p >= copy && data.p + data.n <= copy + n);
		assert_true(fed->size + data.n <= sizeof fed->body);
		memcpy(fed->body + fed->size, data.p, data.n);
		fed->size += data.n;
	} while (true);
	assert_true(in.p >= copy && in.p + in.n == copy + n);
	if (fed->result == H1_MORE)
		assert_int_equal(in.n, 0);
	fed->left = in.n;
	free(copy);
	return fed->result == H1_MORE;
}

static void
feed(const char *bytes, size_t n, size_t piece, struct fed *fed)
{
	struct h1_chunks c = {0};
	size_t at = 0;

	memset(fed, 0, sizeof *fed);
	fed->result = H1_MORE;
	do {
		size_t size = n - at < piece ? n - at : piece;

		if (!feed_piece(&c, bytes + at, size, fed)) {
			fed->left += n - at - size;
			return;
		}
		at += size;
	} while (at < n);
}

static void
test_rows(void **state)
{
	struct fed fed;

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		size_t n = strlen(rows[i].bytes);

		print_message("%s\n", rows[i].bytes);
		for (size_t piece = 1; piece <= n + 1; piece++) {
			feed(rows[i].bytes, n, piece, &fed);
			assert_int_equal(fed.result, rows[i].result);
			assert_int_equal(fed.size, strlen(rows[i].body));
			assert_memory_equal(fed.body, rows[i].body, fed.size);
			if (fed.result == H1_DONE)
				assert_int_equal(fed.left, rows[i].left);
		}
	}
}

/* The verdict on a body of `head`, then `n` times `fill`. */
static enum h1_result
flood(const char *head, char fill, size_t n)
{
	struct h1_chunks c = {0};
	struct span in = span_of(head), data;
	enum h1_result r = h1_parse_chunked(&c, &in, &data);

	while (r == H1_MORE && n-- > 0) {
		in = (struct span){&fill, 1};
		r = h1_parse_chunked(&c, &in, &data);
	}
	return r;
}

static void
test_limits(void **state)
{
	(void)state;
	assert_int_equal(flood("1;", 'x', 100), H1_MORE);
	assert_int_equal(flood("1;", 'x', 100000), H1_BAD);
	assert_int_equal(flood("0\r\nX: ", 'x', 1000), H1_MORE);
	assert_int_equal(flood("0\r\nX: ", 'x', 100000), H1_BAD);
	assert_int_equal(flood("", '0', 100), H1_BAD);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_rows),
	    cmocka_unit_test(test_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
