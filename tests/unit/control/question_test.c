/* What may be asked, and how it is written as a request. */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "control/question.h"

#define N(rows) (sizeof rows / sizeof rows[0])

static void
test_written(void **state)
{
	static const struct {
		struct question q;
		const char *head;
		bool https;
		unsigned port;
	} rows[] = {
	    {{.url = "http://shop.test/cart?x=1"},
		"GET /cart?x=1 HTTP/1.1\r\nHost: shop.test\r\n\r\n", false, 80},
	    {{.url = "HTTPS://Shop.test", .method = "HEAD"},
		"HEAD / HTTP/1.1\r\nHost: Shop.test\r\n\r\n", true, 443},
	    {{.url = "http://shop.test?x=/y"},
		"GET /?x=/y HTTP/1.1\r\nHost: shop.test\r\n\r\n", false, 80},
	    {{.url = "https://[2001:db8::1]:8443/a%20b"},
		"GET /a%20b HTTP/1.1\r\nHost: [2001:db8::1]:8443\r\n\r\n", true,
		8443},
	    {{.url = "https://[2001:db8::1]/"},
		"GET / HTTP/1.1\r\nHost: [2001:db8::1]\r\n\r\n", true, 443},
	    {{.url = "http://shop.test:/"},
		"GET / HTTP/1.1\r\nHost: shop.test:\r\n\r\n", false, 80},
	};
	struct asked a;
	char why[512];

	(void)state;
	for (size_t i = 0; i < N(rows); i++) {
		assert_true(question_read(&rows[i].q, &a, why, sizeof why));
		assert_string_equal(a.head, rows[i].head);
		assert_int_equal(a.n, strlen(rows[i].head));
		assert_int_equal(a.https, rows[i].https);
		assert_int_equal(a.port, rows[i].port);
		asked_clear(&a);
	}
}

static void
test_fields(void **state)
{
	const struct question_field fields[] = {
	    {"X-One", "1"}, {"cookie", "a=b"}, {"X-One", ""}};
	const struct question_field host[] = {{"hOST", "other.test"}};
	struct question q = {
	    .url = "http://shop.test:81/", .fields = fields, .nfields = 3};
	struct asked a;
	char why[512];

	(void)state;
	assert_true(question_read(&q, &a, why, sizeof why));
	assert_string_equal(a.head,
	    "GET / HTTP/1.1\r\nHost: shop.test:81\r\nX-One: 1\r\n"
	    "cookie: a=b\r\nX-One: \r\n\r\n");
	asked_clear(&a);
	q.fields = host;
	q.nfields = 1;
	assert_true(question_read(&q, &a, why, sizeof why));
	assert_string_equal(
	    a.head, "GET / HTTP/1.1\r\nhOST: other.test\r\n\r\n");
	assert_int_equal(a.port, 81);
	asked_clear(&a);
}

static void
test_clients(void **state)
{
	static const struct {
		const char *client, *ip;
		int family;
	} rows[] = {
	    {NULL, "127.0.0.1", AF_INET},
	    {"192.0.2.7", "192.0.2.7", AF_INET},
	    {"2001:DB8::7", "2001:db8::7", AF_INET6},
	    {"::ffff:192.0.2.7", "192.0.2.7", AF_INET},
	    {"192.0.2.7:51234", "192.0.2.7", AF_INET},
	};
	struct asked a;
	char why[512];

	(void)state;
	for (size_t i = 0; i < N(rows); i++) {
		struct question q = {
		    .url = "http://a/", .client = rows[i].client};
		uint8_t address[16];

		assert_true(question_read(&q, &a, why, sizeof why));
		assert_int_equal(a.family, rows[i].family);
		assert_string_equal(a.ip, rows[i].ip);
		assert_int_equal(inet_pton(a.family, rows[i].ip, address), 1);
		assert_memory_equal(
		    a.address, address, a.family == AF_INET ? 4 : 16);
		asked_clear(&a);
	}
}

#define URL	 "http://a/"
#define SUCH_AS	 "url: expected a URL such as http://shop.example.com/cart?x=1"
#define HOST_IN	 "url: expected a host, perhaps with a port, in it"
#define ASCII_IN "url: expected bytes other than visible ASCII as %XX in it"
#define FRAGMENT "url: expected no fragment (\"#...\"), as that is never sent"
#define ADDRESS                                                \
	"client: expected an IP address such as 192.0.2.7 or " \
	"2001:db8::7"

static void
test_wrong(void **state)
{
	static const struct question_field fields[][1] = {
	    {{"", "x"}},
	    {{"X One", "x"}},
	    {{"X:", "x"}},
	    {{"X\r\nY", "x"}},
	    {{"X", "a\r\nY: b"}},
	    {{"X", "a\nb"}},
	    {{"X", "\x7f"}},
	};
	static const struct {
		struct question q;
		const char *why;
	} rows[] = {
	    {{.url = ""}, SUCH_AS ", found \"\""},
	    {{.url = "shop.test/"}, SUCH_AS ", found \"shop.test/\""},
	    {{.url = "/cart"}, SUCH_AS ", found \"/cart\""},
	    {{.url = "ftp://a/"}, SUCH_AS ", found \"ftp://a/\""},
	    {{.url = "http:/a/"}, SUCH_AS ", found \"http:/a/\""},
	    {{.url = "http://"}, HOST_IN ", found \"\""},
	    {{.url = "http:///x"}, HOST_IN ", found \"\""},
	    {{.url = "http://u:p@a/"}, HOST_IN ", found \"u:p@a\""},
	    {{.url = "http://a b/"}, HOST_IN ", found \"a b\""},
	    {{.url = "http://a:x/"}, HOST_IN ", found \"a:x\""},
	    {{.url = "http://[::1/"}, HOST_IN ", found \"[::1\""},
	    {{.url = "http://a\r\nX: y/"}, HOST_IN ", found "
						   "\"a\\x0d\\x0aX: y\""},
	    {{.url = "http://a/b c"}, ASCII_IN ", found \"http://a/b c\""},
	    {{.url = "http://a/\r\n"}, ASCII_IN ", found "
						"\"http://a/\\x0d\\x0a\""},
	    {{.url = "http://a/\xc3\xa9"},
		ASCII_IN ", found \"http://a/\xc3\xa9\""},
	    {{.url = "http://a/#b"}, FRAGMENT ", found \"http://a/#b\""},
	    {{.url = "http://a#b"}, FRAGMENT ", found \"http://a#b\""},
	    {{.url = URL, .method = ""},
		"method: expected a method such as GET, found \"\""},
	    {{.url = URL, .method = "GET /"},
		"method: expected a method such as GET, found \"GET /\""},
	    {{.url = URL, .client = ""}, ADDRESS ", found \"\""},
	    {{.url = URL, .client = "a.test"}, ADDRESS ", found \"a.test\""},
	    {{.url = URL, .client = "10.0.0.0/8"},
		ADDRESS ", found \"10.0.0.0/8\""},
	    {{.url = URL, .client = "256.1.1.1"},
		ADDRESS ", found \"256.1.1.1\""},
	    {{.url = URL, .fields = fields[0], .nfields = 1},
		"headers: expected the name of a header, found \"\""},
	    {{.url = URL, .fields = fields[1], .nfields = 1},
		"headers: expected the name of a header, found \"X One\""},
	    {{.url = URL, .fields = fields[2], .nfields = 1},
		"headers: expected the name of a header, found \"X:\""},
	    {{.url = URL, .fields = fields[3], .nfields = 1},
		"headers: expected the name of a header, found "
		"\"X\\x0d\\x0aY\""},
	    {{.url = URL, .fields = fields[4], .nfields = 1},
		"headers: expected a value without control characters, found "
		"\"a\\x0d\\x0aY: b\""},
	    {{.url = URL, .fields = fields[5], .nfields = 1},
		"headers: expected a value without control characters, found "
		"\"a\\x0ab\""},
	    {{.url = URL, .fields = fields[6], .nfields = 1},
		"headers: expected a value without control characters, found "
		"\"\\x7f\""},
	};
	struct asked a;
	char why[512];

	(void)state;
	for (size_t i = 0; i < N(rows); i++) {
		assert_false(question_read(&rows[i].q, &a, why, sizeof why));
		assert_string_equal(why, rows[i].why);
		asked_clear(&a);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_written),
	    cmocka_unit_test(test_fields),
	    cmocka_unit_test(test_clients),
	    cmocka_unit_test(test_wrong),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
