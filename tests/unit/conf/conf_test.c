/* A good config: every field of the result, and every default. */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "conf/conf.h"
#include "router/balance.h"
#include "router/match.h"
#include "router/route.h"
#include "router/split.h"

static const char everything[] =
    "listen:\n"
    "  - address: 127.0.0.1:8080\n"
    "  - { address: \"[::1]:8081\", proxy_protocol: true, http2: false,\n"
    "      redirect: https:8443 }\n"
    "admin: { socket: /run/admin.sock, address: 127.0.0.1:9900 }\n"
    "workers: 3\n"
    "timeouts: { header: 1s, body: 2s, idle: 3s, connect: 4ms, response: 5m,\n"
    "            tunnel: 30d, drain: 0s }\n"
    "limits: { connections: 7, connections_per_client: 3,\n"
    "          requests_per_connection: 4, uri_bytes: 256,\n"
    "          header_bytes: 1MiB, header_count: 9, body_bytes: 10GiB,\n"
    "          http2: { streams: 1, continuations: 2, resets: 3, settings: 4,\n"
    "                   pings: 5, empty_frames: 6, priorities: 7,\n"
    "                   window_updates: 8 } }\n"
    "forward: { x_forwarded: replace, via: false,\n"
    "           trusted: [10.0.0.0/8, 192.168.1.2, \"fd00::/9\", \"::1\",\n"
    "                     0.0.0.0/0] }\n"
    "access_log: { path: /var/log/shunt.log, format: combined }\n"
    "services:\n"
    "  shop:\n"
    "    routes:\n"
    "      - { host: Shop.Example.com, path: / }\n"
    "      - { host: \"*.shop.example.com\", path: { prefix: /cart } }\n"
    "      - { path: { exact: /shop } }\n"
    "      - { path: { regex: \"^/s[0-9]+$\" } }\n"
    "      - {}\n"
    "    versions:\n"
    "      v1: { pods: [10.0.0.1:8000, 10.0.0.2:8000] }\n"
    "      v2: { pods: [\"[fd00::1]:8000\"] }\n"
    "      v3: { pods: [] }\n"
    "    stable: v2\n"
    "    weights: { v2: 0.01, v1: 79.5 }\n"
    "    rules:\n"
    "      - match: { header: { User-Agent: { regex: Sometimes-Fail },\n"
    "                           X-A: { prefix: a }, X-B: { contains: b } },\n"
    "                 cookie: { release: beta } }\n"
    "        version: v3\n"
    "      - match: { cookie: { debug: { present: true },\n"
    "                           x: { exact: \"y\" } } }\n"
    "        version: v1\n"
    "      - match:\n"
    "          - { query: { q: [a b, { prefix: x }] },\n"
    "              method: { not: [GET, HEAD] } }\n"
    "          - { path: /cart, client: { not: [10.0.0.0/8, \"::1\"] },\n"
    "              user_agent: { contains: Bot } }\n"
    "          - { header: { X-None: { not: { not: { present: false } } },\n"
    "                        X-One: 1 } }\n"
    "        weights: { v3: 0.5, v1: 2 }\n"
    "        empty: stable\n"
    "    balance: round_robin\n"
    "    health: { path: /ready?full=1, interval: 10s, timeout: 2s, rise: 4,\n"
    "              fall: 5, start_period: 1m, initial: up,\n"
    "              expect: { status: 204, body: \"\" } }\n"
    "    errors: { status: 400-499, grpc: [2, 4, 13-15, 16] }\n"
    "    retry: { attempts: 0, on: [reset], version: any,\n"
    "             budget: 12.34%, body_bytes: 16MiB }\n"
    "    limits: { pod_requests: 10, version_requests: 20, queue: 30,\n"
    "              pending_connects: 40, queue_timeout: 50ms }\n"
    "    mirror: { version: v3, share: 12.5%, body_bytes: 1MiB, limit: 7 }\n"
    "    empty: 503\n"
    "  other:\n"
    "    routes: [{ host: other.example.com }]\n"
    "    versions: { only: { pods: [10.0.0.1:8000] } }\n";

static const char least[] =
    "listen: [{ address: 0.0.0.0:8080 }]\n"
    "services:\n"
    "  shop: { versions: { v1: { pods: [] }, v2: { pods: [] } } }\n";

static struct conf *
parse_good(const char *text)
{
	struct conf_errors errors;
	struct conf *c = conf_parse("f", text, strlen(text), &errors);

	for (size_t i = 0; i < errors.n; i++)
		print_message("%s\n", errors.lines[i]);
	assert_non_null(c);
	assert_int_equal(errors.n, 0);
	conf_errors_free(&errors);
	return c;
}

static int
setup_everything(void **state)
{
	*state = parse_good(everything);
	return 0;
}

static int
setup_least(void **state)
{
	*state = parse_good(least);
	return 0;
}

static int
teardown(void **state)
{
	conf_free(*state);
	return 0;
}

static void
assert_cidr(const struct cidr *c, int family, const char *ip, unsigned bits)
{
	uint8_t address[16] = {0};

	assert_int_equal(inet_pton(family, ip, address), 1);
	assert_int_equal(c->family, family);
	assert_memory_equal(c->address, address, sizeof address);
	assert_int_equal(c->bits, bits);
}

/* In the order of the struct. */
static void
assert_http2(const struct http2_limits *l, const unsigned n[8])
{
	assert_int_equal(l->streams, n[0]);
	assert_int_equal(l->continuations, n[1]);
	assert_int_equal(l->resets, n[2]);
	assert_int_equal(l->settings, n[3]);
	assert_int_equal(l->pings, n[4]);
	assert_int_equal(l->empty_frames, n[5]);
	assert_int_equal(l->priorities, n[6]);
	assert_int_equal(l->window_updates, n[7]);
}

static void
test_settings(void **state)
{
	const struct conf *c = *state;
	const struct settings *s = &c->settings;

	assert_int_equal(s->nlisteners, 2);
	assert_string_equal(s->listeners[0].address.text, "127.0.0.1:8080");
	assert_int_equal(s->listeners[0].address.sa.ss_family, AF_INET);
	assert_false(s->listeners[0].proxy_protocol);
	assert_string_equal(s->listeners[1].address.text, "[::1]:8081");
	assert_int_equal(s->listeners[1].address.sa.ss_family, AF_INET6);
	assert_true(s->listeners[1].proxy_protocol);
	assert_true(s->listeners[0].http2);
	assert_false(s->listeners[1].http2);
	assert_int_equal(s->listeners[0].redirect_port, 0);
	assert_int_equal(s->listeners[1].redirect_port, 8443);
	assert_string_equal(s->access_log.path, "/var/log/shunt.log");
	assert_int_equal(s->access_log.format, LOG_FORMAT_COMBINED);
	assert_string_equal(s->admin_socket, "/run/admin.sock");
	assert_string_equal(s->admin.text, "127.0.0.1:9900");
	assert_int_equal(s->workers, 3);
	assert_int_equal(s->timeouts.header, 1000);
	assert_int_equal(s->timeouts.body, 2000);
	assert_int_equal(s->timeouts.idle, 3000);
	assert_int_equal(s->timeouts.connect, 4);
	assert_int_equal(s->timeouts.response, 300000);
	assert_int_equal(s->timeouts.tunnel, 2592000000u);
	assert_int_equal(s->timeouts.drain, 0);
	assert_int_equal(s->limits.connections, 7);
	assert_int_equal(s->limits.connections_per_client, 3);
	assert_int_equal(s->limits.requests_per_connection, 4);
	assert_int_equal(s->limits.uri_bytes, 256);
	assert_int_equal(s->limits.header_bytes, 1 << 20);
	assert_int_equal(s->limits.header_count, 9);
	assert_int_equal(s->limits.body_bytes, 10ull << 30);
	assert_http2(
	    &s->limits.http2, (const unsigned[]){1, 2, 3, 4, 5, 6, 7, 8});
	assert_int_equal(s->forward.x_forwarded, X_FORWARDED_REPLACE);
	assert_false(s->forward.via);
	assert_int_equal(s->forward.ntrusted, 5);
	assert_cidr(&s->forward.trusted[0], AF_INET, "10.0.0.0", 8);
	assert_cidr(&s->forward.trusted[1], AF_INET, "192.168.1.2", 32);
	assert_cidr(&s->forward.trusted[2], AF_INET6, "fd00::", 9);
	assert_cidr(&s->forward.trusted[3], AF_INET6, "::1", 128);
	assert_cidr(&s->forward.trusted[4], AF_INET, "0.0.0.0", 0);
}

static void
assert_route(const struct route_spec *r, const char *host, enum path_kind kind,
    const char *path)
{
	if (host == NULL)
		assert_null(r->host);
	else
		assert_string_equal(r->host, host);
	assert_int_equal(r->kind, kind);
	assert_string_equal(r->path, path);
	assert_int_equal(r->regex != NULL, kind == PATH_REGEX);
}

static void
test_routes(void **state)
{
	const struct conf *c = *state;
	const struct service_spec *s = &c->spec->services[0];

	assert_int_equal(s->nroutes, 5);
	assert_route(&s->routes[0], "shop.example.com", PATH_PREFIX, "/");
	assert_route(&s->routes[1], "*.shop.example.com", PATH_PREFIX, "/cart");
	assert_route(&s->routes[2], NULL, PATH_EXACT, "/shop");
	assert_route(&s->routes[3], NULL, PATH_REGEX, "^/s[0-9]+$");
	assert_true(pattern_test(s->routes[3].regex, SPAN("/s12")));
	assert_false(pattern_test(s->routes[3].regex, SPAN("/s12/")));
	assert_route(&s->routes[4], NULL, PATH_PREFIX, "/");
}

static void
assert_version(const struct version_spec *v, const char *name, uint64_t weight,
    size_t npods, const char *first_pod)
{
	assert_string_equal(v->name, name);
	assert_int_equal(v->weight, weight);
	assert_int_equal(v->npods, npods);
	if (npods > 0)
		assert_string_equal(v->pods[0].text, first_pod);
}

static void
test_versions(void **state)
{
	const struct conf *c = *state;
	const struct service_spec *s = &c->spec->services[0];

	assert_int_equal(c->spec->nservices, 2);
	assert_string_equal(s->name, "shop");
	assert_int_equal(s->nversions, 3);
	assert_version(&s->versions[0], "v1", 795000, 2, "10.0.0.1:8000");
	assert_string_equal(s->versions[0].pods[1].text, "10.0.0.2:8000");
	assert_version(&s->versions[1], "v2", 100, 1, "[fd00::1]:8000");
	assert_version(&s->versions[2], "v3", 0, 0, NULL);
	assert_int_equal(s->stable, 1);
	s = &c->spec->services[1];
	assert_string_equal(s->name, "other");
	assert_int_equal(s->nversions, 1);
	assert_version(
	    &s->versions[0], "only", 100 * WEIGHT_ONE, 1, "10.0.0.1:8000");
	assert_int_equal(s->nroutes, 1);
	assert_route(&s->routes[0], "other.example.com", PATH_PREFIX, "/");
}

static bool
rule_takes(const struct rule_spec *rule, const struct field *fields, unsigned n)
{
	struct request r = {
	    .method = SPAN("GET"),
	    .host = SPAN("shop.example.com"),
	    .path = SPAN("/"),
	    .fields = fields,
	    .nfields = n,
	};

	return match_test(rule->match, &r);
}

static void
test_rules(void **state)
{
	const struct conf *c = *state;
	const struct service_spec *s = &c->spec->services[0];
	struct field fields[] = {
	    {SPAN("user-agent"), SPAN("x Sometimes-Fail"), FIELD_USER_AGENT},
	    {SPAN("x-a"), SPAN("abc"), FIELD_OTHER},
	    {SPAN("x-b"), SPAN("abc"), FIELD_OTHER},
	    {SPAN("cookie"), SPAN("a=b; release=beta"), FIELD_COOKIE},
	};
	const struct field debug = {
	    SPAN("cookie"), SPAN("debug=; x=y"), FIELD_COOKIE};

	assert_int_equal(s->nrules, 3);
	assert_int_equal(s->rules[0].version, 2);
	assert_int_equal(s->rules[1].version, 0);
	assert_true(rule_takes(&s->rules[0], fields, 4));
	assert_false(rule_takes(&s->rules[0], fields, 3));
	assert_false(rule_takes(&s->rules[1], fields, 4));
	assert_true(rule_takes(&s->rules[1], &debug, 1));
	fields[1].value = SPAN("bca");
	assert_false(rule_takes(&s->rules[0], fields, 4));
	fields[1].value = SPAN("a");
	fields[2].value = SPAN("ac");
	assert_false(rule_takes(&s->rules[0], fields, 4));
	assert_null(s->rules[0].weights);
	assert_false(s->rules[0].own_empty);
}

/* The third rule: all that is not a header or cookie, and its action. */
static void
test_rule_of_alternatives(void **state)
{
	static const struct {
		const char *method, *path, *query, *agent;
		const char *one; /* X-One; NULL: it is not there */
		uint8_t client[4];
		bool takes;
	} rows[] = {
	    {"POST", "/", "q=a+b", "", NULL, {10}, true},
	    {"POST", "/", "q=xyz", "", NULL, {10}, true},
	    {"GET", "/", "q=a+b", "", NULL, {10}, false},
	    {"HEAD", "/", "q=a+b", "", NULL, {10}, false},
	    {"POST", "/", "q=a", "", NULL, {10}, false},
	    {"GET", "/cart", "", "a Bot", NULL, {11}, true},
	    {"GET", "/cart", "", "a Bot", NULL, {10}, false},
	    {"GET", "/cart/", "", "a Bot", NULL, {11}, false},
	    {"GET", "/cart", "", "a bot", NULL, {11}, false},
	    {"GET", "/", "", "", "1", {10}, true},
	    {"GET", "/", "", "", "2", {10}, false},
	};
	const struct conf *c = *state;
	const struct rule_spec *rule = &c->spec->services[0].rules[2];

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		const char *one = rows[i].one;
		struct field fields[] = {
		    {SPAN("user-agent"), span_of(rows[i].agent),
			FIELD_USER_AGENT},
		    {SPAN("x-one"), span_of(one != NULL ? one : ""),
			FIELD_OTHER},
		};
		struct request r = {
		    .method = span_of(rows[i].method),
		    .path = span_of(rows[i].path),
		    .query = span_of(rows[i].query),
		    .fields = fields,
		    .nfields = one != NULL ? 2 : 1,
		    .family = AF_INET,
		};

		memcpy(r.client, rows[i].client, 4);
		if (match_test(rule->match, &r) != rows[i].takes)
			fail_msg("row %zu", i);
	}
	assert_non_null(rule->weights);
	assert_int_equal(rule->weights[0], 2 * WEIGHT_ONE);
	assert_int_equal(rule->weights[1], 0);
	assert_int_equal(rule->weights[2], WEIGHT_ONE / 2);
	assert_true(rule->own_empty);
	assert_true(rule->empty_stable);
}

static void
test_service(void **state)
{
	const struct conf *c = *state;
	const struct service_spec *s = &c->spec->services[0];
	const struct health_rules *h = &s->terms.health;

	assert_ptr_equal(s->terms.balance, &balance_round_robin);
	assert_true(h->enabled);
	assert_string_equal(h->path, "/ready?full=1");
	assert_int_equal(h->interval_ms, 10000);
	assert_int_equal(h->timeout_ms, 2000);
	assert_int_equal(h->rise, 4);
	assert_int_equal(h->fall, 5);
	assert_int_equal(h->start_period_ms, 60000);
	assert_true(h->initial_up);
	assert_true(health_good_status(h, 204));
	assert_false(health_good_status(h, 200));
	assert_false(health_good_status(h, 205));
	assert_null(h->body);
	assert_int_equal(s->terms.error_min, 400);
	assert_int_equal(s->terms.error_max, 499);
	assert_int_equal(s->terms.error_grpc,
	    1 << 2 | 1 << 4 | 1 << 13 | 1 << 14 | 1 << 15 | 1 << 16);
	assert_int_equal(s->terms.retry.attempts, 0);
	assert_int_equal(s->terms.retry.on, RETRY_RESET);
	assert_int_equal(s->terms.retry.version, RETRY_ANY);
	assert_int_equal(s->terms.retry.budget, 1234);
	assert_int_equal(s->terms.retry.body_bytes, 16 << 20);
	assert_int_equal(s->terms.limits.pod_requests, 10);
	assert_int_equal(s->terms.limits.version_requests, 20);
	assert_int_equal(s->terms.limits.queue, 30);
	assert_int_equal(s->terms.limits.pending_connects, 40);
	assert_int_equal(s->terms.limits.queue_timeout_ms, 50);
	assert_true(s->terms.mirror.on);
	assert_string_equal(s->versions[s->terms.mirror.version].name, "v3");
	assert_int_equal(s->terms.mirror.share, MIRROR_ALL / 8);
	assert_int_equal(s->terms.mirror.body_bytes, 1 << 20);
	assert_int_equal(s->terms.mirror.limit, 7);
	assert_false(s->terms.empty_stable);
}

static void
test_default_settings(void **state)
{
	const struct conf *c = *state;
	const struct settings *s = &c->settings;

	assert_int_equal(s->nlisteners, 1);
	assert_false(s->listeners[0].proxy_protocol);
	assert_null(s->access_log.path);
	assert_int_equal(s->access_log.format, LOG_FORMAT_JSON);
	assert_null(s->admin_socket);
	assert_int_equal(s->admin.len, 0);
	assert_int_equal(s->workers, 0);
	assert_int_equal(s->timeouts.header, 10000);
	assert_int_equal(s->timeouts.body, 30000);
	assert_int_equal(s->timeouts.idle, 75000);
	assert_int_equal(s->timeouts.connect, 2000);
	assert_int_equal(s->timeouts.response, 30000);
	assert_int_equal(s->timeouts.tunnel, 3600000);
	assert_int_equal(s->timeouts.drain, 30000);
	assert_int_equal(s->limits.connections, 10000);
	assert_int_equal(s->limits.connections_per_client, 0);
	assert_int_equal(s->limits.requests_per_connection, 0);
	assert_int_equal(s->limits.uri_bytes, 8 << 10);
	assert_int_equal(s->limits.header_bytes, 64 << 10);
	assert_int_equal(s->limits.header_count, 128);
	assert_int_equal(s->limits.body_bytes, 0);
	assert_http2(&s->limits.http2,
	    (const unsigned[]){128, 16, 100, 20, 100, 100, 1000, 10});
	assert_true(s->listeners[0].http2);
	assert_null(s->listeners[0].tls);
	assert_null(s->listeners[0].hsts);
	assert_int_equal(s->forward.x_forwarded, X_FORWARDED_APPEND);
	assert_true(s->forward.via);
	assert_int_equal(s->forward.ntrusted, 0);
}

static void
assert_hash(const char *hash, enum hash_on on, const char *name)
{
	const struct service_spec *s;
	char text[256];
	struct conf *c;

	snprintf(text, sizeof text,
	    "listen: [{ address: 0.0.0.0:8080 }]\nservices:\n"
	    "  shop: { versions: { v1: { pods: [] } },\n"
	    "          balance: { hash: %s } }\n",
	    hash);
	c = parse_good(text);
	s = &c->spec->services[0];
	assert_ptr_equal(s->terms.balance, &balance_hash);
	assert_int_equal(s->terms.hash.on, on);
	if (name != NULL)
		assert_string_equal(s->terms.hash.name, name);
	else
		assert_null(s->terms.hash.name);
	conf_free(c);
}

static void
test_hash(void **state)
{
	(void)state;
	assert_hash("client", HASH_ON_CLIENT, NULL);
	assert_hash("uri", HASH_ON_URI, NULL);
	assert_hash("{ header: X-User }", HASH_ON_HEADER, "X-User");
	assert_hash("{ cookie: uid }", HASH_ON_COOKIE, "uid");
}

static void
test_pod_weights(void **state)
{
	const char *text =
	    "listen: [{ address: 0.0.0.0:8080 }]\nservices:\n"
	    "  shop: { balance: ewma, versions: { v1: { pods: [\n"
	    "    { weight: 1000, address: 10.0.0.1:8000 },\n"
	    "    10.0.0.2:8000, { address: 10.0.0.3:8000 } ] } } }\n";
	struct conf *c = parse_good(text);
	const struct version_spec *v = &c->spec->services[0].versions[0];

	(void)state;
	assert_ptr_equal(c->spec->services[0].terms.balance, &balance_ewma);
	assert_int_equal(c->spec->services[0].terms.hash.on, HASH_ON_NOTHING);
	assert_int_equal(v->npods, 3);
	assert_string_equal(v->pods[0].text, "10.0.0.1:8000");
	assert_string_equal(v->pods[2].text, "10.0.0.3:8000");
	assert_int_equal(v->pod_weights[0], 1000);
	assert_int_equal(v->pod_weights[1], 1);
	assert_int_equal(v->pod_weights[2], 1);
	conf_free(c);
}

static void
test_default_service(void **state)
{
	const struct conf *c = *state;
	const struct service_spec *s = &c->spec->services[0];

	assert_int_equal(c->spec->nservices, 1);
	assert_int_equal(s->nroutes, 1);
	assert_route(&s->routes[0], NULL, PATH_PREFIX, "/");
	assert_int_equal(s->stable, 0);
	assert_version(&s->versions[0], "v1", 100 * WEIGHT_ONE, 0, NULL);
	assert_version(&s->versions[1], "v2", 0, 0, NULL);
	assert_int_equal(s->nrules, 0);
	assert_ptr_equal(s->terms.balance, &balance_least_request);
	assert_false(s->terms.health.enabled);
	assert_int_equal(s->terms.error_min, 500);
	assert_int_equal(s->terms.error_max, 599);
	assert_int_equal(s->terms.error_grpc, 0);
	assert_int_equal(s->versions[0].protocol, POD_HTTP1);
	assert_null(s->versions[0].tls);
	assert_int_equal(s->terms.retry.attempts, 1);
	assert_int_equal(s->terms.retry.on, RETRY_CONNECT | RETRY_RESET);
	assert_int_equal(s->terms.retry.version, RETRY_SAME);
	assert_int_equal(s->terms.retry.budget, 2000);
	assert_int_equal(s->terms.retry.body_bytes, 64 << 10);
	assert_false(load_limited(&s->terms.limits));
	assert_int_equal(s->terms.limits.queue, 0);
	assert_int_equal(s->terms.limits.queue_timeout_ms, 1000);
	assert_false(s->terms.mirror.on);
	assert_int_equal(s->terms.mirror.share, MIRROR_ALL);
	assert_int_equal(s->terms.mirror.body_bytes, 64 << 10);
	assert_int_equal(s->terms.mirror.limit, 100);
	assert_true(s->terms.empty_stable);
}

static void
test_default_health(void **state)
{
	struct conf *c = parse_good(
	    "listen: [{ address: 0.0.0.0:8080 }]\n"
	    "services: { s: { health: {}, versions: { v: { pods: [] } } } }\n");
	const struct health_rules *h = &c->spec->services[0].terms.health;

	(void)state;
	assert_true(h->enabled);
	assert_string_equal(h->path, "/healthz");
	assert_int_equal(h->interval_ms, 2000);
	assert_int_equal(h->timeout_ms, 1000);
	assert_int_equal(h->rise, 2);
	assert_int_equal(h->fall, 3);
	assert_int_equal(h->start_period_ms, 0);
	assert_false(h->initial_up);
	assert_int_equal(h->type, HEALTH_HTTP);
	assert_int_equal(h->method, HEALTH_GET);
	assert_null(h->host);
	assert_int_equal(h->headers.n, 0);
	assert_int_equal(h->port, 0);
	assert_int_equal(h->fast_interval_ms, 0);
	assert_false(health_good_status(h, 199));
	assert_true(health_good_status(h, 200));
	assert_true(health_good_status(h, 299));
	assert_false(health_good_status(h, 300));
	assert_null(h->body);
	conf_free(c);
}

static void
assert_edit(const struct edit *e, enum edit_kind kind, const char *name,
    const char *value)
{
	assert_int_equal(e->kind, kind);
	assert_true(span_eq(e->name, span_of(name)));
	assert_true(span_eq(e->value, span_of(value)));
}

static void
test_route_actions(void **state)
{
	struct conf *c = parse_good(
	    "listen: [{ address: 0.0.0.0:8080 }]\n"
	    "services: { s: { versions: { v: { pods: [] } }, routes: [\n"
	    "  { path: /a/, method: [GET, M-SEARCH],\n"
	    "    rewrite: { prefix: /v2//, host: \"Inner:80\" },\n"
	    "    request_headers: { set: { X-A: a b }, add: { X-B: 1 },\n"
	    "                       remove: [X-C] },\n"
	    "    response_headers: { remove: [Server] } },\n"
	    "  { path: /b, rewrite: { prefix: / } },\n"
	    "  { path: /c, rewrite: { path: /all/ } },\n"
	    "  { path: /d, redirect: { scheme: https, host: Other, port: 1,\n"
	    "    prefix: \"\", status: 307 } },\n"
	    "  { path: /e, redirect: { path: /x } },\n"
	    "  { path: /f, method: PUT }] } }\n");
	const struct route_spec *r = c->spec->services[0].routes;
	const struct route_action *a = r[0].action;

	(void)state;
	assert_int_equal(r[0].nmethods, 2);
	assert_string_equal(r[0].methods[0], "GET");
	assert_string_equal(r[0].methods[1], "M-SEARCH");
	assert_int_equal(a->redirect, 0);
	assert_int_equal(a->change, PATH_SWAP_PREFIX);
	assert_string_equal(a->path, "/v2");
	assert_string_equal(a->host, "Inner:80");
	assert_int_equal(a->request.n, 3);
	assert_edit(&a->request.list[0], EDIT_SET, "X-A", "a b");
	assert_edit(&a->request.list[1], EDIT_ADD, "X-B", "1");
	assert_edit(&a->request.list[2], EDIT_REMOVE, "X-C", "");
	assert_int_equal(a->response.n, 1);
	assert_edit(&a->response.list[0], EDIT_REMOVE, "Server", "");
	assert_int_equal(r[1].action->change, PATH_SWAP_PREFIX);
	assert_string_equal(r[1].action->path, "");
	assert_int_equal(r[2].action->change, PATH_SWAP);
	assert_string_equal(r[2].action->path, "/all/");
	a = r[3].action;
	assert_int_equal(a->redirect, 307);
	assert_string_equal(a->scheme, "https");
	assert_string_equal(a->host, "other");
	assert_int_equal(a->port, 1);
	assert_int_equal(a->change, PATH_SWAP_PREFIX);
	assert_string_equal(a->path, "");
	assert_int_equal(r[4].action->redirect, 302);
	assert_int_equal(r[4].action->port, 0);
	assert_null(r[4].action->host);
	assert_null(r[5].action);
	assert_string_equal(r[5].methods[0], "PUT");
	conf_free(c);
}

/* Without weights all goes to the stable version, wherever it stands. */
static void
test_default_weights_follow_stable(void **state)
{
	struct conf *c = parse_good(
	    "listen: [{ address: 0.0.0.0:8080 }]\n"
	    "services: { s: { stable: b, versions: { a: { pods: [] },\n"
	    "  b: { pods: [] } } } }\n");
	const struct service_spec *s = &c->spec->services[0];

	(void)state;
	assert_int_equal(s->stable, 1);
	assert_version(&s->versions[0], "a", 0, 0, NULL);
	assert_version(&s->versions[1], "b", 100 * WEIGHT_ONE, 0, NULL);
	conf_free(c);
}

#define WITH(name, setup) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    WITH(test_settings, setup_everything),
	    WITH(test_routes, setup_everything),
	    WITH(test_versions, setup_everything),
	    WITH(test_rules, setup_everything),
	    WITH(test_rule_of_alternatives, setup_everything),
	    WITH(test_service, setup_everything),
	    WITH(test_default_settings, setup_least),
	    cmocka_unit_test(test_hash),
	    cmocka_unit_test(test_pod_weights),
	    WITH(test_default_service, setup_least),
	    cmocka_unit_test(test_default_health),
	    cmocka_unit_test(test_route_actions),
	    cmocka_unit_test(test_default_weights_follow_stable),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
