/* Patterns and matches as tables. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <pthread.h>
#include <stdio.h>

#include "base/cidr.h"
#include "router/match.h"

static struct pattern *
make(enum pattern_kind kind, const char *text)
{
	char why[128] = "";
	struct pattern *p = pattern_new(kind, text, why, sizeof why);

	if (p == NULL)
		fail_msg("%s: %s", text, why);
	return p;
}

static void
test_patterns(void **state)
{
	static const struct {
		enum pattern_kind kind;
		const char *text, *value;
		bool matches;
	} rows[] = {
	    {PATTERN_EXACT, "beta", "beta", true},
	    {PATTERN_EXACT, "beta", "Beta", false},
	    {PATTERN_EXACT, "beta", "beta2", false},
	    {PATTERN_EXACT, "beta", "bet", false},
	    {PATTERN_EXACT, "", "", true},
	    {PATTERN_EXACT, "", "x", false},
	    {PATTERN_PREFIX, "be", "beta", true},
	    {PATTERN_PREFIX, "beta", "beta", true},
	    {PATTERN_PREFIX, "beta", "bet", false},
	    {PATTERN_PREFIX, "", "bet", true},
	    {PATTERN_PREFIX, "eta", "beta", false},
	    {PATTERN_CONTAINS, "et", "beta", true},
	    {PATTERN_CONTAINS, "ta", "beta", true},
	    {PATTERN_CONTAINS, "ET", "beta", false},
	    {PATTERN_CONTAINS, "betas", "beta", false},
	    {PATTERN_CONTAINS, "", "", true},
	    {PATTERN_REGEX, "Sometimes-Fail", "load Sometimes-Fail/1", true},
	    {PATTERN_REGEX, "Sometimes-Fail", "Always-Good", false},
	    {PATTERN_REGEX, "^b.t", "beta", true},
	    {PATTERN_REGEX, "^e", "beta", false},
	    {PATTERN_REGEX, "a$", "beta", true},
	    {PATTERN_REGEX, "a$", "beta\n", false},
	    {PATTERN_REGEX, "x|eta", "beta", true},
	    {PATTERN_REGEX, "^x|^y", "beta", false},
	    {PATTERN_REGEX, "(?i)BETA", "beta", true},
	    {PATTERN_REGEX, "(a)(t)\\2", "xatt", true},
	    {PATTERN_REGEX, "^$", "", true},
	    {PATTERN_REGEX, "\\d{3}", "ab12", false},
	    {PATTERN_REGEX, "\xff+", "a\xff\xff", true},
	    {PATTERN_PRESENT, "", "", true},
	    {PATTERN_PRESENT, "", "anything", true},
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct pattern *p = make(rows[i].kind, rows[i].text);

		if (pattern_test(p, span_of(rows[i].value)) != rows[i].matches)
			fail_msg("%s on %s", rows[i].text, rows[i].value);
		assert_string_equal(pattern_text(p), rows[i].text);
		assert_int_equal(pattern_kind(p), rows[i].kind);
		pattern_free(p);
	}
	pattern_free(NULL);
}

static void
test_empty_value(void **state)
{
	struct pattern *any = make(PATTERN_REGEX, ".*");
	struct pattern *some = make(PATTERN_REGEX, ".");

	(void)state;
	assert_true(pattern_test(any, SPAN_NONE));
	assert_false(pattern_test(some, SPAN_NONE));
	pattern_free(any);
	pattern_free(some);
}

static void
test_bad_regex(void **state)
{
	static const struct {
		const char *text, *why;
	} rows[] = {
	    {"a(b", "missing closing parenthesis at offset 3"},
	    {"a)(b", "unmatched closing parenthesis at offset 1"},
	    {"[a", "missing terminating ] for character class at offset 2"},
	    {"*", "quantifier does not follow a repeatable item at offset 0"},
	};
	char why[128];

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		why[0] = '\0';
		assert_null(
		    pattern_new(PATTERN_REGEX, rows[i].text, why, sizeof why));
		assert_string_equal(why, rows[i].why);
	}
}

#define FIELD(id, name, value)                      \
	{                                           \
		SPAN(name), SPAN(value), FIELD_##id \
	}

static const struct field fields[] = {
    FIELD(HOST, "Host", "shop"),
    FIELD(USER_AGENT, "user-AGENT", "Sometimes-Fail"),
    FIELD(OTHER, "X-Preview", "1"),
    FIELD(OTHER, "X-Team", "red"),
    FIELD(OTHER, "x-team", "blue"),
    FIELD(COOKIE, "Cookie", "a=1; release=alpha"),
    FIELD(COOKIE, "cookie", "b=2; theme=\"dark\""),
    FIELD(OTHER, "X-Empty", ""),
    FIELD(OTHER, "X-Cookie", "fake=1"),
};

static const struct request request = {
    .method = SPAN("POST"),
    .path = SPAN("/api/cart%20a"),
    .query = SPAN("release=beta&tag=a+b&tag=%C3%A9%26&debug&my%20key=1"),
    .fields = fields,
    .nfields = sizeof fields / sizeof fields[0],
};

/* A test; `begins`: with it another alternative does. */
struct part {
	enum match_source source;
	const char *name;
	enum pattern_kind kind;
	const char *text;
	const char *second; /* or this, of the same kind */
	bool negated, begins;
};

#define PART2(from, what, how, first, or)                        \
	{                                                        \
		.source = (from), .name = (what), .kind = (how), \
		.text = (first), .second = (or)                  \
	}
#define PART(from, what, how, first) PART2(from, what, how, first, NULL)

static struct match *
make_match(const struct part *parts, size_t n)
{
	struct match *m = match_new();

	assert_non_null(m);
	for (size_t i = 0; i < n && parts[i].text != NULL; i++) {
		const struct part *part = &parts[i];
		struct pattern *p[2] = {make(part->kind, part->text)};
		size_t count = 1;

		if (part->second != NULL)
			p[count++] = make(part->kind, part->second);
		if (part->begins)
			match_or(m);
		assert_int_equal(match_add(m, part->source, part->name, p,
				     count, part->negated),
		    0);
	}
	return m;
}

static void
test_matches(void **state)
{
	static const struct {
		struct part parts[3];
		bool matches;
		const char *words;
	} rows[] = {
	    {{PART(MATCH_HEADER, NULL, PATTERN_EXACT, NULL)}, true,
		"every request"},
	    {{PART(
		 MATCH_HEADER, "User-Agent", PATTERN_REGEX, "Sometimes-Fail")},
		true, "User-Agent ~ Sometimes-Fail"},
	    {{PART(MATCH_HEADER, "User-Agent", PATTERN_CONTAINS, "Always")},
		false, "User-Agent contains Always"},
	    {{PART(MATCH_HEADER, "x-preview", PATTERN_EXACT, "1")}, true,
		"x-preview = 1"},
	    {{PART(MATCH_HEADER, "X-Preview", PATTERN_EXACT, "2")}, false,
		"X-Preview = 2"},
	    {{PART(MATCH_HEADER, "X-Previe", PATTERN_PRESENT, "")}, false,
		"X-Previe is present"},
	    {{PART(MATCH_HEADER, "X-Empty", PATTERN_PRESENT, "")}, true,
		"X-Empty is present"},
	    {{PART(MATCH_HEADER, "X-Team", PATTERN_EXACT, "red")}, true,
		"X-Team = red"},
	    {{PART(MATCH_HEADER, "X-Team", PATTERN_EXACT, "blue")}, true,
		"X-Team = blue"},
	    {{PART(MATCH_HEADER, "X-Team", PATTERN_PREFIX, "gr")}, false,
		"X-Team starts with gr"},
	    {{PART(MATCH_COOKIE, "release", PATTERN_EXACT, "alpha")}, true,
		"cookie release = alpha"},
	    {{PART(MATCH_COOKIE, "theme", PATTERN_EXACT, "dark")}, true,
		"cookie theme = dark"},
	    {{PART(MATCH_COOKIE, "b", PATTERN_PRESENT, "")}, true,
		"cookie b is present"},
	    {{PART(MATCH_COOKIE, "Release", PATTERN_PRESENT, "")}, false,
		"cookie Release is present"},
	    {{PART(MATCH_COOKIE, "X-Preview", PATTERN_PRESENT, "")}, false,
		"cookie X-Preview is present"},
	    {{PART(MATCH_COOKIE, "fake", PATTERN_PRESENT, "")}, false,
		"cookie fake is present"},
	    {{PART(MATCH_HEADER, "Cookie", PATTERN_CONTAINS, "b=2")}, true,
		"Cookie contains b=2"},
	    {{PART(MATCH_HEADER, "User-Agent", PATTERN_REGEX, "Sometimes-Fail"),
		 PART(MATCH_COOKIE, "release", PATTERN_EXACT, "beta")},
		false, "User-Agent ~ Sometimes-Fail and cookie release = beta"},
	    {{PART(MATCH_HEADER, "X-Team", PATTERN_EXACT, "red"),
		 PART(MATCH_COOKIE, "a", PATTERN_EXACT, "1"),
		 PART(MATCH_HEADER, "host", PATTERN_EXACT, "shop")},
		true, "X-Team = red and cookie a = 1 and host = shop"},
	};
	const struct request none = {.fields = NULL};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct match *m = make_match(rows[i].parts, 3);
		char words[128], cut[8];

		match_describe(m, words, sizeof words);
		assert_string_equal(words, rows[i].words);
		match_describe(m, cut, sizeof cut);
		assert_memory_equal(cut, words, sizeof cut - 1);
		assert_int_equal(cut[7], '\0');
		if (match_test(m, &request) != rows[i].matches)
			fail_msg("%s", words);
		assert_true(match_test(m, &none) == (i == 0));
		match_free(m);
	}
	match_free(NULL);
}

/* Rows of one test: whether it holds of `request`, and of an empty one. */
static const struct single {
	struct part part;
	bool matches, of_nothing;
	const char *words;
} singles[] = {
    {PART(MATCH_QUERY, "release", PATTERN_EXACT, "beta"), true, false,
	"query release = beta"},
    {PART(MATCH_QUERY, "release", PATTERN_EXACT, "bet"), false, false,
	"query release = bet"},
    {PART(MATCH_QUERY, "Release", PATTERN_EXACT, "beta"), false, false,
	"query Release = beta"},
    {PART(MATCH_QUERY, "tag", PATTERN_EXACT, "a b"), true, false,
	"query tag = a b"},
    {PART(MATCH_QUERY, "tag", PATTERN_EXACT, "a+b"), false, false,
	"query tag = a+b"},
    {PART(MATCH_QUERY, "tag", PATTERN_EXACT, "\xc3\xa9&"), true, false,
	"query tag = \xc3\xa9&"},
    {PART(MATCH_QUERY, "tag", PATTERN_PREFIX, "\xc3"), true, false,
	"query tag starts with \xc3"},
    {PART(MATCH_QUERY, "tag", PATTERN_PREFIX, "%C3"), false, false,
	"query tag starts with %C3"},
    {PART(MATCH_QUERY, "tag", PATTERN_CONTAINS, " "), true, false,
	"query tag contains  "},
    {PART(MATCH_QUERY, "tag", PATTERN_CONTAINS, "+"), false, false,
	"query tag contains +"},
    {PART(MATCH_QUERY, "tag", PATTERN_REGEX, "^a\\sb$"), true, false,
	"query tag ~ ^a\\sb$"},
    {PART(MATCH_QUERY, "tag", PATTERN_REGEX, "^b"), false, false,
	"query tag ~ ^b"},
    {PART(MATCH_QUERY, "debug", PATTERN_PRESENT, ""), true, false,
	"query debug is present"},
    {PART(MATCH_QUERY, "debug", PATTERN_EXACT, ""), true, false,
	"query debug = "},
    {PART(MATCH_QUERY, "my key", PATTERN_EXACT, "1"), true, false,
	"query my key = 1"},
    {PART(MATCH_QUERY, "beta", PATTERN_PRESENT, ""), false, false,
	"query beta is present"},
    {PART(MATCH_METHOD, NULL, PATTERN_EXACT, "POST"), true, false,
	"method = POST"},
    {PART(MATCH_METHOD, NULL, PATTERN_EXACT, "GET"), false, false,
	"method = GET"},
    {PART(MATCH_METHOD, NULL, PATTERN_EXACT, "post"), false, false,
	"method = post"},
    {PART2(MATCH_METHOD, NULL, PATTERN_EXACT, "GET", "POST"), true, false,
	"method = GET or = POST"},
    {PART2(MATCH_METHOD, NULL, PATTERN_EXACT, "GET", "HEAD"), false, false,
	"method = GET or = HEAD"},
    {PART(MATCH_METHOD, NULL, PATTERN_PREFIX, "PO"), true, false,
	"method starts with PO"},
    {PART(MATCH_METHOD, NULL, PATTERN_REGEX, "^P(OST|UT)$"), true, false,
	"method ~ ^P(OST|UT)$"},
    {PART(MATCH_METHOD, NULL, PATTERN_CONTAINS, "E"), false, false,
	"method contains E"},
    {PART(MATCH_PATH, NULL, PATTERN_EXACT, "/api/cart%20a"), true, false,
	"path = /api/cart%20a"},
    {PART(MATCH_PATH, NULL, PATTERN_EXACT, "/api/cart a"), false, false,
	"path = /api/cart a"},
    {PART(MATCH_PATH, NULL, PATTERN_EXACT, "/api"), false, false,
	"path = /api"},
    {PART(MATCH_PATH, NULL, PATTERN_PREFIX, "/ap"), true, false,
	"path starts with /ap"},
    {PART2(MATCH_PATH, NULL, PATTERN_PREFIX, "/api/x", "/api/c"), true, false,
	"path starts with /api/x or starts with /api/c"},
    {PART(MATCH_PATH, NULL, PATTERN_CONTAINS, "release"), false, false,
	"path contains release"},
    {PART(MATCH_PATH, NULL, PATTERN_CONTAINS, "/cart"), true, false,
	"path contains /cart"},
    {PART(MATCH_PATH, NULL, PATTERN_REGEX, "/cart"), true, false,
	"path ~ /cart"},
    {PART(MATCH_PATH, NULL, PATTERN_REGEX, "^/cart"), false, false,
	"path ~ ^/cart"},
    {PART2(MATCH_HEADER, "User-Agent", PATTERN_CONTAINS, "x", "-F"), true,
	false, "User-Agent contains x or contains -F"},
    {PART2(MATCH_HEADER, "X-Team", PATTERN_EXACT, "green", "blue"), true, false,
	"X-Team = green or = blue"},
    {PART2(MATCH_COOKIE, "release", PATTERN_EXACT, "beta", "gamma"), false,
	false, "cookie release = beta or = gamma"},
};

/* Negated, each is the contrary: so it holds where nothing is there. */
static void
test_single(void **state)
{
	const struct request none = {.fields = NULL};

	(void)state;
	for (size_t i = 0; i < sizeof singles / sizeof singles[0]; i++) {
		const struct single *row = &singles[i];

		for (int negated = 0; negated < 2; negated++) {
			struct part part = row->part;
			struct match *m;
			char words[128], want[128];

			part.negated = negated;
			m = make_match(&part, 1);
			match_describe(m, words, sizeof words);
			snprintf(want, sizeof want, "%s%s",
			    negated ? "not " : "", row->words);
			assert_string_equal(words, want);
			if (match_test(m, &request) !=
			    (row->matches != (bool)negated))
				fail_msg("%s", words);
			if (match_test(m, &none) !=
			    (row->of_nothing != (bool)negated))
				fail_msg("%s, of nothing", words);
			match_free(m);
		}
	}
}

static void
test_client(void **state)
{
	static const struct {
		const char *blocks[2], *client; /* client NULL: not known */
		bool matches;
	} rows[] = {
	    {{"10.0.0.0/8"}, "10.1.2.3", true},
	    {{"10.0.0.0/8"}, "11.1.2.3", false},
	    {{"10.1.2.3"}, "10.1.2.3", true},
	    {{"10.1.2.3"}, "10.1.2.4", false},
	    {{"10.1.2.3", "fd00::/8"}, "fd12::1", true},
	    {{"10.1.2.3", "fd00::/8"}, "10.1.2.3", true},
	    {{"10.1.2.3", "fd00::/8"}, "fe80::1", false},
	    {{"0.0.0.0/0"}, "::1", false},
	    {{"0.0.0.0/0", "::/0"}, NULL, false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0] * 2; i++) {
		const char *client = rows[i / 2].client;
		struct request r = {.fields = NULL};
		struct match *m = match_new();
		struct cidr blocks[2];
		bool negated = i % 2 == 1;
		size_t n = 0;

		for (; n < 2 && rows[i / 2].blocks[n] != NULL; n++)
			assert_true(
			    cidr_parse(rows[i / 2].blocks[n], &blocks[n]));
		if (client != NULL) {
			r.family =
			    strchr(client, ':') != NULL ? AF_INET6 : AF_INET;
			assert_int_equal(
			    inet_pton(r.family, client, r.client), 1);
		}
		assert_non_null(m);
		assert_int_equal(match_add_client(m, blocks, n, negated), 0);
		if (match_test(m, &r) != (rows[i / 2].matches != negated))
			fail_msg("row %zu", i);
		match_free(m);
	}
}

static void
test_client_words(void **state)
{
	struct match *m = match_new();
	struct cidr blocks[2];
	char words[64];

	(void)state;
	assert_true(cidr_parse("10.0.0.0/8", &blocks[0]));
	assert_true(cidr_parse("::1", &blocks[1]));
	assert_int_equal(match_add_client(m, blocks, 2, true), 0);
	match_describe(m, words, sizeof words);
	assert_string_equal(words, "not client in 10.0.0.0/8 or in ::1");
	match_free(m);
}

#define METHOD(is, new)                                                      \
	{                                                                    \
		.source = MATCH_METHOD, .kind = PATTERN_EXACT, .text = (is), \
		.begins = (new)                                              \
	}
#define YES(new) METHOD("POST", new)
#define NO(new)	 METHOD("GET", new)

/* Tests true and false in all orders: OR of ANDs. */
static void
test_alternatives(void **state)
{
	static const struct {
		struct part parts[4];
		bool matches;
		const char *words;
	} rows[] = {
	    {{YES(true), NO(true)}, true, "method = POST, or method = GET"},
	    {{NO(true), YES(true)}, true, "method = GET, or method = POST"},
	    {{NO(true), NO(true)}, false, "method = GET, or method = GET"},
	    {{NO(false), YES(false)}, false, "method = GET and method = POST"},
	    {{YES(false), YES(false), NO(true)}, true,
		"method = POST and method = POST, or method = GET"},
	    {{YES(false), NO(false), NO(true), YES(false)}, false,
		"method = POST and method = GET, or method = GET and "
		"method = POST"},
	    {{NO(false), NO(false), YES(true), YES(false)}, true,
		"method = GET and method = GET, or method = POST and "
		"method = POST"},
	    {{NO(false), YES(false), NO(true), YES(true)}, true,
		"method = GET and method = POST, or method = GET, or "
		"method = POST"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct match *m = make_match(rows[i].parts, 4);
		char words[128];

		match_describe(m, words, sizeof words);
		assert_string_equal(words, rows[i].words);
		if (match_test(m, &request) != rows[i].matches)
			fail_msg("%s", words);
		match_free(m);
	}
}

static void *
match_often(void *arg)
{
	const struct match *m = arg;

	for (int i = 0; i < 20000; i++)
		if (!match_test(m, &request))
			return arg;
	return NULL;
}

/* One compiled match, used by several threads at once. */
static void
test_threads(void **state)
{
	static const struct part parts[] = {
	    PART(MATCH_HEADER, "User-Agent", PATTERN_REGEX, "(S\\w+)-(F\\w+)"),
	    PART(MATCH_COOKIE, "theme", PATTERN_REGEX, "^d(a|o)rk$"),
	};
	struct match *m = make_match(parts, 2);
	pthread_t threads[4];
	void *failed;

	(void)state;
	for (int i = 0; i < 4; i++)
		assert_int_equal(
		    pthread_create(&threads[i], NULL, match_often, m), 0);
	for (int i = 0; i < 4; i++) {
		pthread_join(threads[i], &failed);
		assert_null(failed);
	}
	match_free(m);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_patterns),
	    cmocka_unit_test(test_empty_value),
	    cmocka_unit_test(test_bad_regex),
	    cmocka_unit_test(test_matches),
	    cmocka_unit_test(test_single),
	    cmocka_unit_test(test_client),
	    cmocka_unit_test(test_client_words),
	    cmocka_unit_test(test_alternatives),
	    cmocka_unit_test(test_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
