/* `release` of a service: defaults, what is read, and every error. */
#include <stdint.h>

#include "tests/unit/conf/error_rows.h"

#include "router/match.h"
#include "router/release.h"
#include "strategies/schedule.h"

#define SECOND 1000000ull
#define MINUTE (60 * SECOND)
/* Line 5, and column 15 behind the brace. */
#define R(keys)	     SHOP "    release: {" keys "}\n"
#define CANARY(keys) R("canary: {" keys "}")
#define WANT_WINDOW  "expected times such as 09:00-17:00, found "
#define WANT_URL                                                \
	"expected a URL such as http://127.0.0.1:9000/hook or " \
	"https://hooks.example/shunt, found "
#define WANT_NO_NAME                                                        \
	"expected the address 127.0.0.1 or [::1], which no name server is " \
	"asked for, found "
#define WANT_PHASE                                                   \
	"expected one of starting, progressing, paused, promoting, " \
	"rolling_back, done, rolled_back, failed, found "
#define WANT_LIMIT                                                      \
	"expected at least one of max_error_rate, max_error_increase, " \
	"max_p99, max_p99_increase, or off instead of the map"
#define WANT_PODS                                                          \
	"expected an integer from 0 to 1000, or a percentage up to 100%, " \
	"found "
#define WANT_DURATION "expected a duration such as 500ms, 10s, 5m or 1h, found "

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

static const struct release *
release_of(const struct conf *c)
{
	assert_non_null(c->spec->services[0].terms.release);
	return c->spec->services[0].terms.release;
}

static void
assert_gates(const struct gates *g, double rate, double increase)
{
	assert_int_equal(g->window_us, MINUTE);
	assert_int_equal(g->min_requests, 100);
	assert_true(g->max_error_rate == rate);
	assert_true(g->max_error_increase == increase);
	assert_int_equal(g->max_p99_us, 0);
	assert_true(g->max_p99_increase == -1);
	assert_true(g->confidence == 0.95);
}

static void
assert_steps(const struct strategy_terms *t)
{
	static const uint32_t shares[] = {50000, 200000, 500000};

	assert_int_equal(t->nsteps, 3);
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(t->steps[i].share, shares[i]);
		assert_int_equal(
		    t->steps[i].hold_us, (i == 0 ? 2 : 5) * MINUTE);
		assert_false(t->steps[i].pause);
		assert_false(t->steps[i].ramp);
	}
}

static void
assert_terms(const struct strategy_terms *t, const struct strategy_ops *ops)
{
	const bool canary = ops == &strategy_canary;

	assert_ptr_equal(t->ops, ops);
	assert_gates(&t->gates, canary ? 0.01 : -1, canary ? 0.005 : -1);
	assert_int_equal(t->on_fail, ON_FAIL_ROLLBACK);
	assert_int_equal(t->on_no_data, ON_NO_DATA_HOLD);
	assert_int_equal(t->progress_deadline_us, 10 * MINUTE);
}

static void
assert_portion(struct portion p, uint32_t share, unsigned count)
{
	assert_int_equal(p.share, share);
	assert_int_equal(p.count, count);
}

static void
assert_defaults(const struct release *r)
{
	const struct strategy_terms *t = r->terms;

	assert_ptr_equal(r->strategy, &strategy_canary);
	for (size_t i = 0; i < RELEASE_STRATEGIES; i++)
		assert_terms(release_terms(r, strategy_at(i)), strategy_at(i));
	assert_null(strategy_at(RELEASE_STRATEGIES));
	assert_steps(&t[RELEASE_CANARY]);
	assert_portion(t[RELEASE_ROLLING].max_surge, 0, 1);
	assert_portion(t[RELEASE_ROLLING].max_unavailable, 0, 0);
	assert_int_equal(t[RELEASE_ROLLING].parallelism, 0);
	assert_int_equal(t[RELEASE_ROLLING].min_ready_us, 10 * SECOND);
	assert_int_equal(t[RELEASE_ROLLING].order, ROLL_START_FIRST);
	assert_portion(t[RELEASE_ROLLING].max_failed, 0, 0);
	assert_true(t[RELEASE_BLUE_GREEN].auto_promote);
	assert_int_equal(t[RELEASE_BLUE_GREEN].keep_old_us, 5 * MINUTE);
	assert_int_equal(t[RELEASE_AB].duration_us, 14 * 24 * 60 * MINUTE);
	assert_null(r->preview);
	assert_null(r->ab_match);
	assert_int_equal(r->park_ms, 0);
	assert_int_equal(r->park_limit, 1000);
	assert_int_equal(r->on_restart, ON_RESTART_CONTINUE);
	assert_null(r->only);
	assert_int_equal(r->nhooks, 0);
}

/* Those of release_new() and those of the tables are the same. */
static void
test_defaults(void **state)
{
	static const char *const texts[] = {SHOP, R(""),
	    R("canary: {}, rolling: {}, blue_green: {}, recreate: {}, ab: {}"),
	    R("webhooks: []")};

	(void)state;
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
		struct conf *c = parse_good(texts[i]);

		assert_defaults(release_of(c));
		conf_free(c);
	}
	release_free(NULL);
}

/* Where the words stand for a strategy is where its terms are. */
static void
test_strategies(void **state)
{
	static const char *const words[] = {[RELEASE_RECREATE] = "recreate",
	    [RELEASE_ROLLING] = "rolling",
	    [RELEASE_BLUE_GREEN] = "blue_green",
	    [RELEASE_CANARY] = "canary",
	    [RELEASE_AB] = "ab"};

	(void)state;
	for (size_t i = 0; i < RELEASE_STRATEGIES; i++) {
		char text[512];
		struct conf *c;

		snprintf(text, sizeof text,
		    R("strategy: %s, ab: {match: {path: /x}}"), words[i]);
		c = parse_good(text);
		assert_string_equal(strategy_at(i)->name, words[i]);
		assert_ptr_equal(release_of(c)->strategy, strategy_at(i));
		assert_ptr_equal(release_terms(release_of(c), strategy_at(i)),
		    &release_of(c)->terms[i]);
		conf_free(c);
	}
}

static void
test_canary(void **state)
{
	struct conf *c = parse_good(
	    SHOP "    release:\n"
		 "      canary:\n"
		 "        steps:\n"
		 "          - { weight: 0.5, hold: 90s }\n"
		 "          - { weight: 10, hold: 10m, ramp: true }\n"
		 "          - { weight: 100, pause: true }\n"
		 "        gates: { window: 30s, min_requests: 7,\n"
		 "          max_error_rate: 2.5%, max_p99: 300ms,\n"
		 "          max_p99_increase: 20%, confidence: 99% }\n"
		 "        on_fail: pause\n"
		 "        on_no_data: advance\n"
		 "      progress_deadline: 1m\n");
	const struct release *r = release_of(c);
	const struct strategy_terms *t = release_terms(r, &strategy_canary);

	(void)state;
	assert_int_equal(t->nsteps, 3);
	assert_int_equal(t->steps[0].share, SHARE_ALL / 200);
	assert_int_equal(t->steps[0].hold_us, 90 * SECOND);
	assert_int_equal(t->steps[1].share, SHARE_ALL / 10);
	assert_true(t->steps[1].ramp);
	assert_int_equal(t->steps[2].share, SHARE_ALL);
	assert_int_equal(t->steps[2].hold_us, 0);
	assert_true(t->steps[2].pause);
	assert_int_equal(t->gates.window_us, 30 * SECOND);
	assert_int_equal(t->gates.min_requests, 7);
	assert_true(t->gates.max_error_rate == 0.025);
	/* not written beside others: not asked for */
	assert_true(t->gates.max_error_increase == -1);
	assert_int_equal(t->gates.max_p99_us, 300000);
	assert_true(t->gates.max_p99_increase == 0.2);
	assert_true(t->gates.confidence == 0.99);
	assert_int_equal(t->on_fail, ON_FAIL_PAUSE);
	assert_int_equal(t->on_no_data, ON_NO_DATA_ADVANCE);
	for (size_t i = 0; i < RELEASE_STRATEGIES; i++)
		assert_int_equal(r->terms[i].progress_deadline_us, MINUTE);
	conf_free(c);
	c = parse_good(CANARY("gates: off"));
	assert_gates(&release_of(c)->terms[RELEASE_CANARY].gates, -1, -1);
	conf_free(c);
	c = parse_good(CANARY("gates: {max_error_rate: 0%}"));
	assert_gates(&release_of(c)->terms[RELEASE_CANARY].gates, 0, -1);
	conf_free(c);
}

static void
test_others(void **state)
{
	struct conf *c = parse_good(
	    SHOP "    release:\n"
		 "      strategy: ab\n"
		 "      rolling: { max_surge: 2, max_unavailable: 1,\n"
		 "        min_ready: 0s, order: stop_first, max_failed: 3,\n"
		 "        gates: { max_error_increase: 1% }, on_fail: pause }\n"
		 "      blue_green: { preview: { header: { X-Preview: \"1\" } "
		 "},\n"
		 "        auto_promote: false, keep_old: 0s, on_fail: pause,\n"
		 "        gates: { max_p99: 1s }, on_no_data: rollback }\n"
		 "      recreate: { park: 30s, park_limit: 5 }\n"
		 "      ab: { match: [ { path: /a }, { path: /b } ],\n"
		 "        duration: 1h, gates: { max_error_rate: 5% },\n"
		 "        on_fail: pause }\n"
		 "      on_restart: rollback\n");
	const struct release *r = release_of(c);
	const struct strategy_terms *t = r->terms;

	(void)state;
	assert_portion(t[RELEASE_ROLLING].max_surge, 0, 2);
	assert_portion(t[RELEASE_ROLLING].max_unavailable, 0, 1);
	assert_int_equal(t[RELEASE_ROLLING].parallelism, 0);
	assert_int_equal(t[RELEASE_ROLLING].min_ready_us, 0);
	assert_int_equal(t[RELEASE_ROLLING].order, ROLL_STOP_FIRST);
	assert_portion(t[RELEASE_ROLLING].max_failed, 0, 3);
	assert_gates(&t[RELEASE_ROLLING].gates, -1, 0.01);
	assert_int_equal(t[RELEASE_ROLLING].on_fail, ON_FAIL_PAUSE);
	assert_false(t[RELEASE_BLUE_GREEN].auto_promote);
	assert_int_equal(t[RELEASE_BLUE_GREEN].keep_old_us, 0);
	assert_int_equal(t[RELEASE_BLUE_GREEN].gates.max_p99_us, SECOND);
	assert_int_equal(t[RELEASE_BLUE_GREEN].on_fail, ON_FAIL_PAUSE);
	assert_int_equal(t[RELEASE_BLUE_GREEN].on_no_data, ON_NO_DATA_ROLLBACK);
	assert_int_equal(r->park_ms, 30000);
	assert_int_equal(r->park_limit, 5);
	assert_int_equal(t[RELEASE_AB].duration_us, 60 * MINUTE);
	assert_gates(&t[RELEASE_AB].gates, 0.05, -1);
	assert_int_equal(t[RELEASE_AB].on_fail, ON_FAIL_PAUSE);
	assert_gates(&t[RELEASE_CANARY].gates, 0.01, 0.005);
	assert_int_equal(r->on_restart, ON_RESTART_ROLLBACK);
	conf_free(c);
	c = parse_good(R("rolling: {max_surge: 5, parallelism: 2}"));
	assert_int_equal(release_of(c)->terms[RELEASE_ROLLING].parallelism, 2);
	conf_free(c);
}

static void
test_portions(void **state)
{
	struct conf *c =
	    parse_good(R("rolling: {max_surge: 12.5%, max_unavailable: 100%, "
			 "max_failed: 0.0001%}"));
	const struct strategy_terms *t = release_of(c)->terms;

	(void)state;
	assert_portion(t[RELEASE_ROLLING].max_surge, SHARE_ALL / 8, 0);
	assert_portion(t[RELEASE_ROLLING].max_unavailable, SHARE_ALL, 0);
	assert_portion(t[RELEASE_ROLLING].max_failed, 1, 0);
	conf_free(c);
}

static void
test_matches(void **state)
{
	const struct field preview = {
	    .name = SPAN("X-Preview"), .value = SPAN("1")};
	struct conf *c =
	    parse_good(R("blue_green: {preview: {header: {X-Preview: \"1\"}}}, "
			 "ab: {match: {user_agent: {contains: Good}}}"));
	const struct release *r = release_of(c);
	struct request with = {.fields = &preview, .nfields = 1};
	const struct request without = {.path = SPAN("/")};
	char words[128];

	(void)state;
	assert_true(match_test(r->preview, &with));
	assert_false(match_test(r->preview, &without));
	assert_false(match_test(r->ab_match, &with));
	match_describe(r->ab_match, words, sizeof words);
	assert_non_null(strstr(words, "User-Agent"));
	conf_free(c);
}

static void
test_hooks(void **state)
{
	struct conf *c = parse_good(
	    SHOP "    release:\n"
		 "      webhooks:\n"
		 "        - { url: \"http://127.0.0.1:9000/hook?a=b\" }\n"
		 "        - { url: \"http://[::1]\", phases: [promoting, "
		 "failed],\n"
		 "            wait: true, timeout: 1s, retry: 100ms }\n"
		 "        - { url: \"http://127.0.0.1?x\" }\n"
		 "        - { url: \"https://Hooks.example\" }\n"
		 "        - { url: \"http://a-b.c.:9000/x\" }\n"
		 "        - { url: \"https://[::1]:8443/y?z=1\" }\n"
		 "        - { url: \"http://hooks?z\" }\n");
	const struct release *r = release_of(c);

	(void)state;
	assert_int_equal(r->nhooks, 7);
	assert_string_equal(r->hooks[0].url, "http://127.0.0.1:9000/hook?a=b");
	assert_int_equal(r->hooks[0].phases, 0xff);
	assert_int_equal(r->hooks[0].kind, HOOK_TELL);
	assert_int_equal(r->hooks[0].timeout_ms, 5000);
	assert_int_equal(r->hooks[0].retry_ms, 10000);
	assert_string_equal(r->hooks[1].url, "http://[::1]:80/");
	assert_int_equal(
	    r->hooks[1].phases, 1u << ROLLOUT_PROMOTING | 1u << ROLLOUT_FAILED);
	assert_int_equal(r->hooks[1].kind, HOOK_ASK);
	assert_int_equal(r->hooks[1].timeout_ms, 1000);
	assert_int_equal(r->hooks[1].retry_ms, 100);
	assert_string_equal(r->hooks[2].url, "http://127.0.0.1:80/?x");
	assert_string_equal(r->hooks[3].url, "https://Hooks.example:443/");
	assert_string_equal(r->hooks[4].url, "http://a-b.c.:9000/x");
	assert_string_equal(r->hooks[5].url, "https://[::1]:8443/y?z=1");
	assert_string_equal(r->hooks[6].url, "http://hooks:80/?z");
	conf_free(c);
}

static void
test_only(void **state)
{
	/* Thursday, 1 January 1970 */
	const uint64_t nine = 9 * 60 * MINUTE;
	struct conf *c = parse_good(R("only: thu 09:00-10:00 UTC"));

	(void)state;
	assert_true(schedule_open(release_of(c)->only, nine));
	assert_false(schedule_open(release_of(c)->only, nine - 1));
	conf_free(c);
	c = parse_good(R("only: [mon 09:00-10:00 UTC, thu UTC]"));
	assert_true(schedule_open(release_of(c)->only, nine - 1));
	assert_false(schedule_open(release_of(c)->only, 3 * nine));
	conf_free(c);
}

/* clang-format off */
static const struct row keys[] = {
    {R("strategy: blue"), "5:25: expected one of recreate, rolling, "
	"blue_green, canary, ab, found \"blue\"\n"},
    {R("strategie: ab"), "5:15: unknown key \"strategie\", did you mean "
	"\"strategy\"?\n"},
    {SHOP "    release: canary\n", "5:14: expected a map with the keys "
	"strategy, canary, rolling, blue_green, recreate, ab, "
	"progress_deadline, on_restart, only, webhooks, found a string\n"},
    {R("strategy: ab"), "5:25: strategy ab needs \"match\" in \"ab\": who "
	"gets the candidate\n"},
    {R("strategy: ab, ab: {duration: 1d}"), "5:25: strategy ab needs "
	"\"match\" in \"ab\": who gets the candidate\n"},
    {R("on_restart: abort"), "5:27: expected one of continue, rollback, "
	"pause, found \"abort\"\n"},
    {R("progress_deadline: 8d"),
	"5:34: expected a duration from 0s to 7d, found \"8d\"\n"},
    {R("recreate: {park: 2h, park_limit: 0}"),
	"5:32: expected a duration from 0s to 1h, found \"2h\"\n"
	"5:48: expected an integer from 1 to 1000000, found \"0\"\n"},
    {R("blue_green: {auto_promote: yes, keep_old: 5}"),
	"5:42: expected true or false, found \"yes\"\n"
	"5:57: " WANT_DURATION "\"5\"\n"},
    {R("blue_green: {preview: {headers: {X: y}}}"),
	"5:38: unknown key \"headers\", did you mean \"header\"?\n"},
    {R("blue_green: {preview: {}}"),
	"5:37: expected at least one test\n"},
    {R("blue_green: {preview: beta}"), "5:37: expected a map of tests as in "
	"rules, or a list of such maps, found a string\n"},
    {R("ab: {match: {header: {X: {regex: \"(\"}}}, duration: 0s}"),
	"5:48: missing closing parenthesis at offset 1\n"
	"5:66: expected a duration from 1s to 365d, found \"0s\"\n"},
    {R("ab: {match: []}"), "5:27: expected at least one map of tests\n"},
};

static const struct row steps[] = {
    {CANARY("steps: []"), "5:31: expected 1 to 100 steps, found 0\n"},
    {CANARY("steps: 5"), "5:31: expected a list of steps, found a string\n"},
    {CANARY("steps: [5]"), "5:32: expected a map with the keys weight, hold, "
	"pause, ramp, found a string\n"},
    {CANARY("steps: [{hold: 1m}]"), "5:32: missing key \"weight\"\n"},
    {CANARY("steps: [{weight: 0}]"),
	"5:41: expected a weight from 0.0001 to 100, found \"0\"\n"},
    {CANARY("steps: [{weight: 100.1}]"),
	"5:41: expected a weight from 0.0001 to 100, found \"100.1\"\n"},
    {CANARY("steps: [{weight: 5%}]"), "5:41: expected a weight of 0 or more "
	"such as 80 or 0.01, found \"5%\"\n"},
    {CANARY("steps: [{weight: 5}, {weight: 5.0, hold: 1s}, {weight: 4}]"),
	"5:54: expected more than the step before has, which is 5, found "
	"\"5.0\"\n"
	"5:79: expected more than the step before has, which is 5, found "
	"\"4\"\n"},
    /* what was wrong itself is not compared with */
    {CANARY("steps: [{weight: 101}, {weight: 5}]"),
	"5:41: expected a weight from 0.0001 to 100, found \"101\"\n"},
    {CANARY("steps: [{weight: 5, ramp: true}]"), "5:50: \"ramp\" needs "
	"\"hold\": over what time the share grows\n"},
    {CANARY("steps: [{weight: 5, ramp: false}]"), ""},
    {CANARY("steps: [{weight: 5, hold: 1, pause: 1}]"),
	"5:50: " WANT_DURATION "\"1\"\n"
	"5:60: expected true or false, found \"1\"\n"},
    {CANARY("on_fail: abort, on_no_data: pass"),
	"5:33: expected one of rollback, pause, found \"abort\"\n"
	"5:52: expected one of hold, advance, rollback, found \"pass\"\n"},
};

static const struct row gates[] = {
    {CANARY("gates: {}"), "5:31: " WANT_LIMIT "\n"},
    {CANARY("gates: {window: 5m, min_requests: 10}"),
	"5:31: " WANT_LIMIT "\n"},
    {CANARY("gates: {max_p99: 1s}"), ""},
    {CANARY("gates: on"),
	"5:31: expected a map of limits, or off, found a string\n"},
    {CANARY("gates: {max_errors: 1%}"),
	"5:32: unknown key \"max_errors\", known: window, min_requests, "
	"max_error_rate, max_error_increase, max_p99, max_p99_increase, "
	"confidence\n"},
    {CANARY("gates: {window: 999ms, min_requests: 0, max_error_rate: 101%, "
	"max_error_increase: 1, max_p99: 0s, max_p99_increase: 10001%, "
	"confidence: 49%}"),
	"5:40: expected a duration from 1s to 1h, found \"999ms\"\n"
	"5:61: expected an integer from 1 to 1000000000, found \"0\"\n"
	"5:80: expected a percentage from 0% to 100%, found \"101%\"\n"
	"5:106: expected a percentage such as 50% or 0.5%, found \"1\"\n"
	"5:118: expected a duration from 1ms to 1h, found \"0s\"\n"
	"5:140: expected a percentage from 0% to 10000%, found \"10001%\"\n"
	"5:160: expected a percentage from 50% to 99.9999%, found \"49%\"\n"},
    {CANARY("gates: {max_error_rate: 1%, confidence: 100%}"),
	"5:64: expected a percentage from 50% to 99.9999%, found \"100%\"\n"},
    {R("rolling: {gates: {}}, blue_green: {gates: {}}, ab: {gates: {}}"),
	"5:32: " WANT_LIMIT "\n5:57: " WANT_LIMIT "\n5:74: " WANT_LIMIT "\n"},
    {R("recreate: {gates: off}"),
	"5:26: unknown key \"gates\", known: park, park_limit\n"},
};

static const struct row rolling[] = {
    {R("rolling: {max_surge: 0}"), "5:36: expected \"max_surge\" or "
	"\"max_unavailable\" to be above 0\n"},
    {R("rolling: {max_unavailable: 0, max_surge: 0}"), "5:56: expected "
	"\"max_surge\" or \"max_unavailable\" to be above 0\n"},
    {R("rolling: {max_unavailable: 1, max_surge: 0}"), ""},
    {R("rolling: {max_unavailable: 0.0%, max_surge: 0%}"), "5:59: expected "
	"\"max_surge\" or \"max_unavailable\" to be above 0\n"},
    {R("rolling: {max_unavailable: 1%, max_surge: 0}"), ""},
    {R("rolling: {max_surge: 25 %, max_unavailable: -1%, max_failed: [1]}"),
	"5:36: " WANT_PODS "\"25 %\"\n5:59: " WANT_PODS "\"-1%\"\n"
	"5:76: " WANT_PODS "a list\n"},
    {R("rolling: {max_surge: 100.1%, max_unavailable: 0.5, max_failed: a%}"),
	"5:36: " WANT_PODS "\"100.1%\"\n5:61: " WANT_PODS "\"0.5\"\n"
	"5:78: " WANT_PODS "\"a%\"\n"},
    {R("rolling: {max_surge: 2, max_unavailable: -1, parallelism: 10%, "
	"max_failed: 1001, order: first, min_ready: 25h}"),
	"5:56: " WANT_PODS "\"-1\"\n"
	"5:73: expected an integer from 1 to 1000, found \"10%\"\n"
	"5:90: " WANT_PODS "\"1001\"\n"
	"5:103: expected one of start_first, stop_first, found \"first\"\n"
	"5:121: expected a duration from 0s to 1d, found \"25h\"\n"},
    {R("rolling: {min_ready: 10m}"), "5:36: expected \"min_ready\" to be "
	"less than \"progress_deadline\"\n"},
    {R("progress_deadline: 10s"), ""},
    {R("progress_deadline: 0s, rolling: {min_ready: 1h}"), ""},
};

static const struct row hooks_refused[] = {
    {R("webhooks: {}"), "5:25: expected a list of webhooks, found a map\n"},
    {R("webhooks: [{}]"), "5:26: missing key \"url\"\n"},
    {R("webhooks: [{url: \"ftp://127.0.0.1/\"}]"),
	"5:32: " WANT_URL "\"ftp://127.0.0.1/\"\n"},
    {R("webhooks: [{url: \"http://localhost/\"}]"),
	"5:32: " WANT_NO_NAME "\"http://localhost/\"\n"},
    {R("webhooks: [{url: \"https://a.LocalHost.:1/\"}]"),
	"5:32: " WANT_NO_NAME "\"https://a.LocalHost.:1/\"\n"},
    {R("webhooks: [{url: \"https:///a\"}]"),
	"5:32: " WANT_URL "\"https:///a\"\n"},
    {R("webhooks: [{url: \"http://a:65536\"}]"),
	"5:32: " WANT_URL "\"http://a:65536\"\n"},
    {R("webhooks: [{url: \"http://a:\"}]"),
	"5:32: " WANT_URL "\"http://a:\"\n"},
    {R("webhooks: [{url: \"http://a:1:2\"}]"),
	"5:32: " WANT_URL "\"http://a:1:2\"\n"},
    {R("webhooks: [{url: \"http://127.1\"}]"),
	"5:32: " WANT_URL "\"http://127.1\"\n"},
    {R("webhooks: [{url: \"http://a b/\"}]"),
	"5:32: " WANT_URL "\"http://a b/\"\n"},
    {R("webhooks: [{url: \"http://b..c/\"}]"),
	"5:32: " WANT_URL "\"http://b..c/\"\n"},
    {R("webhooks: [{url: 127.0.0.1}]"), "5:32: " WANT_URL "\"127.0.0.1\"\n"},
    {R("webhooks: [{url: \"http://unix:/run/a\"}]"),
	"5:32: " WANT_URL "\"http://unix:/run/a\"\n"},
    {R("webhooks: [{url: \"http://unix:@a\"}]"),
	"5:32: " WANT_URL "\"http://unix:@a\"\n"},
    {R("webhooks: [{url: \"http://127.0.0.1:0\"}]"),
	"5:32: " WANT_URL "\"http://127.0.0.1:0\"\n"},
    {R("webhooks: [{url: \"http://a@127.0.0.1\"}]"),
	"5:32: " WANT_URL "\"http://a@127.0.0.1\"\n"},
    {R("webhooks: [{url: \"http://127.0.0.1/a b\"}]"),
	"5:32: " WANT_URL "\"http://127.0.0.1/a b\"\n"},
    {R("webhooks: [{url: \"http://127.0.0.1/\\r\\nX: y\"}]"),
	"5:32: " WANT_URL "\"http://127.0.0.1/\\x0d\\x0aX: y\"\n"},
    {R("webhooks: [{url: \"http://\"}]"), "5:32: " WANT_URL "\"http://\"\n"},
    {R("webhooks: [{url: [a], phases: []}]"), "5:32: " WANT_URL "a "
	"list\n5:45: expected at least one phase\n"},
    {R("webhooks: [{url: \"http://127.0.0.1\", phases: [end, [done]], "
	"wait: maybe, timeout: 0s, retry: 99ms}]"),
	"5:61: " WANT_PHASE "\"end\"\n5:66: " WANT_PHASE "a list\n"
	"5:81: expected true or false, found \"maybe\"\n"
	"5:97: expected a duration from 1ms to 1h, found \"0s\"\n"
	"5:108: expected a duration from 100ms to 1h, found \"99ms\"\n"},
};

static const struct row only_refused[] = {
    {R("only: []"), "5:21: expected at least one window\n"},
    {R("only: 9-17"), "5:21: " WANT_WINDOW "\"9-17\"\n"},
    {R("only: [mon 09:00-17:00, mon 17:00]"),
	"5:39: " WANT_WINDOW "\"mon 17:00\"\n"},
    {R("only: weekdays"), "5:21: expected days such as mon-fri or sat,sun, "
	"found \"weekdays\"\n"},
    {R("only: 09:00-17:00 CET"), "5:21: expected nothing behind the times "
	"but UTC, found \"09:00-17:00 CET\"\n"},
    {R("only: {}"), "5:21: expected a window such as mon-fri 09:00-17:00, or "
	"a list of them, found a map\n"},
    {R("only: [[mon]]"), "5:22: expected a window such as mon-fri "
	"09:00-17:00, or a list of them, found a list\n"},
};
/* clang-format on */

TABLE_TEST(keys)
TABLE_TEST(steps)
TABLE_TEST(gates)
TABLE_TEST(rolling)
TABLE_TEST(hooks_refused)
TABLE_TEST(only_refused)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_defaults),
	    cmocka_unit_test(test_strategies),
	    cmocka_unit_test(test_canary),
	    cmocka_unit_test(test_others),
	    cmocka_unit_test(test_portions),
	    cmocka_unit_test(test_matches),
	    cmocka_unit_test(test_hooks),
	    cmocka_unit_test(test_only),
	    cmocka_unit_test(test_keys),
	    cmocka_unit_test(test_steps),
	    cmocka_unit_test(test_gates),
	    cmocka_unit_test(test_rolling),
	    cmocka_unit_test(test_hooks_refused),
	    cmocka_unit_test(test_only_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
