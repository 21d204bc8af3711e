/*
 * Headers of the PROXY protocol as tables: bytes, verdict, size, source.
 * Each row is given whole, with the client's bytes behind it, and byte by
 * byte in memory of exactly that size; all must agree.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <netinet/in.h>

#include "proxy/proxy_header.h"

#define SIG "\r\n\r\n\0\r\nQUIT\n"
/* Bytes, and how many; literals may contain NUL. */
#define B(lit) lit, sizeof(lit) - 1

#define V4_ADDRESSES "\x01\x02\x03\x04\x7f\x00\x00\x01"
#define V4	     V4_ADDRESSES "\xff\xff\x00\x50"
#define V6_ADDRESSES                                 \
	"\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x07" \
	"\xfd\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01"
#define V6 V6_ADDRESSES "\x00\x01\x01\xbb"
#define MAPPED                                         \
	"\0\0\0\0\0\0\0\0\0\0\xff\xff\x0a\x00\x00\x01" \
	"\0\0\0\0\0\0\0\0\0\0\xff\xff\x0a\x00\x00\x02\x00\x09\x00\x50"
#define X8   "xxxxxxxx"
#define X32  X8 X8 X8 X8
#define X54  X32 X8 X8 "xxxxxx"
#define X108 X54 X54
#define X216 X108 X108

struct row {
	const char *bytes;
	size_t n;
	enum h1_result result;
	const char *ip; /* NULL: none is announced */
	unsigned port;
};

static const struct row texts[] = {
    {B("PROXY TCP4 1.2.3.4 127.0.0.1 65535 80\r\n"), H1_DONE, "1.2.3.4", 65535},
    {B("PROXY TCP4 0.0.0.0 255.255.255.255 0 0\r\n"), H1_DONE, "0.0.0.0", 0},
    {B("PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n"), H1_DONE,
	"255.255.255.255", 65535},
    {B("PROXY TCP6 2001:db8::7 fd00::1 1 443\r\n"), H1_DONE, "2001:db8::7", 1},
    {B("PROXY TCP6 2001:DB8::7 ::1 1 443\r\n"), H1_DONE, "2001:db8::7", 1},
    {B("PROXY TCP6 ::ffff:10.0.0.1 ::1 9 80\r\n"), H1_DONE, "10.0.0.1", 9},
    {B("PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
       "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n"),
	H1_DONE, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 65535},
    {B("PROXY UNKNOWN\r\n"), H1_DONE, NULL, 0},
    {B("PROXY UNKNOWN \r\n"), H1_DONE, NULL, 0},
    {B("PROXY UNKNOWN a  b ! 1.2.3.4\r\n"), H1_DONE, NULL, 0},
    /* 107 bytes, and one more */
    {B("PROXY UNKNOWN " X54 X32 "xxxxx\r\n"), H1_DONE, NULL, 0},
    {B("PROXY UNKNOWN " X54 X32 "xxxxxx\r\n"), H1_BAD, NULL, 0},
    {B("PROXY UNKNOWN " X216), H1_BAD, NULL, 0},

    {B(""), H1_MORE, NULL, 0},
    {B("P"), H1_MORE, NULL, 0},
    {B("PROXY"), H1_MORE, NULL, 0},
    {B("PROXY "), H1_MORE, NULL, 0},
    {B("PROXY TCP4 1.2.3.4 127.0.0.1 65535 80"), H1_MORE, NULL, 0},
    {B("PROXY TCP4 1.2.3.4 127.0.0.1 65535 80\r"), H1_MORE, NULL, 0},

    {B("GET / HTTP/1.1\r\n"), H1_BAD, NULL, 0},
    {B("proxy TCP4 1.2.3.4 127.0.0.1 1 80\r\n"), H1_BAD, NULL, 0},
    {B(" PROXY TCP4 1.2.3.4 127.0.0.1 1 80\r\n"), H1_BAD, NULL, 0},
    {B("PROXY\tTCP4 1.2.3.4 127.0.0.1 1 80\r\n"), H1_BAD, NULL, 0},
    {B("PROXY  TCP4 1.2.3.4 127.0.0.1 1 80\r\n"), H1_BAD, NULL, 0},
    {B("PROXY \r\n"), H1_BAD, NULL, 0},
    {B("PROXY TCP4\r\n"), H1_BAD, NULL, 0},
    {B("PROXY TCP4 \r\n"), H1_BAD, NULL, 0},
    {B("PROXY TCP4 1.2.3.4\r\n"), H1_BAD, NULL, 0},
    {B("PROXY TCP4 1.2.3.4 127.0.0.1\r\n"), H1_BAD, NULL, 0},
    {B("PROXY TCP4 1.2.3.4 127.0.0.1 1\r\n"), H1_BAD, NULL, 0},
    {B("PROXY TCP4 1.2.3.4 127.0.0.1 1 \r\n"), H1_BAD, NULL, 0},
    {B("PROXY TCP4 1.2.3.4 127.0.0.1 1 80 \r\n"), H1_BAD, NULL, 0},
    {B("PROXY TCP4 1.2.3.4 127.0.0.1 1 80 81\r\n"), H1_BAD, NULL, 0},
    {B("PROXY TCP4 1.2.3.4  127.0.0.1 1 80\r\n"), H1_BAD, NULL, 0},
    {B("PROXY TCP4 1.2.3.4 127.0.0.1 1 80\n"), H1_BAD, NULL, 0},
    {B("PROXY TCP4 1.2.3.4 127.0.0.1 1 80\rx"), H1_BAD, NULL, 0},
    {B("PROXY TCP4 1.2.3.4 127.0.0.1 1 8\0\r\n"), H1_BAD, NULL, 0},
    {B("PROXY TCP4 1.2.3.4 127.0.0.1 1 8\xe9\r\n"), H1_BAD, NULL, 0},
    {B("PROXY UNKNOWN \x01\r\n"), H1_BAD, NULL, 0},
    {B("PROXY UNKNOWNS\r\n"), H1_BAD, NULL, 0},
    {B("PROXY TCP5 1.2.3.4 127.0.0.1 1 80\r\n"), H1_BAD, NULL, 0},
    {B("PROXY tcp4 1.2.3.4 127.0.0.1 1 80\r\n"), H1_BAD, NULL, 0},
    {B("PROXY UDP4 1.2.3.4 127.0.0.1 1 80\r\n"), H1_BAD, NULL, 0},
    {B("PROXY TCP4 1.2.3.256 127.0.0.1 1 80\r\n"), H1_BAD, NULL, 0},
    {B("PROXY TCP4 1.2.3.04 127.0.0.1 1 80\r\n"), H1_BAD, NULL, 0},
    {B("PROXY TCP4 1.2.3 127.0.0.1 1 80\r\n"), H1_BAD, NULL, 0},
    {B("PROXY TCP4 1.2.3.4 localhost 1 80\r\n"), H1_BAD, NULL, 0},
    {B("PROXY TCP4 ::1 ::1 1 80\r\n"), H1_BAD, NULL, 0},
    {B("PROXY TCP6 1.2.3.4 127.0.0.1 1 80\r\n"), H1_BAD, NULL, 0},
    {B("PROXY TCP6 1::2::3 ::1 1 80\r\n"), H1_BAD, NULL, 0},
    {B("PROXY TCP6 fe80::1%eth0 ::1 1 80\r\n"), H1_BAD, NULL, 0},
    {B("PROXY TCP6 [::1] ::1 1 80\r\n"), H1_BAD, NULL, 0},
    {B("PROXY TCP4 1.2.3.4 127.0.0.1 65536 80\r\n"), H1_BAD, NULL, 0},
    {B("PROXY TCP4 1.2.3.4 127.0.0.1 1 65536\r\n"), H1_BAD, NULL, 0},
    {B("PROXY TCP4 1.2.3.4 127.0.0.1 01 80\r\n"), H1_BAD, NULL, 0},
    {B("PROXY TCP4 1.2.3.4 127.0.0.1 -1 80\r\n"), H1_BAD, NULL, 0},
    {B("PROXY TCP4 1.2.3.4 127.0.0.1 +1 80\r\n"), H1_BAD, NULL, 0},
    {B("PROXY TCP4 1.2.3.4 127.0.0.1 18446744073709551617 80\r\n"), H1_BAD,
	NULL, 0},
};

static const struct row binaries[] = {
    {B(SIG "\x21\x11\x00\x0c" V4), H1_DONE, "1.2.3.4", 65535},
    {B(SIG "\x21\x12\x00\x0c" V4), H1_DONE, "1.2.3.4", 65535},
    {B(SIG "\x21\x21\x00\x24" V6), H1_DONE, "2001:db8::7", 1},
    {B(SIG "\x21\x22\x00\x24" V6), H1_DONE, "2001:db8::7", 1},
    {B(SIG "\x21\x21\x00\x24" MAPPED), H1_DONE, "10.0.0.1", 9},
    {B(SIG "\x21\x31\x00\xd8" X216), H1_DONE, NULL, 0},
    {B(SIG "\x21\x32\x00\xd8" X216), H1_DONE, NULL, 0},
    {B(SIG "\x21\x00\x00\x00"), H1_DONE, NULL, 0},
    {B(SIG "\x21\x00\x00\x03xyz"), H1_DONE, NULL, 0},
    /* LOCAL: the family and the block say nothing */
    {B(SIG "\x20\x00\x00\x00"), H1_DONE, NULL, 0},
    {B(SIG "\x20\x11\x00\x0c" V4), H1_DONE, NULL, 0},
    {B(SIG "\x20\x11\x00\x01x"), H1_DONE, NULL, 0},
    {B(SIG "\x20\xff\x00\x02xy"), H1_DONE, NULL, 0},
    /* types and values behind the addresses */
    {B(SIG "\x21\x11\x00\x0f" V4 "\x04\x00\x00"), H1_DONE, "1.2.3.4", 65535},
    {B(SIG "\x21\x11\x00\x16" V4 "\x01\x00\x02h2\x02\x00\x02\0\r"), H1_DONE,
	"1.2.3.4", 65535},
    {B(SIG "\x21\x31\x00\xdb" X216 "\x04\x00\x00"), H1_DONE, NULL, 0},

    {B("\r"), H1_MORE, NULL, 0},
    {B(SIG), H1_MORE, NULL, 0},
    {B(SIG "\x21"), H1_MORE, NULL, 0},
    {B(SIG "\x21\x11"), H1_MORE, NULL, 0},
    {B(SIG "\x21\x11\x00"), H1_MORE, NULL, 0},
    {B(SIG "\x21\x11\x00\x0c" V4_ADDRESSES "\xff\xff\x00"), H1_MORE, NULL, 0},
    {B(SIG "\x21\x11\x0f\xf0" V4), H1_MORE, NULL, 0},

    {B("\r\n\r\n\0\r\nQUIT\r"), H1_BAD, NULL, 0},
    {B("\r\n\r\nG"), H1_BAD, NULL, 0},
    {B(SIG "\x11\x11\x00\x0c" V4), H1_BAD, NULL, 0},
    {B(SIG "\x31\x11\x00\x0c" V4), H1_BAD, NULL, 0},
    {B(SIG "\x22\x11\x00\x0c" V4), H1_BAD, NULL, 0},
    {B(SIG "\x21\x01\x00\x0c" V4), H1_BAD, NULL, 0},
    {B(SIG "\x21\x10\x00\x0c" V4), H1_BAD, NULL, 0},
    {B(SIG "\x21\x13\x00\x0c" V4), H1_BAD, NULL, 0},
    {B(SIG "\x21\x41\x00\x0c" V4), H1_BAD, NULL, 0},
    /* shorter than its addresses */
    {B(SIG "\x21\x11\x00\x00"), H1_BAD, NULL, 0},
    {B(SIG "\x21\x11\x00\x0b" V4_ADDRESSES "\xff\xff\x00"), H1_BAD, NULL, 0},
    {B(SIG "\x21\x21\x00\x0c" V4), H1_BAD, NULL, 0},
    {B(SIG "\x21\x31\x00\x24" V6), H1_BAD, NULL, 0},
    /* 4097 bytes, and the most that can be written */
    {B(SIG "\x21\x11\x0f\xf1"), H1_BAD, NULL, 0},
    {B(SIG "\x20\x00\xff\xff"), H1_BAD, NULL, 0},
    /* values that do not end where the header does */
    {B(SIG "\x21\x11\x00\x0d" V4 "\x04"), H1_BAD, NULL, 0},
    {B(SIG "\x21\x11\x00\x0e" V4 "\x04\x00"), H1_BAD, NULL, 0},
    {B(SIG "\x21\x11\x00\x0f" V4 "\x04\x00\x01"), H1_BAD, NULL, 0},
    {B(SIG "\x21\x11\x00\x10" V4 "\x04\xff\xff\x00"), H1_BAD, NULL, 0},
};

static void
assert_source(const struct proxy_header *h, const struct row *r)
{
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
	uint8_t want[16];

	if (r->ip == NULL) {
		assert_int_equal(h->source.ss_family, AF_UNSPEC);
		return;
	}
	if (strchr(r->ip, ':') == NULL) {
		assert_int_equal(h->source.ss_family, AF_INET);
		memcpy(&in, &h->source, sizeof in);
		assert_int_equal(inet_pton(AF_INET, r->ip, want), 1);
		assert_memory_equal(&in.sin_addr, want, 4);
		assert_int_equal(ntohs(in.sin_port), r->port);
		return;
	}
	assert_int_equal(h->source.ss_family, AF_INET6);
	memcpy(&in6, &h->source, sizeof in6);
	assert_int_equal(inet_pton(AF_INET6, r->ip, want), 1);
	assert_memory_equal(&in6.sin6_addr, want, 16);
	assert_int_equal(ntohs(in6.sin6_port), r->port);
}

/* The first n bytes, in memory of exactly that size. */
static enum h1_result
parse(const char *bytes, size_t n, struct proxy_header *h)
{
	char *copy = malloc(n > 0 ? n : 1);
	enum h1_result result;

	assert_non_null(copy);
	memcpy(copy, bytes, n);
	result = proxy_header_parse((struct span){copy, n}, h);
	free(copy);
	return result;
}

static void
check_whole(const struct row *r)
{
	struct proxy_header h;

	assert_int_equal(parse(r->bytes, r->n, &h), r->result);
	if (r->result != H1_DONE)
		return;
	assert_int_equal(h.size, r->n);
	assert_source(&h, r);
}

/* What the client sends behind it is not touched. */
static void
check_followed(const struct row *r)
{
	static const char follows[] = "GET / HTTP/1.1\r\n\r\n";
	char bytes[512];
	struct proxy_header h;

	if (r->result == H1_MORE)
		return;
	assert_true(r->n + sizeof follows <= sizeof bytes);
	memcpy(bytes, r->bytes, r->n);
	memcpy(bytes + r->n, follows, sizeof follows);
	assert_int_equal(parse(bytes, r->n + sizeof follows, &h), r->result);
	if (r->result != H1_DONE)
		return;
	assert_int_equal(h.size, r->n);
	assert_source(&h, r);
}

/* One byte more each time: MORE until the verdict, which is the same. */
static void
check_bytewise(const struct row *r)
{
	enum h1_result result = H1_MORE;
	struct proxy_header h;
	size_t n = 0;

	while (result == H1_MORE && n < r->n)
		result = parse(r->bytes, ++n, &h);
	assert_int_equal(result, r->result);
	if (result != H1_DONE)
		return;
	assert_int_equal(n, r->n);
	assert_int_equal(h.size, r->n);
	assert_source(&h, r);
}

static void
check_rows(const struct row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		check_whole(&rows[i]);
		check_followed(&rows[i]);
		check_bytewise(&rows[i]);
	}
}

static void
test_text(void **state)
{
	(void)state;
	check_rows(texts, sizeof texts / sizeof texts[0]);
}

static void
test_binary(void **state)
{
	(void)state;
	check_rows(binaries, sizeof binaries / sizeof binaries[0]);
}

/* The longest that is taken, and its limit as the header file promises. */
static void
test_longest(void **state)
{
	char bytes[PROXY_HEADER_MAX + 1] = SIG "\x21\x11\x0f\xf0" V4;
	struct proxy_header h;

	(void)state;
	/* one value that fills it */
	bytes[28] = 4;
	bytes[29] = (char)((PROXY_HEADER_MAX - 31) >> 8);
	bytes[30] = (char)((PROXY_HEADER_MAX - 31) & 0xff);
	assert_int_equal(parse(bytes, PROXY_HEADER_MAX - 1, &h), H1_MORE);
	assert_int_equal(parse(bytes, PROXY_HEADER_MAX, &h), H1_DONE);
	assert_int_equal(h.size, PROXY_HEADER_MAX);
	assert_int_equal(parse(bytes, PROXY_HEADER_MAX + 1, &h), H1_DONE);
	assert_int_equal(h.size, PROXY_HEADER_MAX);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_text),
	    cmocka_unit_test(test_binary),
	    cmocka_unit_test(test_longest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
