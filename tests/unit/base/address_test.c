/* What is an address and what is not, as tables. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <netinet/in.h>

#include "base/address.h"

/* The longest name behind "/" or "@". */
#define LONG_50	 "aaaaaaaaabaaaaaaaaabaaaaaaaaabaaaaaaaaabaaaaaaaaab"
#define LONG_106 LONG_50 LONG_50 "abcdef"

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
	    {"unix:/a", "unix:/a", true},
	    {"unix:/a", "unix:/ab", false},
	    {"unix:@a", "unix:/a", false},
	    {"unix:@a", "unix:@a", true},
	    {"unix:@a", "127.0.0.1:80", false},
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
test_unix(void **state)
{
	static const struct {
		const char *text;
		const char *path; /* as bind(2) wants it, @ for the NUL */
	} rows[] = {
	    {"unix:/run/app.sock", "/run/app.sock"},
	    {"unix:/a", "/a"},
	    {"unix:/a:80", "/a:80"},
	    {"unix:/\xc3\xa4", "/\xc3\xa4"},
	    {"unix:/" LONG_106, "/" LONG_106},
	    {"unix:@app", "@app"},
	    {"unix:@/run/app", "@/run/app"},
	    {"unix:@@", "@@"},
	    {"unix:@" LONG_106, "@" LONG_106},
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		const struct sockaddr_un *un;
		const char *path = rows[i].path;
		struct address a;

		if (!address_parse(span_of(rows[i].text), &a))
			fail_msg("%s", rows[i].text);
		un = (const struct sockaddr_un *)&a.sa;
		assert_true(address_is_unix(&a));
		assert_null(address_unix_fault(span_of(rows[i].text)));
		assert_string_equal(a.text, rows[i].text);
		assert_int_equal(un->sun_family, AF_UNIX);
		assert_int_equal(un->sun_path[0], path[0] == '@' ? '\0' : '/');
		assert_string_equal(un->sun_path + 1, path + 1);
		/* an abstract name has no NUL behind it */
		assert_int_equal(a.len, offsetof(struct sockaddr_un, sun_path) +
					    strlen(path) +
					    (path[0] == '@' ? 0 : 1));
	}
}

static void
test_unix_faults(void **state)
{
	static const struct {
		const char *text, *word;
	} rows[] = {
	    {"unix:", "begins with /"},
	    {"unix:/", "begins with /"},
	    {"unix:@", "begins with /"},
	    {"unix:run/app.sock", "begins with /"},
	    {"unix:./app.sock", "begins with /"},
	    {"unix://" LONG_106, "107 bytes"},
	    {"unix:@a" LONG_106, "107 bytes"},
	    {"unix:/a b", "no spaces"},
	    {"unix:/a\nb", "no spaces"},
	    {"unix:/a\x7f", "no spaces"},
	    {"unix:/a\"b", "no spaces"},
	    {"unix:/a\\b", "no spaces"},
	    {"unix", NULL},
	    {"UNIX:/a", NULL},
	    {"/run/app.sock", NULL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		const struct span text = span_of(rows[i].text);
		const char *fault = address_unix_fault(text);
		struct address a;

		assert_false(address_parse(text, &a));
		if (rows[i].word == NULL)
			assert_null(fault);
		else if (fault == NULL || strstr(fault, rows[i].word) == NULL)
			fail_msg("%s: %s", rows[i].text, fault);
	}
}

static void
test_set_port(void **state)
{
	static const struct {
		const char *text, *result;
	} rows[] = {
	    {"127.0.0.1:80", "127.0.0.1:65535"},
	    {"[::1]:80", "[::1]:65535"},
	    {"[2001:DB8:0:0::7]:443", "[2001:db8::7]:65535"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct address a, b;

		assert_true(address_parse(span_of(rows[i].text), &a));
		address_set_port(&a, 65535);
		assert_string_equal(a.text, rows[i].result);
		assert_true(address_parse(span_of(rows[i].result), &b));
		assert_true(address_eq(&a, &b));
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

static void
test_peer_faults(void **state)
{
	static const struct {
		const char *text, *word; /* NULL: it may be a peer */
	} rows[] = {
	    {"0.0.0.0:80", "unspecified"},
	    {"0.0.0.1:80", NULL},
	    {"127.0.0.1:80", NULL},
	    {"223.255.255.255:80", NULL},
	    {"224.0.0.0:80", "multicast"},
	    {"239.255.255.255:80", "multicast"},
	    {"240.0.0.1:80", NULL},
	    {"255.255.255.255:80", "broadcast"},
	    {"[::]:80", "unspecified"},
	    {"[::1]:80", NULL},
	    {"[fe80::1]:80", NULL},
	    {"[ff02::1]:80", "multicast"},
	    {"[::ffff:0.0.0.0]:80", "unspecified"},
	    {"[::ffff:224.0.0.1]:80", "multicast"},
	    {"[::ffff:127.0.0.1]:80", NULL},
	    {"unix:/run/a.sock", NULL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct address a;
		const char *fault;

		assert_true(address_parse(span_of(rows[i].text), &a));
		fault = address_peer_fault(&a);
		if (rows[i].word == NULL
			? fault != NULL
			: fault == NULL || strstr(fault, rows[i].word) == NULL)
			fail_msg("%s: %s", rows[i].text, fault);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_good),
	    cmocka_unit_test(test_bad),
	    cmocka_unit_test(test_eq),
	    cmocka_unit_test(test_unix),
	    cmocka_unit_test(test_unix_faults),
	    cmocka_unit_test(test_set_port),
	    cmocka_unit_test(test_ip_without_room),
	    cmocka_unit_test(test_peer_faults),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
