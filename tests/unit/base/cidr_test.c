/* Blocks of addresses: how they are written, and what is in them. */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/cidr.h"

static void
test_parse(void **state)
{
	static const struct {
		const char *text, *formatted; /* NULL: refused */
	} rows[] = {
	    {"10.1.2.3", "10.1.2.3"},
	    {"10.1.2.3/32", "10.1.2.3"},
	    {"10.0.0.0/8", "10.0.0.0/8"},
	    {"0.0.0.0/0", "0.0.0.0/0"},
	    {"192.168.4.0/22", "192.168.4.0/22"},
	    {"fd00::/8", "fd00::/8"},
	    {"::", "::"},
	    {"::/0", "::/0"},
	    {"2001:DB8:0::1/128", "2001:db8::1"},
	    {"ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe/127",
		"ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe/127"},
	    {"10.1.2.3/8", NULL},
	    {"10.0.0.0/33", NULL},
	    {"::/129", NULL},
	    {"10.0.0.0/", NULL},
	    {"10.0.0.0/a", NULL},
	    {"10.0.0.0/-1", NULL},
	    {"10.0.0.0/8/8", NULL},
	    {"10.0.0", NULL},
	    {"10.0.0.256", NULL},
	    {"fd00::1/8", NULL},
	    {"[::1]", NULL},
	    {"localhost", NULL},
	    {"", NULL},
	    {"/8", NULL},
	    {"1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb", NULL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		char text[CIDR_TEXT_MAX];
		struct cidr c;
		bool good = cidr_parse(rows[i].text, &c);

		if (good != (rows[i].formatted != NULL))
			fail_msg("%s", rows[i].text);
		if (!good)
			continue;
		cidr_format(&c, text);
		assert_string_equal(text, rows[i].formatted);
	}
}

static void
test_has(void **state)
{
	static const struct {
		const char *block, *address;
		bool has;
	} rows[] = {
	    {"10.1.2.3", "10.1.2.3", true},
	    {"10.1.2.3", "10.1.2.2", false},
	    {"10.0.0.0/8", "10.255.255.255", true},
	    {"10.0.0.0/8", "11.0.0.0", false},
	    {"192.168.4.0/22", "192.168.7.255", true},
	    {"192.168.4.0/22", "192.168.8.0", false},
	    {"192.168.4.0/22", "192.168.3.255", false},
	    {"0.0.0.0/0", "255.1.2.3", true},
	    {"0.0.0.0/0", "::", false},
	    {"::/0", "::1", true},
	    {"::/0", "0.0.0.0", false},
	    {"fd00::/8", "fdff::1", true},
	    {"fd00::/8", "fe00::1", false},
	    {"2001:db8::/127", "2001:db8::1", true},
	    {"2001:db8::/127", "2001:db8::2", false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		const char *text = rows[i].address;
		int family = strchr(text, ':') != NULL ? AF_INET6 : AF_INET;
		uint8_t address[16] = {0};
		struct cidr blocks[2];

		assert_int_equal(inet_pton(family, text, address), 1);
		assert_true(cidr_parse("203.0.113.9", &blocks[0]));
		assert_true(cidr_parse(rows[i].block, &blocks[1]));
		if (cidr_has(&blocks[1], family, address) != rows[i].has ||
		    cidr_any_has(blocks, 2, family, address) != rows[i].has)
			fail_msg("%s in %s", text, rows[i].block);
		assert_false(cidr_any_has(blocks, 1, family, address));
		assert_false(cidr_any_has(NULL, 0, family, address));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_parse),
	    cmocka_unit_test(test_has),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
