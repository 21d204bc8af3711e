/* Explanations of a config: what played a part, and that all of it is told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "conf/conf.h"
#include "control/explain.h"
#include "control/question.h"
#include "router/plan.h"
#include "router/pod.h"
#include "router/route_table.h"
#include "router/split.h"

/* When all is asked. */
#define NOW_S	1700000000u
#define N(rows) (sizeof rows / sizeof rows[0])

static const char config[] =
    "listen:\n"
    "  - address: 127.0.0.1:8080\n"
    "  - { address: 127.0.0.1:80, redirect: https:8443 }\n"
    "forward: { trusted: [10.0.0.0/8] }\n"
    "limits: { uri_bytes: 256, header_count: 4, header_bytes: 1KiB }\n"
    "services:\n"
    "  shop:\n"
    "    routes:\n"
    "      - { host: shop.test, path: / }\n"
    "      - { host: \"*.shop.test\", path: /cart, method: [GET, PUT] }\n"
    "      - { host: shop.test, path: { exact: /old },\n"
    "          redirect: { path: /new, status: 308 } }\n"
    "      - { host: shop.test, path: /self, redirect: { path: /self } }\n"
    "    versions:\n"
    "      v1: { pods: [127.0.0.1:9101, 127.0.0.1:9102] }\n"
    "      v2: { pods: [127.0.0.1:9201] }\n"
    "      v3: { pods: [] }\n"
    "    stable: v1\n"
    "    weights: { v1: 70, v2: 29.5, v3: 0.5 }\n"
    "    rules:\n"
    "      - { match: { header: { X-To: two } }, version: v2 }\n"
    "      - { match: { header: { X-To: three } }, version: v3 }\n"
    "      - { match: { header: { X-To: none } }, version: v3, empty: 503 }\n"
    "      - { match: { client: 192.0.2.0/24 }, weights: { v2: 1, v1: 1 } }\n"
    "  dead:\n"
    "    routes: [ { path: { regex: \"^/dead\" } } ]\n"
    "    versions: { old: { pods: [] }, new: { pods: [127.0.0.1:9301] } }\n"
    "    weights: { old: 0, new: 1 }\n"
    "    health: {}\n";

struct room {
	struct conf *conf;
	struct plan *plan;
};

static struct room
room_new(const char *text)
{
	struct conf_errors errors = {0};
	struct room room;
	char why[256];

	room.conf = conf_parse("test.yaml", text, strlen(text), &errors);
	if (room.conf == NULL)
		fail_msg("%s", errors.lines[0]);
	conf_errors_free(&errors);
	room.plan = plan_build(room.conf->spec, NULL, 1, 0, why, sizeof why);
	if (room.plan == NULL)
		fail_msg("%s", why);
	return room;
}

static void
room_free(struct room *room)
{
	plan_drop(room->plan);
	conf_free(room->conf);
}

static void
ask(const struct room *room, const struct question *q, struct explanation *e)
{
	struct asked a;
	char why[512];

	if (!question_read(q, &a, why, sizeof why))
		fail_msg("%s", why);
	assert_true(explain(&a, room->plan, &room->conf->settings, NOW_S, e));
	asked_clear(&a);
}

static const struct question_field to_two[] = {{"x-to", "two"}};
static const struct question_field to_three[] = {{"x-to", "three"}};
static const struct question_field to_none[] = {{"x-to", "none"}};
static const struct question_field from_192[] = {
    {"X-Forwarded-For", "192.0.2.7"}};
static const struct question_field many[] = {
    {"A", "1"}, {"B", "1"}, {"C", "1"}, {"D", "1"}};
static const struct question_field two_hosts[] = {
    {"Host", "a.test"}, {"Host", "b.test"}};
static const struct question_field bad_length[] = {{"Content-Length", "x"}};
static const struct question_field last_hop[] = {{"Max-Forwards", "0"}};
static const struct question_field host_header[] = {{"Host", "shop.test"}};

#define SHOP	 "http://shop.test:8080"
#define FIELD(f) .fields = f, .nfields = N(f)

#define LEADS                                                            \
	"The most special route that takes the request, host shop.test " \
	"and prefix /, leads to service shop."
#define RULE_0                                                    \
	" Rule 0 (X-To = two) is the first that matches, so the " \
	"service's weights play no part: it names version v2."
#define BY_WEIGHT                                                       \
	" None of the 4 rules matches: by the weights v1 70, v2 29.5, " \
	"v3 0.5 the next request gets version v1."
#define V1_UP " 2 of 2 pods of v1 are up; least_request picks."

static const struct {
	struct question q;
	const char *service, *route, *version;
	int rule;
	enum err answer;
	const char *reason;
} rows[] = {
    {{.url = SHOP "/x"}, "shop", "/", "v1", -1, ERR_NONE,
	LEADS BY_WEIGHT V1_UP},
    {{.url = SHOP "/", FIELD(to_two)}, "shop", "/", "v2", 0, ERR_NONE,
	LEADS RULE_0 " 1 of 1 pods of v2 is up; least_request picks."},
    {{.url = "http://127.0.0.1:8080/", FIELD(host_header)}, "shop", "/", "v1",
	-1, ERR_NONE, LEADS BY_WEIGHT V1_UP},
    {{.url = SHOP "/", FIELD(to_three)}, "shop", "/", "v1", 1, ERR_NONE,
	LEADS " Rule 1 (X-To = three) is the first that matches, so the "
	      "service's weights play no part: it names version v3. v3 has no "
	      "pods, so stable v1 stands in." V1_UP},
    {{.url = SHOP "/", FIELD(to_none)}, "shop", "/", "v3", 2, ERR_NO_POD,
	LEADS " Rule 2 (X-To = none) is the first that matches, so the "
	      "service's weights play no part: it names version v3. v3 has no "
	      "pods, and with empty: 503 no other stands in: the client gets "
	      "503."},
    {{.url = SHOP "/", .client = "192.0.2.9"}, "shop", "/", "v1", 3, ERR_NONE,
	LEADS " Rule 3 (client in 192.0.2.0/24) is the first that matches, so "
	      "the service's weights play no part: by the weights v1 1, v2 "
	      "1, v3 0 the next request gets version v1." V1_UP},
    {{.url = SHOP "/", .client = "10.1.2.3", FIELD(from_192)}, "shop", "/",
	"v1", 3, ERR_NONE, NULL},
    {{.url = SHOP "/", .client = "11.1.2.3", FIELD(from_192)}, "shop", "/",
	"v1", -1, ERR_NONE, LEADS BY_WEIGHT V1_UP},
    {{.url = "http://a.b.shop.test:8080/cart/1", .method = "PUT"}, "shop",
	"/cart", "v1", -1, ERR_NONE, NULL},
    {{.url = "http://a.b.shop.test:8080/cart/1", .method = "POST"}, NULL, NULL,
	NULL, -1, ERR_NO_ROUTE,
	"No route takes host \"a.b.shop.test\", path \"/cart/1\" and method "
	"\"POST\", so the client gets 404."},
    {{.url = SHOP "/old?x=1"}, "shop", "/old", NULL, -1, ERR_REDIRECT_308,
	"The route redirects: the client gets 308 with Location "
	"http://shop.test:8080/new?x=1."},
    {{.url = SHOP "/self"}, "shop", "/self", "v1", -1, ERR_NONE,
	"The most special route that takes the request, host shop.test and "
	"prefix /self, leads to service shop. It redirects, but to where the "
	"request is already." BY_WEIGHT V1_UP},
    {{.url = SHOP "/self/x"}, "shop", "/self", NULL, -1, ERR_REDIRECT_302,
	"The route redirects: the client gets 302 with Location "
	"http://shop.test:8080/self."},
    {{.url = "http://shop.test/old"}, NULL, NULL, NULL, -1, ERR_USE_HTTPS,
	"The listener redirects to https: the client gets 301 with Location "
	"https://shop.test:8443/old."},
    {{.url = "http://shop.test:81/", FIELD(to_two)}, "shop", "/", "v2", 0,
	ERR_NONE, NULL},
    {{.url = "https://shop.test/", FIELD(to_two)}, "shop", "/", "v2", 0,
	ERR_NONE,
	"No listener speaks TLS: it is taken for a request in clear "
	"text. " LEADS RULE_0 " 1 of 1 pods of v2 is up; least_request picks."},
    {{.url = "http://x.test:8080/deadly"}, "dead", "^/dead", "new", -1,
	ERR_NO_POD,
	"The most special route that takes the request, any host and regex "
	"^/dead, leads to service dead. There are no rules: by the weights "
	"old 0, new 1 the next request gets version new. Of 1 pods of new "
	"none is up, and neither has stable old: the client gets 503."},
    {{.url = SHOP "/", FIELD(many)}, NULL, NULL, NULL, -1, ERR_HEAD_TOO_LARGE,
	"The proxy answers 431 itself: request head exceeds the limit."},
    {{.url = SHOP "/", FIELD(two_hosts)}, NULL, NULL, NULL, -1, ERR_BAD_REQUEST,
	"The proxy answers 400 itself: malformed request."},
    {{.url = SHOP "/", FIELD(bad_length)}, NULL, NULL, NULL, -1,
	ERR_BAD_REQUEST, "The proxy answers 400 itself: malformed request."},
    {{.url = SHOP "/", .method = "CONNECT"}, NULL, NULL, NULL, -1,
	ERR_NOT_IMPLEMENTED, "The proxy answers 501 itself: not implemented."},
    {{.url = SHOP "/", .method = "OPTIONS", FIELD(last_hop)}, "shop", "/", NULL,
	-1, ERR_LAST_HOP,
	"The proxy answers 200 itself: Max-Forwards ends here."},
};

static void
test_explanations(void **state)
{
	struct room room = room_new(config);
	struct explanation e;

	(void)state;
	for (size_t i = 0; i < N(rows); i++) {
		ask(&room, &rows[i].q, &e);
		if (rows[i].reason != NULL)
			assert_string_equal(e.reason, rows[i].reason);
		assert_int_equal(e.answer, rows[i].answer);
		assert_int_equal(e.rule, rows[i].rule);
		assert_int_equal(e.service != NULL, rows[i].service != NULL);
		if (e.service != NULL)
			assert_string_equal(e.service->name, rows[i].service);
		assert_int_equal(e.route != NULL, rows[i].route != NULL);
		if (e.route != NULL)
			assert_string_equal(e.route->path, rows[i].route);
		assert_int_equal(e.version != NULL, rows[i].version != NULL);
		if (e.version != NULL)
			assert_string_equal(e.version->name, rows[i].version);
	}
	room_free(&room);
}

static void
test_routes_keep_what_the_config_says(void **state)
{
	struct room room = room_new(config);
	struct question q = {.url = "http://x.shop.test:8080/cart"};
	struct explanation e;

	(void)state;
	spec_free(room.conf->spec);
	room.conf->spec = NULL;
	ask(&room, &q, &e);
	assert_string_equal(e.route->host, "*.shop.test");
	assert_int_equal(e.route->kind, PATH_PREFIX);
	assert_int_equal(e.route->nmethods, 2);
	assert_string_equal(e.route->methods[0], "GET");
	assert_string_equal(e.route->methods[1], "PUT");
	q.url = "http://x.test:8080/dead";
	ask(&room, &q, &e);
	assert_null(e.route->host);
	assert_int_equal(e.route->kind, PATH_REGEX);
	assert_int_equal(e.route->nmethods, 0);
	room_free(&room);
}

/* 413 and 414 come after the route was found. */
static void
test_limits(void **state)
{
	struct room room = room_new(config);
	char url[2048] = SHOP "/";
	struct question q = {.url = url};
	struct explanation e;

	(void)state;
	memset(url + strlen(url), 'x', 300);
	ask(&room, &q, &e);
	assert_int_equal(e.answer, ERR_URI_TOO_LONG);
	assert_string_equal(e.service->name, "shop");
	assert_null(e.version);
	memset(url + strlen(url), 'x', 1000);
	ask(&room, &q, &e);
	assert_int_equal(e.answer, ERR_HEAD_TOO_LARGE);
	assert_null(e.service);
	room_free(&room);
}

static const char users[] =
    "listen: [ { address: 127.0.0.1:8080 } ]\n"
    "services:\n"
    "  known:\n"
    "    routes: [ { path: /known } ]\n"
    "    versions: { v1: { pods: [127.0.0.1:1] }, v2: { pods: [] } }\n"
    "    weights: { v1: 1, v2: 1 }\n"
    "    cohort: { header: X-User }\n"
    "    rules: [ { match: { path: /known/1 }, version: v1 } ]\n"
    "  new:\n"
    "    versions: { v1: { pods: [127.0.0.1:2] }, v2: { pods: [] } }\n"
    "    weights: { v1: 1, v2: 1 }\n"
    "    cohort: { cookie: uid, ttl: 1h }\n"
    "    rules:\n"
    "      - { match: { path: /all }, weights: { v1: 1 } }\n"
    "      - { match: { path: /some }, weights: { v1: 1, v2: 2 } }\n";

/* Whose bucket it is, and who has none; who is new is given one by chance. */
static void
test_users(void **state)
{
	static const struct question_field user[] = {{"x-user", "u"}};
	static const struct question_field uid[] = {{"cookie", "uid=7"}};
	static const struct {
		struct question q;
		bool hashed;
		int rule;
		bool open; /* to chance */
		const char *told;
	} asked[] = {
	    {{.url = "http://a/known"}, false, -1, false,
		": by the weights v1 1, v2 1 the next request without header "
		"X-User gets version "},
	    {{.url = "http://a/known", FIELD(user)}, true, -1, false,
		": by the weights v1 1, v2 1 the place of its header X-User, "
		"0."},
	    {{.url = "http://a/known/1", FIELD(user)}, false, 0, false,
		": it names version v1."},
	    {{.url = "http://a/x"}, false, -1, true,
		"None of the 2 rules matches: by the weights v1 1, v2 1 chance "
		"will tell: it is given a cookie uid of its own."},
	    {{.url = "http://a/x", FIELD(uid)}, true, -1, false,
		": by the weights v1 1, v2 1 the place of its cookie uid, 0."},
	    {{.url = "http://a/all"}, false, 0, false,
		": by the weights v1 1, v2 0 the next request without cookie "
		"uid gets version v1."},
	    {{.url = "http://a/some"}, false, 1, true,
		": by the weights v1 1, v2 2 chance will tell: it is given a "
		"cookie uid of its own."},
	    {{.url = "http://a/some", FIELD(uid)}, true, 1, false,
		": by the weights v1 1, v2 2 the place of its cookie uid, 0."},
	};
	struct room room = room_new(users);
	struct explanation e;

	(void)state;
	for (size_t i = 0; i < N(asked); i++) {
		ask(&room, &asked[i].q, &e);
		assert_non_null(strstr(e.reason, asked[i].told));
		assert_int_equal(e.hashed, asked[i].hashed);
		assert_int_equal(e.rule, asked[i].rule);
		assert_int_equal(e.answer, ERR_NONE);
		assert_int_equal(e.version == NULL, asked[i].open);
		if (e.version != NULL) /* v1 stands in for v2 */
			assert_string_equal(e.version->name, "v1");
	}
	room_free(&room);
}

static void
test_nothing_is_drawn(void **state)
{
	struct room room = room_new(config);
	struct question by_weight = {.url = SHOP "/"};
	struct question by_rule = {.url = SHOP "/", .client = "192.0.2.1"};
	const struct service *s = room.plan->services[0];
	struct explanation e;

	(void)state;
	for (unsigned i = 0; i < 200; i++) {
		ask(&room, &by_weight, &e);
		ask(&room, &by_rule, &e);
		assert_int_equal(e.version->index, split_at(s->split, 0) != 0);
	}
	for (unsigned i = 0; i < 2 * split_period(s->split); i++) {
		const struct version *wanted;

		ask(&room, &by_weight, &e);
		wanted = &s->versions[split_next(s->split)];
		if (wanted->nready == 0)
			wanted = &s->versions[s->stable];
		assert_ptr_equal(e.version, wanted);
	}
	room_free(&room);
}

/* Every pod has a reason, or takes requests. */
static void
test_pods(void **state)
{
	struct room room =
	    room_new("listen: [ { address: 127.0.0.1:8080 } ]\n"
		     "services:\n"
		     "  shop:\n"
		     "    versions:\n"
		     "      v1: { pods: [127.0.0.1:1, 127.0.0.1:2,"
		     " 127.0.0.1:3, 127.0.0.1:4, 127.0.0.1:5,"
		     " 127.0.0.1:6, 127.0.0.1:7] }\n"
		     "    health: {}\n");
	static const struct {
		enum pod_state state;
		const char *reason, *told;
	} pods[] = {
	    {POD_STARTING, "", "not checked yet"},
	    {POD_UP, "", ""},
	    {POD_DOWN, "timeout after 1 ms", "timeout after 1 ms"},
	    {POD_DRAINING, "", "it only finishes what it has"},
	    {POD_UP, "", ""},
	    {POD_MAINT, "", "taken out by hand"},
	    {POD_EJECTED, "", "it failed requests lately"},
	};
	struct plan *now;
	struct version *v = &room.plan->services[0]->versions[0];
	struct explanation e = {.version = v};
	size_t ready = 0;

	(void)state;
	for (size_t i = 0; i < N(pods); i++) {
		v->pods[i]->state = pods[i].state;
		snprintf(v->pods[i]->reason, sizeof v->pods[i]->reason, "%s",
		    pods[i].reason);
		assert_string_not_equal(explain_pod(&e, i, &ready), "");
	}
	now = plan_with_health(room.plan, "shop");
	assert_non_null(now);
	e.version = &now->services[0]->versions[0];
	for (size_t i = 0; i < N(pods); i++)
		assert_string_equal(explain_pod(&e, i, &ready), pods[i].told);
	e.pod = e.version->pods[4];
	ready = 0;
	for (size_t i = 0; i < N(pods); i++)
		assert_string_equal(explain_pod(&e, i, &ready),
		    i == 1 ? "the sticky cookie names another pod"
			   : pods[i].told);
	plan_drop(now);
	room_free(&room);
}

static const char releasing[] =
    "listen: [ { address: 127.0.0.1:8080 } ]\n"
    "services:\n"
    "  shop:\n"
    "    routes: [ { path: / } ]\n"
    "    versions:\n"
    "      v1: { pods: [127.0.0.1:9101] }\n"
    "      v2: { pods: [127.0.0.1:9201] }\n"
    "      v3: { pods: [] }\n"
    "    stable: v1\n"
    "    rules: [ { match: { header: { X-To: two } }, version: v1 } ]\n"
    "    release:\n"
    "      strategy: recreate\n"
    "      recreate: { park: 30s, park_limit: 50 }\n"
    "      blue_green: { preview: { header: { X-To: two } } }\n"
    "      ab: { match: { header: { X-To: two } } }\n"
    "  bare:\n"
    "    routes: [ { path: /bare } ]\n"
    "    versions: { v1: { pods: [127.0.0.1:9301] } }\n";

#define LEADS_TO(service, path)                                        \
	"The most special route that takes the request, any host and " \
	"prefix " path ", leads to service " service "."
#define BEFORE_RULES ", before rules, cookies and weights."

/* What a rollout does is told where it decides, and nothing else then. */
static void
test_releases(void **state)
{
	static const struct {
		struct release_change change;
		const char *service, *version;
		enum err answer;
		const char *reason;
	} told[] = {
	    {{.lead = LEAD_PREVIEW, .candidate = "v2"}, "shop", "v2", ERR_NONE,
		LEADS_TO("shop", "/") " The preview of the release leads to "
				      "version v2" BEFORE_RULES
				      " 1 of 1 pods of v2 is up; "
				      "least_request picks."},
	    {{.lead = LEAD_AB, .candidate = "v3"}, "shop", "v1", ERR_NONE,
		LEADS_TO("shop", "/") " The match of the release leads to "
				      "version v3" BEFORE_RULES
				      " v3 has no pods, so stable v1 "
				      "stands in. 1 of 1 pods of v1 is up; "
				      "least_request picks."},
	    {{.closed = true, .candidate = "v2", .lead = LEAD_AB}, "shop", NULL,
		ERR_NONE,
		LEADS_TO("shop", "/") " No version takes requests: "
				      "the release of v2 parks them for up to "
				      "30s, 50 at a time."},
	    {{.closed = true}, "shop", NULL, ERR_NONE,
		LEADS_TO("shop",
		    "/") " No version takes requests: the "
			 "release parks them for up to 30s, 50 at a time."},
	    {{.closed = true, .candidate = "v1"}, "bare", NULL, ERR_CLOSED,
		LEADS_TO("bare", "/bare") " No version takes requests: the "
					  "release of v1 parks none, so the "
					  "client gets 503."},
	};

	(void)state;
	for (size_t i = 0; i < N(told); i++) {
		const bool shop = strcmp(told[i].service, "shop") == 0;
		const struct question q = {
		    .url = shop ? "http://a/x" : "http://a/bare",
		    FIELD(to_two)};
		struct room room = room_new(releasing);
		struct explanation e;
		struct plan *next;
		char why[256];

		next = plan_with_release(room.plan, told[i].service,
		    &told[i].change, why, sizeof why);
		assert_non_null(next);
		plan_drop(room.plan);
		room.plan = next;
		ask(&room, &q, &e);
		assert_string_equal(e.reason, told[i].reason);
		assert_int_equal(e.answer, told[i].answer);
		assert_int_equal(e.rule, -1);
		assert_true((e.version == NULL) == (told[i].version == NULL));
		if (e.version != NULL)
			assert_string_equal(e.version->name, told[i].version);
		room_free(&room);
	}
}

static bool
is_utf8(const char *s)
{
	while (*s != '\0') {
		unsigned char c = (unsigned char)*s++;
		unsigned more = c >= 0xf0 ? 3 : c >= 0xe0 ? 2 : c >= 0xc0;

		if (c >= 0x80 && c < 0xc0)
			return false;
		for (; more > 0; more--)
			if (((unsigned char)*s++ & 0xc0) != 0x80)
				return false;
	}
	return true;
}

/* Long texts are cut between characters, wherever their end may fall. */
static void
test_long_texts(void **state)
{
	static const char *const characters[] = {
	    "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x9a\x82"};
	struct question q = {.url = "http://a.test:8080/"};
	struct explanation e;

	(void)state;
	for (size_t c = 0; c < N(characters); c++) {
		for (size_t shift = 0; shift < 5; shift++) {
			char text[16384];
			size_t n;
			struct room room;

			n = (size_t)snprintf(text, sizeof text,
			    "listen: [{address: 127.0.0.1:8080}]\n"
			    "services:\n"
			    "  shop:\n"
			    "    versions: {v1: {pods: []}}\n"
			    "    rules: [{version: v1, match: {header: {X: "
			    "{not: "
			    "%.*s",
			    (int)shift, "xxxxx");
			for (size_t i = 0; i < 1000; i++)
				n += (size_t)snprintf(text + n, sizeof text - n,
				    "%s", characters[c]);
			snprintf(text + n, sizeof text - n, "}}}}]\n");
			room = room_new(text);
			ask(&room, &q, &e);
			assert_int_equal(e.rule, 0);
			assert_true(strlen(e.match) > EXPLAIN_MATCH_MAX - 5);
			assert_true(is_utf8(e.match));
			assert_true(is_utf8(e.reason));
			assert_non_null(strstr(e.reason, "gets 503."));
			room_free(&room);
		}
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_releases),
	    cmocka_unit_test(test_explanations),
	    cmocka_unit_test(test_routes_keep_what_the_config_says),
	    cmocka_unit_test(test_limits),
	    cmocka_unit_test(test_users),
	    cmocka_unit_test(test_nothing_is_drawn),
	    cmocka_unit_test(test_pods),
	    cmocka_unit_test(test_long_texts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
