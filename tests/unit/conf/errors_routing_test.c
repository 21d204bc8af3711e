/* Every error of routes and rules as a table: the text, and its lines. */
#include "tests/unit/conf/error_rows.h"

/* clang-format off */
static const struct row routes[] = {
    {SHOP "    routes: [{host: a.b, path: /}, {path: {exact: /x}}, {}]\n", ""},
    {SHOP "    routes: [{host: \"[::1]\"}, {host: A_b.example.com}]\n", ""},
    {SHOP "    routes: []\n", "5:13: expected at least one route\n"},
    {SHOP "    routes: {host: a}\n",
	"5:13: expected a list of routes, found a map\n"},
    {SHOP "    routes: [/]\n",
	"5:14: expected a map with the keys host, path, method, rewrite, "
	"redirect, request_headers, response_headers, found a string\n"},
    {SHOP "    routes: [{host: \"*\"}, {host: a.*}, {host: \"a:80\"}, "
	  "{host: a..b}, {host: \"*.*.b\"}, {host: \"\"}]\n",
	"5:21: expected a host such as shop.example.com or *.example.com, "
	"found \"*\"\n"
	"5:34: expected a host such as shop.example.com or *.example.com, "
	"found \"a.*\"\n"
	"5:47: expected a host such as shop.example.com or *.example.com, "
	"found \"a:80\"\n"
	"5:63: expected a host such as shop.example.com or *.example.com, "
	"found \"a..b\"\n"
	"5:77: expected a host such as shop.example.com or *.example.com, "
	"found \"*.*.b\"\n"
	"5:94: expected a host such as shop.example.com or *.example.com, "
	"found \"\"\n"},
    {SHOP "    routes: [{path: cart}, {path: {exact: \"/a b\"}}, "
	  "{path: \"/a?b\"}]\n",
	"5:21: expected a path that begins with /, found \"cart\"\n"
	"5:43: expected a path that begins with /, found \"/a b\"\n"
	"5:60: expected a path that begins with /, found \"/a?b\"\n"},
    {SHOP "    routes: [{path: {regex: \"(a\"}}]\n",
	"5:29: missing closing parenthesis at offset 2\n"},
    {SHOP "    routes: [{path: {exact: /a, prefix: /b}}, {path: {}}]\n",
	"5:21: expected exactly one of prefix, exact, regex, found 2\n"
	"5:54: expected exactly one of prefix, exact, regex, found 0\n"},
    {SHOP "    routes: [{path: {prefx: /a}}, {path: [/a]}]\n",
	"5:22: unknown key \"prefx\", did you mean \"prefix\"?\n"
	"5:42: expected a path that begins with /, or a map with one of "
	"prefix, exact, regex, found a list\n"},
    {SHOP "    routes: [{path: /a}, {path: /a/}]\n", ""},
    {SHOP "    routes: [{host: A.b, path: /a}]\n"
	  "  b:\n    versions: {v: {pods: []}}\n"
	  "    routes: [{path: /a}, {host: a.B, path: /a/}]\n",
	"8:26: the same host and path lead to service \"shop\" already, on "
	"line 5\n"},
    {SHOP "    routes: [{path: {exact: /a}}]\n"
	  "  b:\n    versions: {v: {pods: []}}\n"
	  "    routes: [{path: /a}]\n", ""},
    {SHOP "  b:\n    versions: {v: {pods: []}}\n",
	"5:3: the same host and path lead to service \"shop\" already, on "
	"line 3\n"},
    {SHOP "  b:\n    versions: {v: {pods: []}}\n    routes: [{path: /}]\n",
	"7:14: the same host and path lead to service \"shop\" already, on "
	"line 3\n"},
};

/* eleven times */
#define REPEAT(x) x x x x x x x x x x x

static const struct row route_actions[] = {
    {SHOP "    routes:\n"
	  "      - {path: /a, method: GET, rewrite: {prefix: \"\"}}\n"
	  "      - {path: /b, method: [PUT, M-SEARCH], rewrite: {path: /c,\n"
	  "         host: \"[::1]:80\"}}\n"
	  "      - {redirect: {port: 1}, response_headers: {set: {A: \"\"}}}\n"
	  "      - {path: {exact: /}, redirect: {path: /x, status: 308}}\n",
	""},
    {SHOP "    routes: [{method: get}, {method: []}, {method: [G T, {}]}]\n",
	"5:23: expected a method such as GET, in upper case, or a list of "
	"methods, found \"get\"\n"
	"5:38: expected at least one method\n"
	"5:53: expected a method such as GET, in upper case, found \"G T\"\n"
	"5:58: expected a method such as GET, in upper case, found a map\n"},
    {SHOP "    routes: [{path: /a, method: [GET, PUT]}, {path: /a}]\n"
	  "  b:\n    versions: {v: {pods: []}}\n"
	  "    routes: [{path: /a, method: POST},\n"
	  "      {path: /a/, method: [HEAD, PUT]}]\n",
	"9:7: the same host, path and method PUT lead to service \"shop\" "
	"already, on line 5\n"},
    {SHOP "    routes: [{rewrite: {}}, {rewrite: /x}, {redirect: {}},\n"
	  "      {redirect: {status: 301}}, {request_headers: {}}]\n",
	"5:24: expected one of prefix, path and host\n"
	"5:39: expected a map with the keys prefix, path, host, found a "
	"string\n"
	"5:55: expected one of scheme, host, port, prefix and path\n"
	"6:18: expected one of scheme, host, port, prefix and path\n"
	"6:52: expected one of set, add and remove\n"},
    {SHOP "    routes:\n"
	  "      - {rewrite: {prefix: /a, path: /b}}\n"
	  "      - {path: {exact: /x}, rewrite: {prefix: /a}}\n"
	  "      - {path: {regex: x}, redirect: {prefix: /a}}\n"
	  "      - {rewrite: {path: x}}\n"
	  "      - {rewrite: {path: \"\"}}\n"
	  "      - {rewrite: {prefix: /a?b}}\n"
	  "      - {rewrite: {host: \"*.a\"}}\n"
	  "      - {rewrite: {host: \"a:0\"}}\n"
	  "      - {rewrite: {host: a}, redirect: {host: b}}\n"
	  "      - {redirect: {host: \"a:1\"}}\n"
	  "      - {redirect: {scheme: ftp}}\n"
	  "      - {redirect: {port: 65536}}\n"
	  "      - {redirect: {path: /, status: 300}}\n",
	"6:20: expected one of prefix and path, found both\n"
	"7:39: the path of this route is no prefix\n"
	"8:39: the path of this route is no prefix\n"
	"9:26: expected a path that begins with /, found \"x\"\n"
	"10:26: expected a path that begins with /, found \"\"\n"
	"11:28: expected a path that begins with /, or \"\", found "
	"\"/a?b\"\n"
	"12:26: expected a host such as shop.example.com, perhaps with a "
	"port, found \"*.a\"\n"
	"13:26: expected a host such as shop.example.com, perhaps with a "
	"port, found \"a:0\"\n"
	"14:30: expected one of rewrite and redirect, found both\n"
	"15:27: expected a host such as shop.example.com, found \"a:1\"\n"
	"16:29: expected http or https, found \"ftp\"\n"
	"17:27: expected an integer from 1 to 65535, found \"65536\"\n"
	"18:38: expected one of 301, 302, 303, 307, 308, found \"300\"\n"},
    {SHOP "    routes:\n"
	  "      - request_headers:\n"
	  "          set: {Content-Length: 1, transfer-encoding: x, Host: a}\n"
	  "          add: {X A: 1, \"\": 1, X-A: \"a\\nb\", X-B: \" a\"}\n"
	  "          remove: [Connection, Upgrade, TE, Trailer, Keep-Alive,\n"
	  "            Proxy-Connection]\n"
	  "      - response_headers: {set: {X-A: 1}, add: {x-a: 1},\n"
	  "          remove: [X-B, x-b]}\n"
	  "      - response_headers: {set: [X-A], remove: X-A, sett: {}}\n",
	"7:17: header \"Content-Length\" is the proxy's own to write\n"
	"7:36: header \"transfer-encoding\" is the proxy's own to write\n"
	"7:58: header \"Host\" is the proxy's own to write, see "
	"rewrite.host\n"
	"8:17: expected the name of a header, found \"X A\"\n"
	"8:25: expected the name of a header, found \"\"\n"
	"8:37: expected the value of a header, without control characters "
	"and white space around it, found \"a\\x0ab\"\n"
	"8:50: expected the value of a header, without control characters "
	"and white space around it, found \" a\"\n"
	"9:20: header \"Connection\" is the proxy's own to write\n"
	"9:32: header \"Upgrade\" is the proxy's own to write\n"
	"9:41: header \"TE\" is the proxy's own to write\n"
	"9:45: header \"Trailer\" is the proxy's own to write\n"
	"9:54: header \"Keep-Alive\" is the proxy's own to write\n"
	"10:13: header \"Proxy-Connection\" is the proxy's own to write\n"
	"11:49: header \"x-a\" is named twice\n"
	"12:25: header \"x-b\" is named twice\n"
	"13:33: expected a map from header names to values, found a list\n"
	"13:48: expected a list of header names, found a string\n"
	"13:53: unknown key \"sett\", did you mean \"set\"?\n"},
    {SHOP "    routes: [{request_headers: {set: {A: " REPEAT(REPEAT(
	"12345678")) "}}}]\n",
	""},
    {SHOP "    routes: [{request_headers: {set: {A: " REPEAT(REPEAT(
	"12345678")) REPEAT("12345") "}}}]\n",
	"5:32: expected at most 1024 bytes of headers, found 1028\n"},
    {SHOP "    routes: [{response_headers: {remove: [a1, a2, a3, a4, a5, a6,\n"
	  "      a7, a8, a9, b1, b2, b3, b4, b5, b6, b7, b8, b9, c1, c2, c3,\n"
	  "      c4, c5, c6, c7, c8, c9, d1, d2, d3, d4, d5, d6]}}]\n",
	"5:33: expected at most 32 headers, found 33\n"},
};

static const struct row rules[] = {
    {SHOP "    rules: []\n", ""},
    {SHOP "    rules: {match: 1}\n",
	"5:12: expected a list of rules, found a map\n"},
    {SHOP "    rules: [{}]\n",
	"5:13: missing key \"match\"\n"
	"5:13: missing key \"version\" or \"weights\"\n"},
    {SHOP "    rules: [a]\n",
	"5:13: expected a map with the keys match, version, weights, "
	"empty, found a string\n"},
    {SHOP "    rules: [{match: {}, version: v2}]\n",
	"5:21: expected at least one test\n"},
    {SHOP "    rules: [{match: all, version: v2}]\n",
	"5:21: expected a map of tests, or a list of such maps, found a "
	"string\n"},
    {SHOP "    rules: [{match: [], version: v2}]\n",
	"5:21: expected at least one map of tests\n"},
    {SHOP "    rules: [{match: [{}], version: v2}]\n",
	"5:22: expected at least one test\n"},
    {SHOP "    rules: [{match: [{path: /}, all], version: v2}]\n",
	"5:33: expected a map with the keys header, cookie, query, method, "
	"path, client, user_agent, found a string\n"},
    {SHOP "    rules: [{match: {query: {a: b, \"\": c}}, version: v2}]\n",
	"5:36: expected the name of a query parameter, found \"\"\n"},
    {SHOP "    rules: [{match: {query: []}, version: v2}]\n",
	"5:29: expected a map from parameter names to values, found a "
	"list\n"},
    {SHOP "    rules: [{match: {query: {}}, version: v2}]\n",
	"5:29: expected at least one query parameter\n"},
    {SHOP "    rules: [{match: {header: {}}, version: v2}]\n",
	"5:30: expected at least one header\n"},
    {SHOP "    rules: [{match: {header: {\"X Y\": a}, cookie: {\"a;b\": "
	  "c}}, version: v2}]\n",
	"5:31: expected the name of a header, found \"X Y\"\n"
	"5:51: expected the name of a cookie, found \"a;b\"\n"},
    {SHOP "    rules: [{match: {cookie: {a: }}, version: }]\n",
	"5:34: expected a string, a list, or a map with one of exact, "
	"prefix, contains, regex, present, not, found nothing\n"
	"5:47: expected the name of a version, found nothing\n"},
    {SHOP "    rules: [{match: {cookie: {a: b}}, version: v9}]\n",
	"5:48: unknown version \"v9\", did you mean \"v1\"? known: v1, v2\n"},
    {SHOP "    rules: [{match: {header: {X: {exact: a, prefix: b}}}, "
	  "version: v2}]\n",
	"5:34: expected exactly one of exact, prefix, contains, regex, "
	"present, not, found 2\n"},
    {SHOP "    rules: [{match: {header: {X: {present: false}, Y: {regex: "
	  "\"[\"}, Z: {contains: \"\"}, W: {exact: \"\"}}}, version: v2}]\n",
	"5:63: missing terminating ] for character class at offset 1\n"
	"5:83: expected at least one character\n"},
    {SHOP "    rules: [{match: {header: {X: {present: maybe}, Y: {not: "
	  "{regex: \"[\"}}}}, version: v2}]\n",
	"5:44: expected true or false, found \"maybe\"\n"
	"5:69: missing terminating ] for character class at offset 1\n"},
    {SHOP "    rules: [{match: {header: {X: {not: }, Y: {not: []}, Z: "
	  "[]}}, version: v2}]\n",
	"5:40: expected a string, a list, or a map with one of exact, "
	"prefix, contains, regex, present, not, found nothing\n"
	"5:52: expected at least one value\n"
	"5:60: expected at least one value\n"},
    {SHOP "    rules: [{match: {header: {X: [a, [b], {not: c}, {present: "
	  "true}, {suffix: d}]}}, version: v2}]\n",
	"5:38: expected a string or a map with one of exact, prefix, "
	"contains, regex, found a list\n"
	"5:44: \"not\" cannot stand in a list of values\n"
	"5:54: \"present\" cannot stand in a list of values\n"
	"5:71: unknown key \"suffix\", known: exact, prefix, contains, "
	"regex, present, not\n"},
    {SHOP "    rules: [{match: {header: {X: {not: {not: [a, {regex: "
	  "b}]}}}}, version: v2}]\n",
	""},
    {SHOP "    rules: [{match: {method: get}, version: v2}]\n",
	"5:30: expected a method in capitals such as GET, found \"get\"\n"},
    {SHOP "    rules: [{match: {method: [GET, \"P T\", {prefix: p}]}, "
	  "version: v2}]\n",
	"5:36: expected a method in capitals such as GET, found \"P T\"\n"},
    {SHOP "    rules: [{match: {method: {}}, version: v2}]\n",
	"5:30: expected exactly one of exact, prefix, contains, regex, "
	"present, not, found 0\n"},
    {SHOP "    rules: [{match: {path: cart}, version: v2}]\n",
	"5:28: expected a path that begins with /, without query, found "
	"\"cart\"\n"},
    {SHOP "    rules: [{match: {path: {prefix: \"/a?b\"}}, version: v2}]\n",
	"5:37: expected a path that begins with /, without query, found "
	"\"/a?b\"\n"},
    {SHOP "    rules: [{match: {path: {regex: cart}, user_agent: "
	  "{contains: bot}}, version: v2}]\n",
	""},
    {SHOP "    rules: [{match: {user_agent: {regexp: a}}, version: v2}]\n",
	"5:35: unknown key \"regexp\", did you mean \"regex\"?\n"},
    {SHOP "    rules: [{match: {client: localhost}, version: v2}]\n",
	"5:30: expected an address or block such as 10.1.2.3, 10.0.0.0/8 "
	"or fd00::/8, no bit set after its prefix, found \"localhost\"\n"},
    {SHOP "    rules: [{match: {client: [10.0.0.1/8, {not: \"::1\"}]}, "
	  "version: v2}]\n",
	"5:31: expected an address or block such as 10.1.2.3, 10.0.0.0/8 "
	"or fd00::/8, no bit set after its prefix, found \"10.0.0.1/8\"\n"
	"5:43: expected an address or block such as 10.1.2.3, 10.0.0.0/8 "
	"or fd00::/8, no bit set after its prefix, found a map\n"},
    {SHOP "    rules: [{match: {client: {not: []}}, version: v2}]\n",
	"5:36: expected at least one address\n"},
    {SHOP "    rules: [{match: {client: {}}, version: v2}]\n",
	"5:30: missing key \"not\"\n"},
    {SHOP "    rules: [{match: {client: {without: 10.0.0.1}}, version: "
	  "v2}]\n",
	"5:31: unknown key \"without\", known: not\n"},
    {SHOP "    rules: [{match: {client: }, version: v2}]\n",
	"5:30: expected an address or block such as 10.1.2.3, 10.0.0.0/8 "
	"or fd00::/8, no bit set after its prefix, found nothing\n"},
    {SHOP "    rules: [{match: {path: /}, weights: {v1: 1, v9: 2, v2: "
	  "x}}]\n",
	"5:49: unknown version \"v9\", did you mean \"v1\"? known: v1, v2\n"
	"5:60: expected a weight of 0 or more such as 80 or 0.01, found "
	"\"x\"\n"},
    {SHOP "    rules: [{match: {path: /}, weights: {v1: 0}}]\n",
	"5:41: weights add up to 0: at least one version needs a weight "
	"above 0\n"},
    {SHOP "    rules: [{match: {path: /}, weights: v1}]\n",
	"5:41: expected a map from versions to weights, found a string\n"},
    {SHOP "    rules: [{match: {path: /}, weights: {}}]\n",
	"5:41: weights add up to 0: at least one version needs a weight "
	"above 0\n"},
    {SHOP "    rules: [{match: {path: /}, weights: {v1: 1}, version: v1}]\n",
	"5:32: expected either \"version\" or \"weights\", found both\n"},
    {SHOP "    rules: [{match: {path: /}, empty: 503}]\n",
	"5:13: missing key \"version\" or \"weights\"\n"},
    {SHOP "    rules: [{match: {path: /}, version: v1, empty: 404}]\n",
	"5:52: expected one of 503, stable, found \"404\"\n"},
    {SHOP "    rules: [{match: {path: /}, version: v1, empty: stable}]\n",
	""},
    {SHOP "    rules: [{match: {path: /}, weights: {v1: 1000000, v2: "
	  "0.01}}]\n",
	"5:41: weight 0.01 is too small a part of their sum 1000000.01: "
	"the smallest share above 0 is 1/1000000\n"},
    {SHOP "    rules: [{match: {headers: {X: a}}, vresion: v2}]\n",
	"5:22: unknown key \"headers\", did you mean \"header\"?\n"
	"5:40: unknown key \"vresion\", did you mean \"version\"?\n"},
};
/* clang-format on */

TABLE_TEST(routes)
TABLE_TEST(route_actions)
TABLE_TEST(rules)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_routes),
	    cmocka_unit_test(test_route_actions),
	    cmocka_unit_test(test_rules),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
