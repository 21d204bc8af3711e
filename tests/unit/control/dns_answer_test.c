/* Messages of name servers: what is read of good ones, and of bad ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "control/dns_answer.h"

#define QUESTION    "\3app\1i\0"
#define TO_QUESTION "\xc0\x0c"
#define BYTES(text) text, sizeof(text) - 1

/* A message under work: a head, the question, then records. */
struct message {
	uint8_t bytes[1024];
	size_t n;
	unsigned answers;
};

static void
add(struct message *m, const char *bytes, size_t n)
{
	assert_true(m->n + n <= sizeof m->bytes);
	memcpy(m->bytes + m->n, bytes, n);
	m->n += n;
}

static struct message
begin(uint8_t rcode, uint8_t type)
{
	struct message m = {{0}, 0, 0};
	const char tail[] = {0, (char)type, 0, 1};

	add(&m, BYTES("\x12\x34\x81\x80\0\1\0\0\0\0\0\0"));
	m.bytes[3] = (uint8_t)(m.bytes[3] | rcode);
	add(&m, BYTES(QUESTION));
	add(&m, tail, sizeof tail);
	return m;
}

static void
record(struct message *m, const char *owner, size_t nowner, uint8_t type,
    uint8_t ttl, const char *bytes, size_t n)
{
	const char head[] = {
	    0, (char)type, 0, 1, 0, 0, 0, (char)ttl, 0, (char)n};

	add(m, owner, nowner);
	add(m, head, sizeof head);
	add(m, bytes, n);
	m->bytes[7] = (uint8_t)++m->answers;
}

/* From memory of exactly that size, so that a sanitizer sees the end. */
static enum dns_outcome
read_size(const struct message *m, size_t size, enum dns_type type,
    struct dns_answer *a)
{
	uint8_t *copy = malloc(size > 0 ? size : 1);
	enum dns_outcome outcome;

	memcpy(copy, m->bytes, size);
	outcome = dns_answer_read(copy, size, type, a);
	free(copy);
	assert_true(outcome == DNS_OK || a->n == 0);
	return outcome;
}

static enum dns_outcome
read_all(const struct message *m, enum dns_type type, struct dns_answer *a)
{
	return read_size(m, m->n, type, a);
}

static void
test_addresses(void **state)
{
	struct message m = begin(0, DNS_A);
	struct dns_answer a;

	(void)state;
	record(&m, BYTES(TO_QUESTION), DNS_A, 30, BYTES("\x7f\0\0\1"));
	record(&m, BYTES("\3APP\1I\0"), DNS_A, 20, BYTES("\x7f\0\0\2"));
	record(&m, BYTES("\5other\0"), DNS_A, 1, BYTES("\x7f\0\0\3"));
	record(&m, BYTES(TO_QUESTION), 16, 1, BYTES("\3txt"));
	assert_int_equal(read_all(&m, DNS_A, &a), DNS_OK);
	assert_int_equal(a.n, 2);
	assert_int_equal(a.ttl, 20);
	assert_memory_equal(a.records[1].ip, "\x7f\0\0\2", 4);
	dns_answer_clear(&a);
	assert_int_equal(read_all(&m, DNS_AAAA, &a), DNS_EMPTY);
	m = begin(0, DNS_AAAA);
	record(&m, BYTES(TO_QUESTION), DNS_AAAA, 9,
	    BYTES("\xfd\0\0\0\0\0\0\0\0\0\0\0\0\0\0\7"));
	assert_int_equal(read_all(&m, DNS_AAAA, &a), DNS_OK);
	assert_int_equal(a.records[0].ip[15], 7);
	dns_answer_clear(&a);
}

static void
test_cname(void **state)
{
	struct message m = begin(0, DNS_A);
	struct dns_answer a;

	(void)state;
	/* in any order, the least TTL of all that were needed */
	record(&m, BYTES("\1c\0"), DNS_A, 50, BYTES("\1\2\3\4"));
	record(&m, BYTES("\1b\0"), 5, 5, BYTES("\1c\0"));
	record(&m, BYTES(TO_QUESTION), 5, 40, BYTES("\1b\0"));
	assert_int_equal(read_all(&m, DNS_A, &a), DNS_OK);
	assert_int_equal(a.n, 1);
	assert_int_equal(a.ttl, 5);
	dns_answer_clear(&a);
	m = begin(0, DNS_A);
	record(&m, BYTES(TO_QUESTION), 5, 40, BYTES("\1b\0"));
	record(&m, BYTES("\1b\0"), 5, 40, BYTES(TO_QUESTION));
	assert_int_equal(read_all(&m, DNS_A, &a), DNS_MALFORMED);
}

static void
test_srv(void **state)
{
	struct message m = begin(0, DNS_SRV);
	struct dns_answer a;

	(void)state;
	record(&m, BYTES(TO_QUESTION), DNS_SRV, 7,
	    BYTES("\0\1\x01\0\x1f\x90\4node\xc0\x10"));
	record(&m, BYTES(TO_QUESTION), DNS_SRV, 8, BYTES("\0\2\0\3\0\4\0"));
	assert_int_equal(read_all(&m, DNS_SRV, &a), DNS_OK);
	assert_int_equal(a.n, 2);
	assert_int_equal(a.ttl, 7);
	assert_int_equal(a.records[0].srv->priority, 1);
	assert_int_equal(a.records[0].srv->weight, 256);
	assert_int_equal(a.records[0].srv->port, 8080);
	assert_string_equal(a.records[0].srv->target, "node.i");
	assert_string_equal(a.records[1].srv->target, "");
	dns_answer_clear(&a);
	/* a name that ends too early, or too late */
	m = begin(0, DNS_SRV);
	record(&m, BYTES(TO_QUESTION), DNS_SRV, 7, BYTES("\0\1\0\1\0\1"));
	assert_int_equal(read_all(&m, DNS_SRV, &a), DNS_MALFORMED);
	m = begin(0, DNS_SRV);
	record(&m, BYTES(TO_QUESTION), DNS_SRV, 7, BYTES("\0\1\0\1\0\1\0\0"));
	assert_int_equal(read_all(&m, DNS_SRV, &a), DNS_MALFORMED);
}

static void
test_codes(void **state)
{
	static const struct {
		uint8_t rcode;
		enum dns_outcome outcome;
	} rows[] = {{0, DNS_EMPTY}, {1, DNS_SERVFAIL}, {2, DNS_SERVFAIL},
	    {3, DNS_NXDOMAIN}, {4, DNS_SERVFAIL}, {5, DNS_REFUSED},
	    {15, DNS_SERVFAIL}};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct message m = begin(rows[i].rcode, DNS_A);
		struct dns_answer a;

		assert_int_equal(read_all(&m, DNS_A, &a), rows[i].outcome);
		assert_int_equal(dns_failed(rows[i].outcome),
		    rows[i].outcome != DNS_EMPTY &&
			rows[i].outcome != DNS_NXDOMAIN);
	}
}

static void
test_ttl_beyond_31_bits_is_0(void **state)
{
	struct message m = begin(0, DNS_A);
	struct dns_answer a;

	(void)state;
	record(&m, BYTES(TO_QUESTION), DNS_A, 9, BYTES("\1\2\3\4"));
	m.bytes[m.n - 10] = 0x80;
	assert_int_equal(read_all(&m, DNS_A, &a), DNS_OK);
	assert_int_equal(a.ttl, 0);
	dns_answer_clear(&a);
}

/* Cut anywhere it is malformed, never more than that. */
static void
test_every_cut(void **state)
{
	struct message m = begin(0, DNS_SRV);
	struct dns_answer a;

	(void)state;
	record(&m, BYTES(TO_QUESTION), 5, 40, BYTES("\1b\0"));
	record(&m, BYTES("\1b\0"), DNS_SRV, 7,
	    BYTES("\0\1\x01\0\x1f\x90\4node\xc0\x10"));
	for (size_t n = 0; n < m.n; n++)
		assert_int_equal(read_size(&m, n, DNS_SRV, &a), DNS_MALFORMED);
	assert_int_equal(read_all(&m, DNS_SRV, &a), DNS_OK);
	dns_answer_clear(&a);
}

/* Any byte anywhere: it ends, and reads nothing beyond the message. */
static void
test_every_byte(void **state)
{
	struct message m = begin(0, DNS_SRV), bad;
	struct dns_answer a;

	(void)state;
	record(&m, BYTES(TO_QUESTION), 5, 40, BYTES("\1b\0"));
	record(&m, BYTES("\1b\0"), DNS_SRV, 7,
	    BYTES("\0\1\x01\0\x1f\x90\4node\xc0\x10"));
	for (size_t i = 0; i < m.n; i++)
		for (unsigned byte = 0; byte < 256; byte++) {
			bad = m;
			bad.bytes[i] = (uint8_t)byte;
			read_all(&bad, DNS_SRV, &a);
			dns_answer_clear(&a);
		}
}

static void
test_names(void **state)
{
	static const struct {
		const char *owner;
		size_t n;
	} bad[] = {
	    {BYTES("\xc0\x1b")}, /* to itself */
	    {BYTES("\xc0\xff")}, /* forward */
	    {BYTES("\x40"
		   "a\0")},   /* a kind of label that is none */
	    {BYTES("\1.\0")}, /* no host is called so */
	    {BYTES("\2a\"\0")},
	    {BYTES("\1\n\0")},
	};
	struct dns_answer a;

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		struct message m = begin(0, DNS_A);

		record(&m, bad[i].owner, bad[i].n, DNS_A, 1, BYTES("\1\2\3\4"));
		assert_int_equal(read_all(&m, DNS_A, &a), DNS_MALFORMED);
	}
}

/* 255 bytes on the wire are a name, 257 are none. */
static void
test_long_names(void **state)
{
	char name[5 * 64];
	struct dns_answer a;

	(void)state;
	for (size_t i = 0; i < sizeof name; i++)
		name[i] = i % 64 == 0 ? 63 : 'a';
	for (int last = 61; last <= 63; last++) {
		struct message m = begin(0, DNS_A);

		name[3 * 64] = (char)last;
		name[3 * 64 + 1 + last] = 0;
		record(&m, name, (size_t)(3 * 64 + 2 + last), DNS_A, 1,
		    BYTES("\1\2\3\4"));
		assert_int_equal(read_all(&m, DNS_A, &a),
		    last <= 62 ? DNS_EMPTY : DNS_MALFORMED);
		name[3 * 64 + 1 + last] = 'a';
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_addresses),
	    cmocka_unit_test(test_cname),
	    cmocka_unit_test(test_srv),
	    cmocka_unit_test(test_codes),
	    cmocka_unit_test(test_ttl_beyond_31_bits_is_0),
	    cmocka_unit_test(test_every_cut),
	    cmocka_unit_test(test_every_byte),
	    cmocka_unit_test(test_names),
	    cmocka_unit_test(test_long_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
