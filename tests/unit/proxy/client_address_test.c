/* The client behind proxies, as tables: who is believed, and how far. */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "proxy/client_address.h"

static void
assert_address(const char *text, int family, const uint8_t *address)
{
	char found[INET6_ADDRSTRLEN];

	assert_non_null(inet_ntop(family, address, found, sizeof found));
	assert_string_equal(found, text);
}

static void
test_parse(void **state)
{
	static const struct {
		struct span element;
		const char *address; /* NULL: none */
	} rows[] = {
	    {SPAN("192.0.2.1"), "192.0.2.1"},
	    {SPAN("192.0.2.1:4711"), "192.0.2.1"},
	    {SPAN("2001:db8::1"), "2001:db8::1"},
	    {SPAN("[2001:DB8::1]"), "2001:db8::1"},
	    {SPAN("[2001:db8::1]:65535"), "2001:db8::1"},
	    {SPAN("::ffff:192.0.2.1"), "192.0.2.1"},
	    {SPAN("[::ffff:192.0.2.1]:80"), "192.0.2.1"},
	    {SPAN("::ffff:0:0"), "0.0.0.0"},
	    {SPAN(""), NULL},
	    {SPAN("unknown"), NULL},
	    {SPAN("_hidden"), NULL},
	    {SPAN("192.0.2"), NULL},
	    {SPAN("192.0.2.1:"), NULL},
	    {SPAN("192.0.2.1:65536"), NULL},
	    {SPAN("192.0.2.1:80x"), NULL},
	    {SPAN("192.0.2.1 "), NULL},
	    {SPAN("192.0.2.1\0"), NULL},
	    {SPAN("\0"), NULL},
	    {SPAN("[192.0.2.1]"), NULL},
	    {SPAN("[2001:db8::1"), NULL},
	    {SPAN("[2001:db8::1]80"), NULL},
	    {SPAN("[]"), NULL},
	    {SPAN("["), NULL},
	    {SPAN(":"), NULL},
	    {SPAN("192.0.2.1/24"), NULL},
	    {SPAN("1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb"),
		NULL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		uint8_t address[16];
		int family;
		bool good =
		    client_address_parse(rows[i].element, &family, address);

		if (good != (rows[i].address != NULL))
			fail_msg("row %zu", i);
		if (good)
			assert_address(rows[i].address, family, address);
	}
}

#define XFF(text)                                                          \
	{                                                                  \
		SPAN("x-forwarded-for"), SPAN(text), FIELD_X_FORWARDED_FOR \
	}

static void
test_find(void **state)
{
	static const struct {
		const char *peer;
		struct field fields[3];
		const char *client;
	} rows[] = {
	    {"192.0.2.9", {{SPAN_NONE, SPAN_NONE, 0}}, "192.0.2.9"},
	    {"10.0.0.1", {{SPAN_NONE, SPAN_NONE, 0}}, "10.0.0.1"},
	    /* not a trusted peer: it may say what it likes */
	    {"192.0.2.9", {XFF("10.0.0.5")}, "192.0.2.9"},
	    {"192.0.2.9", {XFF("198.51.100.7")}, "192.0.2.9"},
	    {"10.0.0.1", {XFF("198.51.100.7")}, "198.51.100.7"},
	    {"fd00::1", {XFF("2001:db8::7")}, "2001:db8::7"},
	    /* what stands left of the client is the client's own words */
	    {"10.0.0.1", {XFF("203.0.113.1, 198.51.100.7")}, "198.51.100.7"},
	    {"10.0.0.1", {XFF("10.0.0.7, 198.51.100.7 , 10.0.0.2,fd00::2")},
		"198.51.100.7"},
	    {"10.0.0.1", {XFF("10.0.0.3,10.0.0.2")}, "10.0.0.3"},
	    {"10.0.0.1", {XFF(",, 198.51.100.7 ,,")}, "198.51.100.7"},
	    {"10.0.0.1", {XFF("")}, "10.0.0.1"},
	    {"10.0.0.1", {XFF(" , ")}, "10.0.0.1"},
	    /* several fields are one list */
	    {"10.0.0.1", {XFF("203.0.113.1"), XFF("198.51.100.7")},
		"198.51.100.7"},
	    {"10.0.0.1", {XFF("198.51.100.7"), XFF("10.0.0.2")},
		"198.51.100.7"},
	    {"10.0.0.1",
		{XFF("198.51.100.7"),
		    {SPAN("X-Other"), SPAN("203.0.113.1"), FIELD_OTHER},
		    XFF("10.0.0.2")},
		"198.51.100.7"},
	    /* what cannot be read ends the search */
	    {"10.0.0.1", {XFF("198.51.100.7, unknown")}, "10.0.0.1"},
	    {"10.0.0.1", {XFF("198.51.100.7, unknown, 10.0.0.2")}, "10.0.0.2"},
	    {"10.0.0.1", {XFF("198.51.100.7"), XFF("x")}, "10.0.0.1"},
	    {"10.0.0.1", {XFF("unknown, 198.51.100.7")}, "198.51.100.7"},
	    /* a field of another name to who added one */
	    {"10.0.0.1",
		{XFF("198.51.100.7"),
		    {SPAN("X_Forwarded_For"), SPAN("203.0.113.1"),
			FIELD_X_FORWARDED_FOR}},
		"198.51.100.7"},
	};
	struct cidr trusted[2];
	struct forward f = {.trusted = trusted, .ntrusted = 2};

	(void)state;
	assert_true(cidr_parse("10.0.0.0/8", &trusted[0]));
	assert_true(cidr_parse("fd00::/8", &trusted[1]));
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		const char *peer = rows[i].peer;
		int family = strchr(peer, ':') != NULL ? AF_INET6 : AF_INET;
		struct request r = {.fields = rows[i].fields, .nfields = 3};
		uint8_t address[16];

		assert_int_equal(inet_pton(family, peer, address), 1);
		client_address_find(&r, &f, family, address);
		assert_address(rows[i].client, r.family, r.client);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_parse),
	    cmocka_unit_test(test_find),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
