/* `health` of a service and Unix sockets as pods: what is read, every error. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "router/match.h"
#include "tests/unit/conf/error_rows.h"

/* The service's versions, line 4, and what follows is line 5. */
#define PODS(pods)                                                 \
	TOP "services:\n  shop:\n    versions: {v1: {pods: [" pods \
	    "]}, v2: {pods: []}}\n"
#define HEALTH_KEYS                                                         \
	"type, path, host, method, headers, port, grpc_service, interval, " \
	"fast_interval, timeout, rise, fall, start_period, initial, expect"
#define WANT_STATUS                                                          \
	"expected a status such as 200, a range such as 200-299, or a list " \
	"of them, found "
#define WANT_ITEM \
	"expected a status such as 200, or a range such as 200-299, found "
#define A107                                                                   \
	"/aaaaaaaaabaaaaaaaaabaaaaaaaaabaaaaaaaaabaaaaaaaaabaaaaaaaaabaaaaaaa" \
	"a"                                                                    \
	"abaaaaaaaaabaaaaaaaaabaaaaaaaaababcdef"

static struct conf *
parse_good(const char *text)
{
	struct conf_errors errors;
	struct conf *c = conf_parse("f", text, strlen(text), &errors);

	if (c == NULL)
		fail_msg("%s", errors.lines[0]);
	conf_errors_free(&errors);
	return c;
}

static void
test_http(void **state)
{
	struct conf *c = parse_good(
	    SHOP "    health:\n"
		 "      type: http\n"
		 "      path: /ready?full=1\n"
		 "      host: shop.example.com:81\n"
		 "      method: POST\n"
		 "      headers: { X-Check: \"yes\", user-agent: me }\n"
		 "      port: 9000\n"
		 "      interval: 10s\n"
		 "      fast_interval: 500ms\n"
		 "      expect: { status: [200, 204-206, 404], body: '\"ok\": "
		 "*1' }\n");
	const struct health_rules *h = &c->spec->services[0].terms.health;

	(void)state;
	assert_true(h->enabled);
	assert_int_equal(h->type, HEALTH_HTTP);
	assert_string_equal(h->path, "/ready?full=1");
	assert_string_equal(h->host, "shop.example.com:81");
	assert_int_equal(h->method, HEALTH_POST);
	assert_int_equal(h->headers.n, 2);
	assert_true(edits_name(&h->headers, SPAN("x-check")));
	assert_true(span_eq(h->headers.list[1].value, SPAN("me")));
	assert_int_equal(h->port, 9000);
	assert_int_equal(h->interval_ms, 10000);
	assert_int_equal(h->fast_interval_ms, 500);
	for (int s = 100; s < 600; s++)
		assert_int_equal(health_good_status(h, s),
		    s == 200 || (s >= 204 && s <= 206) || s == 404);
	assert_non_null(h->body);
	assert_int_equal(
	    pattern_find(h->body, SPAN("{\"ok\":  1}")), REGEX_MATCHES);
	assert_int_equal(
	    pattern_find(h->body, SPAN("{\"ok\":  0}")), REGEX_MISSES);
	conf_free(c);
}

static void
test_others(void **state)
{
	struct conf *c =
	    parse_good(SHOP "    health: { type: tcp, port: 1 }\n");

	(void)state;
	assert_int_equal(c->spec->services[0].terms.health.type, HEALTH_TCP);
	conf_free(c);
	c = parse_good(
	    SHOP "    protocol: h2c\n"
		 "    health: { type: grpc, grpc_service: a.B,\n"
		 "              headers: { x-a: b }, host: shop }\n");
	assert_int_equal(c->spec->services[0].terms.health.type, HEALTH_GRPC);
	assert_string_equal(
	    c->spec->services[0].terms.health.grpc_service, "a.B");
	conf_free(c);
	c = parse_good(SHOP "    protocol: h2c\n    health: { type: grpc }\n");
	assert_string_equal(c->spec->services[0].terms.health.grpc_service, "");
	conf_free(c);
}

static void
test_unix_pods(void **state)
{
	struct conf *c =
	    parse_good(PODS("unix:/run/app/v1.sock, \"[::1]:8080\", "
			    "{address: unix:@app, weight: 2}, unix:" A107));
	const struct version_spec *v = &c->spec->services[0].versions[0];

	(void)state;
	assert_int_equal(v->npods, 4);
	assert_true(address_is_unix(&v->pods[0]));
	assert_string_equal(v->pods[0].text, "unix:/run/app/v1.sock");
	assert_false(address_is_unix(&v->pods[1]));
	assert_string_equal(v->pods[2].text, "unix:@app");
	assert_int_equal(v->pod_weights[2], 2);
	assert_string_equal(v->pods[3].text, "unix:" A107);
	conf_free(c);
}

static const struct row values[] = {
    {SHOP "    health: {kind: tcp}\n",
	"5:14: unknown key \"kind\", known: " HEALTH_KEYS "\n"},
    {SHOP "    health: {type: udp, method: PUT, port: 0}\n",
	"5:20: expected one of http, tcp, grpc, found \"udp\"\n"
	"5:33: expected one of GET, HEAD, OPTIONS, POST, found \"PUT\"\n"
	"5:44: expected an integer from 1 to 65535, found \"0\"\n"},
    {SHOP "    health: {port: 65536, method: get, path: /a b}\n",
	"5:20: expected an integer from 1 to 65535, found \"65536\"\n"
	"5:35: expected one of GET, HEAD, OPTIONS, POST, found \"get\"\n"
	"5:46: expected a path that begins with /, found \"/a b\"\n"},
    {SHOP "    health: {host: \"*.example.com\"}\n",
	"5:20: expected a host such as shop.example.com, perhaps with a port, "
	"found \"*.example.com\"\n"},
    {SHOP "    health: {host: \"shop:0\", headers: []}\n",
	"5:20: expected a host such as shop.example.com, perhaps with a port, "
	"found \"shop:0\"\n"
	"5:39: expected a map from header names to values, found a list\n"},
    {SHOP "    health: {headers: {a b: c, Host: x, Content-Length: 1, "
	  "X: \"a\\nb\", y: 1, Y: 2}}\n",
	"5:24: expected the name of a header, found \"a b\"\n"
	"5:32: header \"Host\" is the proxy's own to write, see health.host\n"
	"5:41: header \"Content-Length\" is the proxy's own to write\n"
	"5:63: expected the value of a header, without control characters and "
	"white space around it, found \"a\\x0ab\"\n"
	"5:77: header \"Y\" is named twice\n"},
    {SHOP "    health: {expect: {status: 2xx}}\n",
	"5:31: " WANT_STATUS "\"2xx\"\n"},
    {SHOP "    health: {expect: {status: 299-200}}\n",
	"5:31: " WANT_STATUS "\"299-200\"\n"},
    {SHOP "    health: {expect: {status: {}}}\n",
	"5:31: " WANT_STATUS "a map\n"},
    {SHOP "    health: {expect: {status: []}}\n",
	"5:31: expected at least one status\n"},
    {SHOP "    health: {expect: {status: [200, 99, 200-600, [1]]}}\n",
	"5:37: " WANT_ITEM "\"99\"\n"
	"5:41: " WANT_ITEM "\"200-600\"\n"
	"5:50: " WANT_ITEM "a list\n"},
    {SHOP "    health: {expect: {body: \"a(b\"}}\n",
	"5:29: missing closing parenthesis at offset 3\n"},
    {SHOP "    health: {expect: {body: [a]}}\n",
	"5:29: expected a Perl-compatible regular expression, found a list\n"},
    {SHOP "    protocol: h2c\n    health: {type: grpc, grpc_service: \"a "
	  "b\"}\n",
	"6:40: expected the name of a gRPC service, or \"\", found \"a b\"\n"},
};

static const struct row together[] = {
    {SHOP "    health: {type: tcp, path: /, host: x, method: GET, "
	  "headers: {}, grpc_service: x, expect: {}}\n",
	"5:25: \"path\" is of no use with type tcp\n"
	"5:34: \"host\" is of no use with type tcp\n"
	"5:43: \"method\" is of no use with type tcp\n"
	"5:56: \"headers\" is of no use with type tcp\n"
	"5:69: \"grpc_service\" is of no use with type tcp\n"
	"5:86: \"expect\" is of no use with type tcp\n"},
    {SHOP "    protocol: h2c\n    health: {type: grpc, path: /, "
	  "method: GET, expect: {}}\n",
	"6:26: \"path\" is of no use with type grpc\n"
	"6:35: \"method\" is of no use with type grpc\n"
	"6:48: \"expect\" is of no use with type grpc\n"},
    {SHOP "    health: {grpc_service: x}\n",
	"5:14: \"grpc_service\" is of no use with type http\n"},
    {SHOP "    health: {type: grpc}\n",
	"5:20: grpc needs pods that speak HTTP/2: the protocol of version "
	"\"v1\" is h1, expected h2 or h2c\n"
	"5:20: grpc needs pods that speak HTTP/2: the protocol of version "
	"\"v2\" is h1, expected h2 or h2c\n"},
    {SHOP "    protocol: h2c\n    health: {type: grpc, headers: "
	  "{Content-Type: a, grpc-timeout: b}}\n",
	"6:36: header \"Content-Type\" is the check's own to write\n"
	"6:53: header \"grpc-timeout\" is the check's own to write\n"},
    {SHOP "    health: {fast_interval: 3s}\n",
	"5:29: expected at most the interval, which is 2s\n"},
    {SHOP "    health: {fast_interval: 0s, interval: 1s}\n",
	"5:29: expected a duration from 1ms to 1d, found \"0s\"\n"},
    {SHOP "    health: {method: HEAD, expect: {status: 200, body: ok}}\n",
	"5:50: \"body\" is of no use with method HEAD\n"},
    {SHOP "    health: {method: HEAD, expect: {status: 200, body: \"\"}}\n",
	""},
    {PODS("127.0.0.1:1, unix:/a, unix:/b") "    health: {port: 80}\n",
	"5:20: pod \"unix:/a\" has no ports\n"},
};

static const struct row sockets[] = {
    {PODS("unix:run/app.sock, 'unix:', unix:@, unix:/a b, unix:" A107 "x"),
	"4:28: expected a path that begins with / behind \"unix:\", or @ and "
	"an abstract name, found \"unix:run/app.sock\"\n"
	"4:47: expected a path that begins with / behind \"unix:\", or @ and "
	"an abstract name, found \"unix:\"\n"
	"4:56: expected a path that begins with / behind \"unix:\", or @ and "
	"an abstract name, found \"unix:@\"\n"
	"4:64: expected no spaces, control characters, \" and \\ behind "
	"\"unix:\", found \"unix:/a b\"\n"
	"4:75: expected at most 107 bytes behind \"unix:\", found "
	"\"unix:/aaaaaaaaabaaaaaaaaabaaaaaaaaabaaaaaaaaabaa...\"\n"},
    {PODS("unix:/a, unix:/a, 'unix:@a', {address: unix:/a}"),
	"4:37: duplicate address \"unix:/a\", first on line 4\n"
	"4:57: duplicate address \"unix:/a\", first on line 4\n"},
    {PODS("{address: unix:a}"),
	"4:38: expected a path that begins with / behind \"unix:\", or @ and "
	"an abstract name, found \"unix:a\"\n"},
    {"listen: [{address: unix:/run/shunt.sock}]\n" REST,
	"1:20: only pods can have the address of a Unix socket: expected an "
	"address such as 127.0.0.1:8080 or [::1]:8080\n"},
    {TOP "admin: {address: 'unix:@a'}\n" REST,
	"2:18: only pods can have the address of a Unix socket: expected an "
	"address such as 127.0.0.1:9900 or [::1]:9900\n"},
    {PODS("unix:/a, 127.0.0.1:1") "    tls: {verify: false}\n", ""},
    {PODS("127.0.0.1:1, unix:/a") "    tls: {}\n",
	"4:41: a Unix socket has no IP address to be verified: expected "
	"\"name\" or \"verify: false\" in \"tls\"\n"},
    {PODS("127.0.0.1:1, unix:/a") "    tls: {name: shop.internal}\n", ""},
    {PODS("127.0.0.1:1, unix:/a") "    protocol: h2\n",
	"4:41: a Unix socket has no IP address to be verified: expected "
	"\"name\" or \"verify: false\" in \"tls\"\n"},
};

TABLE_TEST(values)
TABLE_TEST(together)
TABLE_TEST(sockets)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_http),
	    cmocka_unit_test(test_others),
	    cmocka_unit_test(test_unix_pods),
	    cmocka_unit_test(test_values),
	    cmocka_unit_test(test_together),
	    cmocka_unit_test(test_sockets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
