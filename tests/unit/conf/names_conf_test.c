/* Names as pods and `resolver`: what is read, every error. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/conf/error_rows.h"

/* The service's versions, line 4, the first pod in column 28. */
#define PODS(pods)                                                 \
	TOP "services:\n  shop:\n    versions: {v1: {pods: [" pods \
	    "]}, v2: {pods: []}}\n"
#define RESOLVER(keys) TOP "resolver: {" keys "}\n" REST
#define WANT_NAME                                                            \
	"expected a name and a port such as app.internal:8080, or one that " \
	"SRV records are asked of, such as srv:app.internal or "             \
	"_http._tcp.app.internal, found "
#define WANT_PORT "expected a port from 1 to 65535 behind the name, found "
#define WANT_SERVER                                                \
	"expected the address of a name server such as 10.0.0.2, " \
	"10.0.0.2:5353 or [fd00::2]:53, found "
#define NO_LOCALHOST                                                        \
	"expected the address 127.0.0.1 or [::1], which no name server is " \
	"asked for, found "
#define RESOLVER_KEYS                                                  \
	"servers, timeout, tries, family, min_ttl, max_ttl, backoff, " \
	"max_backoff, empty"
#define LABEL63 \
	"abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijk"

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
assert_name(const struct pod_name *n, const char *text, const char *host,
    unsigned port, unsigned weight)
{
	assert_string_equal(n->text, text);
	assert_string_equal(n->host, host);
	assert_int_equal(n->port, port);
	assert_int_equal(n->weight, weight);
}

static void
test_names_read(void **state)
{
	struct conf *c = parse_good(
	    PODS("app.internal:8000, 10.0.0.1:80, srv:web.service.consul, "
		 "{address: App-2.internal.:65535, weight: 7}, "
		 "_http._tcp.app.internal, {address: \"[::1]:80\", weight: 2}, "
		 "app:1, srv:_grpc._tcp.x, 1a:80, " LABEL63 ":1"));
	const struct version_spec *v = &c->spec->services[0].versions[0];

	(void)state;
	assert_int_equal(v->npods, 2);
	assert_string_equal(v->pods[0].text, "10.0.0.1:80");
	assert_string_equal(v->pods[1].text, "[::1]:80");
	assert_int_equal(v->pod_weights[1], 2);
	assert_int_equal(v->nnames, 8);
	assert_name(&v->names[0], "app.internal:8000", "app.internal", 8000, 1);
	assert_name(
	    &v->names[1], "srv:web.service.consul", "web.service.consul", 0, 1);
	assert_name(
	    &v->names[2], "App-2.internal.:65535", "App-2.internal.", 65535, 7);
	assert_name(&v->names[3], "_http._tcp.app.internal",
	    "_http._tcp.app.internal", 0, 1);
	assert_name(&v->names[4], "app:1", "app", 1, 1);
	assert_name(&v->names[5], "srv:_grpc._tcp.x", "_grpc._tcp.x", 0, 1);
	assert_int_equal(c->spec->services[0].versions[1].nnames, 0);
	conf_free(c);
}

static void
test_resolver_read(void **state)
{
	struct conf *c = parse_good(TOP REST);
	const struct resolver_settings *r = &c->settings.resolver;

	(void)state;
	assert_int_equal(r->nservers, 0);
	assert_int_equal(r->timeout_ms, 1000);
	assert_int_equal(r->tries, 3);
	assert_int_equal(r->family, DNS_FAMILY_BOTH);
	assert_int_equal(r->min_ttl_ms, 1000);
	assert_int_equal(r->max_ttl_ms, 300000);
	assert_int_equal(r->backoff_ms, 1000);
	assert_int_equal(r->max_backoff_ms, 30000);
	assert_int_equal(r->empty_ms, DNS_EMPTY_KEPT);
	conf_free(c);
	c = parse_good(RESOLVER(
	    "servers: [10.0.0.2, 10.0.0.3:5353, \"fd00::2\", \"[::1]:54\"], "
	    "timeout: 300ms, tries: 1, family: ipv6, min_ttl: 5s, max_ttl: "
	    "5s, backoff: 100ms, max_backoff: 1d, empty: 30s"));
	r = &c->settings.resolver;
	assert_int_equal(r->nservers, 4);
	assert_string_equal(r->servers[0].text, "10.0.0.2:53");
	assert_string_equal(r->servers[1].text, "10.0.0.3:5353");
	assert_string_equal(r->servers[2].text, "[fd00::2]:53");
	assert_int_equal(address_port(&r->servers[3]), 54);
	assert_int_equal(r->family, DNS_FAMILY_IPV6);
	assert_int_equal(r->empty_ms, 30000);
	conf_free(c);
	/* one end of a range moves the other one */
	c = parse_good(RESOLVER("min_ttl: 10m, max_backoff: 500ms"));
	assert_int_equal(c->settings.resolver.max_ttl_ms, 600000);
	assert_int_equal(c->settings.resolver.backoff_ms, 500);
	conf_free(c);
}

static const struct row names[] = {
    {PODS("app.internal, 'srv:', srv:10.0.0.1, 'srv:a b', _a..b, "
	  "srv:a.b:80"),
	"4:28: " WANT_NAME "\"app.internal\"\n"
	"4:42: " WANT_NAME "\"srv:\"\n"
	"4:50: " WANT_NAME "\"srv:10.0.0.1\"\n"
	"4:64: " WANT_NAME "\"srv:a b\"\n"
	"4:75: " WANT_NAME "\"_a..b\"\n"
	"4:82: " WANT_NAME "\"srv:a.b:80\"\n"},
    {PODS("app.internal:0, app.internal:65536, app.internal:http, 'app:'"),
	"4:28: " WANT_PORT "\"app.internal:0\"\n"
	"4:44: " WANT_PORT "\"app.internal:65536\"\n"
	"4:64: " WANT_PORT "\"app.internal:http\"\n"
	"4:83: " WANT_PORT "\"app:\"\n"},
    /* rather addresses than names */
    {PODS("300.1.1.1:80, 10.0.0.1, 1.2.3:80, a..b:80, .a:80, -:0x50, "
	  "http://app:80/, \"*.app:80\", " LABEL63 "x:80, 'bücher.de:80'"),
	"4:28: " WANT_POD "\"300.1.1.1:80\"\n"
	"4:42: " WANT_POD "\"10.0.0.1\"\n"
	"4:52: " WANT_POD "\"1.2.3:80\"\n"
	"4:62: " WANT_POD "\"a..b:80\"\n"
	"4:71: " WANT_POD "\".a:80\"\n"
	"4:78: " WANT_PORT "\"-:0x50\"\n"
	"4:86: " WANT_POD "\"http://app:80/\"\n"
	"4:102: " WANT_POD "\"*.app:80\"\n"
	"4:114: " WANT_POD
	"\"abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuv...\"\n"
	"4:183: " WANT_POD "\"bücher.de:80\"\n"},
    {PODS("localhost:80, a.LocalHost.:80, srv:localhost, mylocalhost:80"),
	"4:28: " NO_LOCALHOST "\"localhost:80\"\n"
	"4:42: " NO_LOCALHOST "\"a.LocalHost.:80\"\n"
	"4:59: " NO_LOCALHOST "\"srv:localhost\"\n"},
    {PODS("a.b:80, 10.0.0.1:80, {address: A.b:80, weight: 2}, a.b:81, "
	  "a.b, a.b:80"),
	"4:59: duplicate name \"A.b:80\", first on line 4\n"
	"4:87: " WANT_NAME "\"a.b\"\n"
	"4:92: duplicate name \"a.b:80\", first on line 4\n"},
    {PODS("a.b:80], protocol: h1}, v3: {pods: [a.b:80"), ""},
    {PODS("{address: srv:a.b, weight: 1}, {address: a.b:80, weight: 0}"),
	"4:47: \"weight\" is of no use with SRV records, which have weights "
	"of their own\n"
	"4:85: expected an integer from 1 to 1000, found \"0\"\n"},
    {PODS("{weight: 1, adress: a.b:80}"),
	"4:40: unknown key \"adress\", did you mean \"address\"?\n"},
};

static const struct row resolver[] = {
    {TOP "resolver: 10.0.0.2\n" REST,
	"2:11: expected a map with the keys " RESOLVER_KEYS
	", found a string\n"},
    {RESOLVER("nameservers: []"),
	"2:12: unknown key \"nameservers\", known: " RESOLVER_KEYS "\n"},
    {RESOLVER("servers: []"), "2:21: expected 1 to 16 name servers, found 0\n"},
    {RESOLVER("servers: 10.0.0.2"),
	"2:21: expected a list of 1 to 16 name servers, found a string\n"},
    {RESOLVER("servers: [dns.google, 10.0.0.2:0, 10.0.0, unix:/x, [], "
	      "10.0.0.2, '::1:53x', '']"),
	"2:22: " WANT_SERVER "\"dns.google\"\n"
	"2:34: " WANT_SERVER "\"10.0.0.2:0\"\n"
	"2:46: " WANT_SERVER "\"10.0.0\"\n"
	"2:54: " WANT_SERVER "\"unix:/x\"\n"
	"2:63: " WANT_SERVER "a list\n"
	"2:77: " WANT_SERVER "\"::1:53x\"\n"
	"2:88: " WANT_SERVER "\"\"\n"},
    {RESOLVER("timeout: 0s, tries: 0, family: ipv5, min_ttl: 99ms"),
	"2:21: expected a duration from 1ms to 1m, found \"0s\"\n"
	"2:32: expected an integer from 1 to 10, found \"0\"\n"
	"2:43: expected one of both, ipv4, ipv6, found \"ipv5\"\n"
	"2:58: expected a duration from 100ms to 1d, found \"99ms\"\n"},
    {RESOLVER("min_ttl: 10s, max_ttl: 9s, backoff: 3s, max_backoff: 2s"),
	"2:35: expected at least what \"min_ttl\" says, found \"9s\"\n"
	"2:65: expected at least what \"backoff\" says, found \"2s\"\n"},
    {RESOLVER("empty: drop"),
	"2:19: expected keep, or a duration from 0s to 1d, found \"drop\"\n"},
    {RESOLVER("empty: 25h"),
	"2:19: expected keep, or a duration from 0s to 1d, found \"25h\"\n"},
    {RESOLVER(""), ""},
};

TABLE_TEST(names)
TABLE_TEST(resolver)

/* A name may become 1000 pods. */
static void
test_room(void **state)
{
	char *text = NULL, *lines;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	struct conf_errors errors;

	(void)state;
	assert_non_null(out);
	fprintf(out, TOP "services: {s: {versions: {v: {pods: [1.1.1.1:1");
	for (unsigned i = 0; i < 1000; i++)
		fprintf(out, ", n%u:80", i);
	fprintf(out, "]}}}}\n");
	fclose(out);
	assert_null(conf_parse("f", text, size, &errors));
	lines = join(&errors);
	assert_string_equal(lines,
	    "2:37: expected at most 1000000 pods, found 1000001, 1000 of "
	    "them for each name\n");
	conf_errors_free(&errors);
	free(lines);
	free(text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_names_read),
	    cmocka_unit_test(test_resolver_read),
	    cmocka_unit_test(test_names),
	    cmocka_unit_test(test_resolver),
	    cmocka_unit_test(test_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
