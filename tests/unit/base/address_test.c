/* What is an address and what is not, as tables. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <netinet/in.h>

#include "base/address.h"

static void
test_good(void **state)
{
	static const struct {
		const char *text;
		int family;
		const char *ip;
		unsigned port;
	} rows[] = {
	    {"127.0.0.1:8080", AF_INET, "127.0.0.1", 8080},
	    {"0.0.0.0:1", AF_INET, "0.0.0.0", 1},
	    {"255.255.255.255:65535", AF_INET, "255.255.255.255", 65535},
	    {"[::1]:8080", AF_INET6, "::1", 8080},
	    {"[::]:80", AF_INET6, "::", 80},
	    {"[2001:DB8:0:0::7]:443", AF_INET6, "2001:db8::7", 443},
	    {"[::ffff:10.0.0.1]:443", AF_INET6, "::ffff:10.0.0.1", 443},
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct address a;
		char ip[INET6_ADDRSTRLEN];
		in_port_t port;

		if (!address_parse(span_of(rows[i].text), &a))
			fail_msg("%s", rows[i].text);
		assert_string_equal(a.text, rows[i].text);
		assert_int_equal(a.sa.ss_family, rows[i].family);
		port = ((struct sockaddr_in *)&a.sa)->sin_port;
		if (rows[i].family == AF_INET6)
			port = ((struct sockaddr_in6 *)&a.sa)->sin6_port;
		assert_int_equal(ntohs(port), rows[i].port);
		assert_int_equal(a.len, rows[i].family == AF_INET
					    ? sizeof(struct sockaddr_in)
					    : sizeof(struct sockaddr_in6));
		assert_int_equal(
		    address_ip(&a.sa, ip, sizeof ip), strlen(rows[i].ip));
		assert_string_equal(ip, rows[i].ip);
	}
}

static void
test_bad(void **state)
{
	static const char *const rows[] = {
	    "",
	    ":",
	    ":80",
	    "127.0.0.1",
	    "127.0.0.1:",
	    "127.0.0.1:0",
	    "127.0.0.1:65536",
	    "127.0.0.1:000080",
	    "127.0.0.1:-1",
	    "127.0.0.1:80x",
	    "127.0.0.1: 80",
	    " 127.0.0.1:80",
	    "127.0.0:80",
	    "127.0.0.256:80",
	    "127.0.0.1:80:80",
	    "localhost:80",
	    "::1:80",
	    "[::1]",
	    "[::1]80",
	    "[]:80",
	    "[:80",
	    "[::1:80",
	    "[127.0.0.1]:80",
	    "[::1%lo]:80",
	    "[::1]:",
	    "[0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0001]:80",
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct address a;

		if (address_parse(span_of(rows[i]), &a))
			fail_msg("\"%s\" is no address", rows[i]);
	}
}

static void
test_eq(void **state)
{
	static const struct {
		const char *a, *b;
		bool eq;
	} rows[] = {
	    {"127.0.0.1:80", "127.0.0.1:80", true},
	    {"127.0.0.1:80", "127.0.0.1:0080", true},
	    {"127.0.0.1:80", "127.0.0.1:81", false},
	    {"127.0.0.1:80", "127.0.0.2:80", false},
	    {"[::1]:80", "[0:0::0:1]:80", true},
	    {"[::1]:80", "[::2]:80", false},
	    {"0.0.0.0:80", "[::]:80", false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct address a, b;

		assert_true(address_parse(span_of(rows[i].a), &a));
		assert_true(address_parse(span_of(rows[i].b), &b));
		assert_int_equal(address_eq(&a, &b), rows[i].eq);
		assert_int_equal(address_eq(&b, &a), rows[i].eq);
	}
}

static void
test_ip_without_room(void **state)
{
	struct address a;
	char ip[4] = "xxx";

	(void)state;
	assert_true(address_parse(SPAN("127.0.0.1:80"), &a));
	assert_int_equal(address_ip(&a.sa, ip, sizeof ip), 0);
	assert_string_equal(ip, "");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_good),
	    cmocka_unit_test(test_bad),
	    cmocka_unit_test(test_eq),
	    cmocka_unit_test(test_ip_without_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
