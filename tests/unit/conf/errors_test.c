/* Every error of a config as a table: the text, and its lines, exactly. */
#include "tests/unit/conf/error_rows.h"

/* clang-format off */
static const struct row whole_file[] = {
    {SHOP, ""},
    {TOP REST, ""},
    {"\xef\xbb\xbf" TOP REST, ""},
    {"", "1:1: the file is empty, expected a map with at least the keys "
	 "listen and services\n"},
    {"# only this\n", "1:1: the file is empty, expected a map with at least "
		      "the keys listen and services\n"},
    {"hello", "1:1: expected a map with the keys listen, admin, state, workers, "
	      "timeouts, limits, forward, resolver, access_log, services, found a "
	      "string\n"},
    {"[a]", "1:1: expected a map with the keys listen, admin, state, workers, "
	    "timeouts, limits, forward, resolver, access_log, services, found a "
	    "list\n"},
    {"{}", "1:1: missing key \"listen\"\n1:1: missing key \"services\"\n"},
    {TOP, "1:1: missing key \"services\"\n"},
    {REST, "1:1: missing key \"listen\"\n"},
    {TOP "listne: 1\n" REST,
	"2:1: unknown key \"listne\", did you mean \"listen\"?\n"},
    {TOP "backend: 1\n" REST,
	"2:1: unknown key \"backend\", known: listen, admin, state, workers, "
	"timeouts, limits, forward, resolver, access_log, services\n"},
    {TOP "workers: 1\nworkers: 2\n" REST,
	"3:1: duplicate key \"workers\", first on line 2\n"},
    {TOP "services:\n", "2:10: expected a map of services, found nothing\n"},
    {TOP "services: {}\n", "2:11: expected at least one service\n"},
    {TOP "services: [a]\n", "2:11: expected a map of services, found a list\n"},
    {TOP "services: {a b: {versions: {v: {pods: []}}}}\n",
	"2:12: expected a name of 1 to 63 letters, digits, \"_\", \".\" or "
	"\"-\", found \"a b\"\n"},
    {TOP "services: {\"\": {versions: {v: {pods: []}}}}\n",
	"2:12: expected a name of 1 to 63 letters, digits, \"_\", \".\" or "
	"\"-\", found \"\"\n"},
    /* the order of the file, whatever pass found them */
    {"services:\n  a:\n    stable: x\n    versions: {v: {pods: [1]}}\n"
     "    weights: {v: 0}\nlisten: []\nwho: 1\n",
	"3:13: unknown version \"x\", known: v\n"
	"4:27: " WANT_POD "\"1\"\n"
	"5:14: " NO_WEIGHT "\n"
	"6:9: expected at least one listener\n"
	"7:1: unknown key \"who\", known: listen, admin, state, workers, "
	"timeouts, limits, forward, resolver, access_log, services\n"},
};

static const struct row top_keys[] = {
    {"listen: 127.0.0.1:80\n" REST,
	"1:9: expected a list of listeners, found a string\n"},
    {"listen: []\n" REST, "1:9: expected at least one listener\n"},
    {"listen: [127.0.0.1:80]\n" REST,
	"1:10: expected a map with the keys address, proxy_protocol, http2, "
	"redirect, hsts, tls, found a string\n"},
    {"listen: [{}]\n" REST, "1:10: missing key \"address\"\n"},
    {"listen: [{adress: 127.0.0.1:80}]\n" REST,
	"1:11: unknown key \"adress\", did you mean \"address\"?\n"},
    {"listen: [{address: localhost:80}]\n" REST,
	"1:20: " WANT_ADDRESS "\"localhost:80\"\n"},
    {"listen: [{address: 127.0.0.1}]\n" REST,
	"1:20: " WANT_ADDRESS "\"127.0.0.1\"\n"},
    {"listen: [{address: 127.0.0.1:0}]\n" REST,
	"1:20: " WANT_ADDRESS "\"127.0.0.1:0\"\n"},
    {"listen: [{address: }]\n" REST,
	"1:20: " WANT_ADDRESS "nothing\n"},
    {"listen: [{address: [1]}]\n" REST,
	"1:20: " WANT_ADDRESS "a list\n"},
    {"listen:\n- address: 127.0.0.1:80\n- address: \"[::1]:80\"\n"
     "- address: 127.0.0.1:80\n" REST,
	"4:12: duplicate address \"127.0.0.1:80\", first on line 2\n"},
    {TOP "admin: {address: 127.0.0.1:80}\n" REST,
	"2:18: \"127.0.0.1:80\" is a listener already, on line 1\n"},
    {TOP "admin: {address: 9900, socket: \"\"}\n" REST,
	"2:18: expected an address such as 127.0.0.1:9900 or [::1]:9900, "
	"found \"9900\"\n"
	"2:32: expected a path of 1 to 107 bytes, found 0\n"},
    {TOP "admin: {port: 1}\n" REST,
	"2:9: unknown key \"port\", known: socket, address\n"},
    {TOP "admin: here\n" REST,
	"2:8: expected a map with the keys socket, address, found a string\n"},
    {"listen: [{address: 127.0.0.1:80, proxy_protocol: v2}]\n" REST,
	"1:50: expected true or false, found \"v2\"\n"},
    {"listen: [{proxy_protocol: true}]\n" REST,
	"1:10: missing key \"address\"\n"},
    {TOP "state: /var/lib/shunt.db\n" REST, ""},
    {TOP "state: \"\"\n" REST, "2:8: expected a path, found \"\"\n"},
    {TOP "state: /var/lib/\n" REST,
	"2:8: expected a path, found \"/var/lib/\"\n"},
    {TOP "state: {path: x}\n" REST, "2:8: expected a path, found a map\n"},
    {TOP "access_log: {path: \"-\", format: combined}\n" REST, ""},
    {TOP "access_log: {path: /var/log/shunt.log}\n" REST, ""},
    {TOP "access_log: {}\n" REST, "2:13: missing key \"path\"\n"},
    {TOP "access_log: \"-\"\n" REST,
	"2:13: expected a map with the keys path, format, found a string\n"},
    {TOP "access_log: {path: \"\", format: xml}\n" REST,
	"2:20: expected a path, or \"-\" for the standard output, found "
	"\"\"\n"
	"2:32: expected one of json, combined, found \"xml\"\n"},
    {TOP "workers: auto\n" REST, ""},
    {TOP "workers: 256\n" REST, ""},
    {TOP "workers: 0\n" REST,
	"2:10: expected auto or an integer from 1 to 256, found \"0\"\n"},
    {TOP "workers: 257\n" REST,
	"2:10: expected auto or an integer from 1 to 256, found \"257\"\n"},
    {TOP "workers: {n: 1}\n" REST,
	"2:10: expected auto or an integer from 1 to 256, found a map\n"},
    {TOP "timeouts: {header: 0s, idle: 10, connect: soon, drain: 0s, "
	 "body: 25h}\n" REST,
	"2:20: expected a duration from 1ms to 1d, found \"0s\"\n"
	"2:30: expected a duration such as 500ms, 10s, 5m or 1h, found "
	"\"10\"\n"
	"2:43: expected a duration such as 500ms, 10s, 5m or 1h, found "
	"\"soon\"\n"
	"2:66: expected a duration from 1ms to 1d, found \"25h\"\n"},
    {TOP "timeouts: {response: [1s]}\n" REST,
	"2:22: expected a duration from 1ms to 1d, found a list\n"},
    {TOP "limits: {connections: 0, header_bytes: 1023, header_count: 1001, "
	 "body_bytes: -1}\n" REST,
	"2:23: expected an integer from 1 to 1000000, found \"0\"\n"
	"2:40: expected a size from 1KiB to 1MiB, found \"1023\"\n"
	"2:60: expected an integer from 1 to 1000, found \"1001\"\n"
	"2:78: expected a size such as 64KiB, 1MiB or 10GiB, found \"-1\"\n"},
    {TOP "forward: {x_forwarded: on, via: yes, trusted: 10.0.0.0/8}\n" REST,
	"2:24: expected one of append, replace, off, found \"on\"\n"
	"2:33: expected true or false, found \"yes\"\n"
	"2:47: expected a list of addresses or blocks such as 10.0.0.0/8, "
	"found a string\n"},
    {TOP "forward: {trusted: [10.0.0.0/8, 10.0.0.1/8, 10.0.0.0/33, fd00::/8, "
	 "x, \"::1/\"]}\n" REST,
	"2:33: expected an address or block such as 10.1.2.3, 10.0.0.0/8 or "
	"fd00::/8, no bit set after its prefix, found \"10.0.0.1/8\"\n"
	"2:45: expected an address or block such as 10.1.2.3, 10.0.0.0/8 or "
	"fd00::/8, no bit set after its prefix, found \"10.0.0.0/33\"\n"
	"2:68: expected an address or block such as 10.1.2.3, 10.0.0.0/8 or "
	"fd00::/8, no bit set after its prefix, found \"x\"\n"
	"2:71: expected an address or block such as 10.1.2.3, 10.0.0.0/8 or "
	"fd00::/8, no bit set after its prefix, found \"::1/\"\n"},
};

static const struct row versions[] = {
    {TOP "services: {s: {}}\n", "2:15: missing key \"versions\"\n"},
    {TOP "services: {s: }\n",
	"2:15: expected a map with the keys routes, versions, protocol, tls, "
	"stable, weights, rules, cohort, sticky, balance, health, outlier, panic, "
	"slow_start, ramp, errors, retry, limits, mirror, empty, release, found nothing\n"},
    {TOP "services: {s: {versions: {}}}\n",
	"2:26: expected 1 to 255 versions, found 0\n"},
    {TOP "services: {s: {versions: [v1]}}\n",
	"2:26: expected a map of versions, found a list\n"},
    {TOP "services: {s: {versions: {v1: }}}\n",
	"2:31: expected a map with the key pods or launch, found nothing\n"},
    {TOP "services: {s: {versions: {v1: ~, v2: a, v3: []}}}\n",
	"2:31: expected a map with the key pods or launch, found nothing\n"
	"2:38: expected a map with the key pods or launch, found a string\n"
	"2:45: expected a map with the key pods or launch, found a list\n"},
    {TOP "services: {s: {versions: {v/1: {pods: []}}}}\n",
	"2:27: expected a name of 1 to 63 letters, digits, \"_\", \".\" or "
	"\"-\", found \"v/1\"\n"},
    {TOP "services: {s: {versions: {v1: {}}}}\n",
	"2:31: missing key \"pods\" or \"launch\"\n"},
    {TOP "services: {s: {versions: {v1: {pods: 127.0.0.1:1}}}}\n",
	"2:38: expected a list of addresses, found a string\n"},
    {TOP "services: {s: {versions: {v1: {pods: [127.0.0.1:1, a, "
	 "127.0.0.1:1, [b], 127.0.0.1:2, 127.0.0.1:1]}}}}\n",
	"2:52: expected a name and a port such as app.internal:8080, or one "
	"that SRV records are asked of, such as srv:app.internal or "
	"_http._tcp.app.internal, found \"a\"\n"
	"2:55: duplicate address \"127.0.0.1:1\", first on line 2\n"
	"2:68: " WANT_POD "a list\n"
	"2:86: duplicate address \"127.0.0.1:1\", first on line 2\n"},
    {TOP "services: {s: {versions: {v1: {pods: [127.0.0.1:1, "
	 "{address: 127.0.0.1:1, weight: 3}]}}}}\n",
	"2:52: duplicate address \"127.0.0.1:1\", first on line 2\n"},
    {TOP "services: {s: {versions: {v1: {pods: [0.0.0.0:80, '[::]:80', "
	 "{address: 224.0.0.1:80}, 255.255.255.255:1, 10.0.0.1:0]}}}}\n",
	"2:39: expected an address of one machine, not the unspecified one, "
	"found \"0.0.0.0:80\"\n"
	"2:51: expected an address of one machine, not the unspecified one, "
	"found \"[::]:80\"\n"
	"2:72: expected an address of one machine, not one of multicast, "
	"found \"224.0.0.1:80\"\n"
	"2:87: expected an address of one machine, not that of broadcast, "
	"found \"255.255.255.255:1\"\n"
	"2:106: " WANT_POD "\"10.0.0.1:0\"\n"},
    {TOP "services: {s: {versions: {v1: {pods: [{weight: 3}]}}}}\n",
	"2:39: missing key \"address\"\n"},
    {TOP "services: {s: {versions: {v1: {pods: [{address: 127.0.0.1:1, "
	 "weight: 0}, {address: 127.0.0.1:2, weight: 1001}]}}}}\n",
	"2:70: expected an integer from 1 to 1000, found \"0\"\n"
	"2:105: expected an integer from 1 to 1000, found \"1001\"\n"},
    {TOP "services: {s: {versions: {v1: {pods: [127.0.0.1:1]}, "
	 "v2: {pods: [127.0.0.1:1]}}}}\n", ""},
    {SHOP "    stable: v2\n", ""},
    {SHOP "    stable: v3\n",
	"5:13: unknown version \"v3\", did you mean \"v1\"? known: v1, v2\n"},
    {SHOP "    stable: canary\n",
	"5:13: unknown version \"canary\", known: v1, v2\n"},
    {SHOP "    stable: [v1]\n",
	"5:13: expected the name of a version, found a list\n"},
    {SHOP "    weights: {v1: 80, v2: 20}\n", ""},
    {SHOP "    weights: {v1: -1, v2: 0.00001, v3: 1000001}\n",
	"5:19: expected a weight of 0 or more such as 80 or 0.01, found "
	"\"-1\"\n"
	"5:27: expected a weight of 0 or more such as 80 or 0.01, found "
	"\"0.00001\"\n"
	"5:36: unknown version \"v3\", did you mean \"v1\"? known: v1, v2\n"
	"5:40: expected a weight from 0 to 1000000, found \"1000001\"\n"},
    {SHOP "    weights: {v1: 0}\n",
	"5:14: " NO_WEIGHT "\n"},
    {SHOP "    weights: {}\n", "5:14: " NO_WEIGHT "\n"},
    {SHOP "    weights: {v1: 1000000, v2: 0.0001}\n",
	"5:14: weight 0.0001 is too small a part of their sum 1000000.0001: "
	"the smallest share above 0 is 1/1000000\n"},
    {SHOP "    weights: 80/20\n",
	"5:14: expected a map from versions to weights, found a string\n"},
};

static const struct row service_keys[] = {
    {SHOP "    cohort: request\n    balance: random\n    health: {}\n"
	  "    errors: {}\n    retry: {version: same, on: []}\n"
	  "    empty: 503\n", ""},
    {SHOP "    release: {}\n", ""},
    {SHOP "    balance: hash\n",
	"5:14: expected what to hash, as in {hash: client}\n"},
    {SHOP "    balance: {hash: path}\n",
	"5:21: expected client, uri or a map with one of the keys header, "
	"cookie, found \"path\"\n"},
    {SHOP "    balance: {hash: {header: X, cookie: y}}\n",
	"5:21: expected client, uri or a map with one of the keys header, "
	"cookie, found a map\n"},
    {SHOP "    balance: {hash: {heder: X}}\n",
	"5:22: unknown key \"heder\", did you mean \"header\"?\n"},
    {SHOP "    balance: {hash: {cookie: \"a b\"}}\n",
	"5:30: expected the name of a cookie, found \"a b\"\n"},
    {SHOP "    balance: {}\n", "5:14: missing key \"hash\"\n"},
    {SHOP "    balance: least_requests\n",
	"5:14: expected one of round_robin, random, least_request, ewma, "
	"hash, found \"least_requests\"\n"},
    {SHOP "    balance: [random]\n",
	"5:14: expected a balance policy, found a list\n"},
    {SHOP "    health: /healthz\n",
	"5:13: expected a map with the keys type, path, host, method, "
	"headers, port, grpc_service, interval, fast_interval, timeout, "
	"rise, fall, start_period, initial, expect, found a string\n"},
    {SHOP "    health: {path: healthz, interval: 0s, timeout: 0s, rise: 0, "
	  "fall: 0, start_period: 1, initial: down}\n",
	"5:20: expected a path that begins with /, found \"healthz\"\n"
	"5:39: expected a duration from 1ms to 1d, found \"0s\"\n"
	"5:52: expected a duration from 1ms to 1d, found \"0s\"\n"
	"5:62: expected an integer from 1 to 1000, found \"0\"\n"
	"5:71: expected an integer from 1 to 1000, found \"0\"\n"
	"5:88: expected a duration such as 500ms, 10s, 5m or 1h, found "
	"\"1\"\n"
	"5:100: expected one of starting, up, found \"down\"\n"},
    {SHOP "    errors: {status: 500-600, body: x}\n",
	"5:22: expected a status such as 500, or a range such as 500-599, "
	"found \"500-600\"\n"},
    {SHOP "    errors: {body: \"a(b\", header: 500}\n",
	"5:20: missing closing parenthesis at offset 3\n"
	"5:35: expected a map from header names to values, or a list of such "
	"maps, found a string\n"},
    {SHOP "    errors: {body: [x], header: {\"a b\": x, X: {regex: \"(\"}}}"
	  "\n",
	"5:20: expected a Perl-compatible regular expression, found a list\n"
	"5:34: expected the name of a header, found \"a b\"\n"
	"5:55: missing closing parenthesis at offset 1\n"},
    {SHOP "    errors: {body: \"\", header: {}}\n",
	"5:32: expected at least one header\n"},
    {SHOP "    errors: {header: []}\n", "5:22: expected at least one map\n"},
    {SHOP "    errors: {header: [{X: {prefix: e}}, {Y: z}], body: \"^x$\"}\n",
	""},
    {SHOP "    retry: {attempts: 11, on: [connect, timeouts], version: v2, "
	  "budget: 20, body_bytes: 16385KiB}\n",
	"5:23: expected an integer from 0 to 10, found \"11\"\n"
	"5:41: expected connect, reset, timeout or status, found "
	"\"timeouts\"\n"
	"5:61: expected one of same, stable, any, found \"v2\"\n"
	"5:73: " WANT_BUDGET "\"20\"\n"
	"5:89: expected a size from 0 to 16MiB, found \"16385KiB\"\n"},
    {SHOP "    retry: {on: [status, timeout, reset, connect]}\n", ""},
    {SHOP "    retry: {version: any, budget: 0%, body_bytes: 16MiB}\n", ""},
    {SHOP "    retry: {version: stable, budget: 0.01%}\n", ""},
    {SHOP "    retry: {budget: 0.001%}\n",
	"5:21: " WANT_BUDGET "\"0.001%\"\n"},
    {SHOP "    retry: {budget: 100.01%}\n",
	"5:21: " WANT_BUDGET "\"100.01%\"\n"},
    {SHOP "    retry: {budget: -1%}\n", "5:21: " WANT_BUDGET "\"-1%\"\n"},
    {SHOP "    retry: {on: connect}\n",
	"5:17: expected a list of connect, reset, timeout and status, found a string\n"},
    {SHOP "    limits: {}\n", ""},
    {SHOP "    limits: {pending_connects: 1, queue: 1000000,\n"
	  "      queue_timeout: 1d}\n", ""},
    {SHOP "    limits: {version_requests: 1, queue: 1}\n", ""},
    {SHOP "    limits: 5\n",
	"5:13: expected a map with the keys pod_requests, version_requests, "
	"pending_connects, queue, queue_timeout, found a string\n"},
    {SHOP "    limits: {pod_requests: -1, version_requests: 1000001, "
	  "pending_connects: x,\n      queue: 1.5, queue_timeout: 0s}\n",
	"5:28: expected an integer from 0 to 1000000, found \"-1\"\n"
	"5:50: expected an integer from 0 to 1000000, found \"1000001\"\n"
	"5:77: expected an integer from 0 to 1000000, found \"x\"\n"
	"6:14: expected an integer from 0 to 1000000, found \"1.5\"\n"
	"6:34: expected a duration from 1ms to 1d, found \"0s\"\n"},
    {SHOP "    limits: {pod_request: 1}\n",
	"5:14: unknown key \"pod_request\", did you mean \"pod_requests\"?\n"},
    {SHOP "    limits: {queue_timeout: 1s, queue: 5}\n",
	"5:40: expected a limit with the queue: pod_requests, "
	"version_requests or pending_connects\n"},
    {SHOP "    mirror: {version: v2}\n", ""},
    {SHOP "    mirror: {version: v2, share: 0%, body_bytes: 0, limit: 1}\n",
	""},
    {SHOP "    mirror: {version: v3, share: 100.1%, body_bytes: 17MiB, "
	  "limit: 0}\n",
	"5:23: unknown version \"v3\", did you mean \"v1\"? known: v1, v2\n"
	"5:34: expected a percentage from 0% to 100%, found \"100.1%\"\n"
	"5:54: expected a size from 0 to 16MiB, found \"17MiB\"\n"
	"5:68: expected an integer from 1 to 100000, found \"0\"\n"},
    {SHOP "    mirror: {share: 10, versions: v1}\n",
	"5:21: expected a percentage such as 50% or 0.5%, found \"10\"\n"
	"5:25: unknown key \"versions\", did you mean \"version\"?\n"},
    {SHOP "    mirror: {}\n", "5:13: missing key \"version\"\n"},
    {SHOP "    mirror: v2\n",
	"5:13: expected a map with the keys version, share, body_bytes, "
	"limit, found a string\n"},
    {SHOP "    mirror: {version: [v2]}\n",
	"5:23: expected the name of a version, found a list\n"},
    {SHOP "    empty: 500\n",
	"5:12: expected one of 503, stable, found \"500\"\n"},
    /* what is an alias was reported once */
    {SHOP "    stable: *a\n    weights: *b\n    rules: [*c]\n",
	"5:13: aliases are not supported\n"
	"6:14: aliases are not supported\n"
	"7:13: aliases are not supported\n"},
};
/* clang-format on */

TABLE_TEST(whole_file)
TABLE_TEST(top_keys)
TABLE_TEST(versions)
TABLE_TEST(service_keys)

static void
assert_load(const char *path, const char *line)
{
	struct conf_errors errors;

	assert_null(conf_load(path, &errors));
	assert_int_equal(errors.n, 1);
	assert_string_equal(errors.lines[0], line);
	conf_errors_free(&errors);
}

static void
test_files(void **state)
{
	(void)state;
	assert_load("no/such.yaml",
	    "no/such.yaml:1:1: cannot read: No such file or directory");
	assert_load("/", "/:1:1: cannot read: Is a directory");
	assert_load("/dev/null",
	    "/dev/null:1:1: the file is empty, expected a map with at least "
	    "the keys listen and services");
	assert_load(
	    "/dev/zero", "/dev/zero:1:1: the file is larger than 16 MiB");
}

static void
test_too_many_versions(void **state)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	struct conf_errors errors;

	(void)state;
	assert_non_null(out);
	fprintf(out, TOP "services: {s: {versions: {");
	for (unsigned i = 0; i < 256; i++)
		fprintf(out, "v%u: {pods: []}, ", i);
	fprintf(out, "}}}\n");
	fclose(out);
	assert_null(conf_parse("f", text, size, &errors));
	assert_int_equal(errors.n, 1);
	assert_string_equal(
	    errors.lines[0], "f:2:26: expected 1 to 255 versions, found 256");
	conf_errors_free(&errors);
	free(text);
}

/* A message is one line of bounded length whatever was found. */
static void
test_messages_are_lines(void **state)
{
	struct conf_errors errors;
	size_t n = 100000;
	char *text = malloc(n + sizeof TOP);

	(void)state;
	assert_non_null(text);
	memcpy(text, TOP, sizeof TOP - 1);
	memset(text + sizeof TOP - 1, 'k', n);
	memcpy(text + sizeof TOP - 1, "? \"\\n\\t", 7);
	memcpy(text + n - 4, "\"\n: v", 5);
	assert_null(conf_parse("f", text, n + 1, &errors));
	assert_int_equal(errors.n, 1);
	assert_null(strchr(errors.lines[0], '\n'));
	assert_true(strlen(errors.lines[0]) < 400);
	conf_errors_free(&errors);
	free(text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_whole_file),
	    cmocka_unit_test(test_top_keys),
	    cmocka_unit_test(test_versions),
	    cmocka_unit_test(test_service_keys),
	    cmocka_unit_test(test_files),
	    cmocka_unit_test(test_too_many_versions),
	    cmocka_unit_test(test_messages_are_lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
