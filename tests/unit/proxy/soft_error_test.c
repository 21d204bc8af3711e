/* Answers judged by what they say, however their bodies are cut. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proxy/h1_parse.h"
#include "proxy/soft_error.h"
#include "router/match.h"
#include "router/terms.h"

#define FAILED "\"status\": *\"500\""

static const struct h1_head with_body = {.body = H1_BODY_LENGTH};

static struct pattern *
regex(const char *text)
{
	char why[128];
	struct pattern *p = pattern_new(PATTERN_REGEX, text, why, sizeof why);

	if (p == NULL)
		fail_msg("%s: %s", text, why);
	return p;
}

static uint64_t chance = 1;

static size_t
below(size_t n)
{
	chance ^= chance << 13;
	chance ^= chance >> 7;
	chance ^= chance << 17;
	return (size_t)(chance % n);
}

/*
 * What it says of the body in pieces of so many bytes; of any size up to that
 * where `mixed`. Each piece is memory of its own, to be looked at only now.
 */
static enum reason
judge(struct pattern *p, struct span body, size_t size, bool mixed)
{
	const struct terms terms = {.error_body = p};
	struct soft_error s = {0};
	enum reason reason;

	soft_error_begin(&s, &terms, &with_body);
	while (body.n > 0) {
		size_t n = mixed ? 1 + below(size) : size;
		char *piece;

		if (n > body.n)
			n = body.n;
		piece = malloc(n);
		assert_non_null(piece);
		memcpy(piece, body.p, n);
		if (soft_error_looks(&s))
			soft_error_saw(&s, (struct span){piece, n});
		free(piece);
		body.p += n;
		body.n -= n;
	}
	reason = soft_error_end(&s);
	assert_false(soft_error_looks(&s));
	assert_null(s.window);
	assert_int_equal(soft_error_end(&s), reason);
	soft_error_forget(&s);
	return reason;
}

static void
assert_judged(struct pattern *p, struct span body, enum reason wanted)
{
	static const size_t sizes[] = {
	    1, 2, 7, 64, 1023, 1024, 1025, 2047, 2048, 2049, 16384, 1u << 20};

	for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
		if (judge(p, body, sizes[i], false) != wanted ||
		    judge(p, body, sizes[i], true) != wanted)
			fail_msg("%s, %zu bytes in pieces of %zu",
			    pattern_text(p), body.n, sizes[i]);
}

static void
test_small(void **state)
{
	static const struct {
		const char *regex, *body;
		bool found;
	} rows[] = {
	    {FAILED, "{\"appVersion\":\"2\",\"status\":\"500\"}", true},
	    {FAILED, "{\"appVersion\":\"2\",\"status\":   \"500\"}", true},
	    {FAILED, "{\"appVersion\":\"1\",\"status\":\"200\"}", false},
	    {FAILED, "\"status\":\"500", false},
	    {FAILED, "", false},
	    {"^$", "", true},
	    {"^ok$", "ok", true},
	    {"^ok$", "ok\n", false},
	    {"^ok$", "not ok", false},
	    {"(?i)error", "An ERROR", true},
	    {"(a)(b)?\\1", "aa", true},
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct pattern *p = regex(rows[i].regex);

		assert_judged(p, span_of(rows[i].body),
		    rows[i].found ? REASON_BODY : REASON_NONE);
		pattern_free(p);
	}
}

/* Wherever it is in the first 64 KiB, and nowhere behind them. */
static void
test_places(void **state)
{
	const struct span needle = SPAN("\"status\":\"500\"");
	const size_t room = SOFT_ERROR_BODY + 4 * needle.n;
	char *body = malloc(room);
	struct pattern *p = regex(FAILED);

	(void)state;
	assert_non_null(body);
	for (size_t at = 0; at + needle.n <= room;
	     at += at % 1024 < 1008 && at + 64 < SOFT_ERROR_BODY ? 13 : 1) {
		memset(body, '"', room);
		memcpy(body + at, needle.p, needle.n);
		if (judge(p, (struct span){body, room}, 3000, true) !=
		    (at + needle.n <= SOFT_ERROR_BODY ? REASON_BODY
						      : REASON_NONE))
			fail_msg("at %zu", at);
	}
	pattern_free(p);
	free(body);
}

/* A match of the size that is promised is found wherever it is. */
static void
test_long_matches(void **state)
{
	static char body[20000];
	struct pattern *p = regex("<[^>]*>");

	(void)state;
	for (size_t at = 0; at + SOFT_ERROR_MATCH <= sizeof body; at += 97) {
		memset(body, 'x', sizeof body);
		body[at] = '<';
		body[at + SOFT_ERROR_MATCH - 1] = '>';
		if (judge(p, (struct span){body, sizeof body}, 5000, true) !=
		    REASON_BODY)
			fail_msg("at %zu", at);
	}
	pattern_free(p);
}

/* What a regex may look at besides the match is there between windows, too. */
static void
test_surroundings(void **state)
{
	static const struct {
		const char *regex, *word;
		bool found;
	} rows[] = {
	    {"foo(?!bar)", "foobar", false},
	    {"foo(?!bar)", "foobaz", true},
	    {"(?<!x)foo", "xfoo  ", false},
	    {"(?<=x)foo", "xfoo  ", true},
	    {"\\bfoo", "xfoo  ", false},
	    {"foo\\b", "foox  ", false},
	    {"^foo", "xfoo  ", false},
	    {"\\Afoo", "xfoo  ", false},
	    {"foo$", "foo   ", false},
	    {"(?m)^foo", "\nfoo  ", true},
	    {"(?m)^foo", " xfoo ", false},
	};
	static char body[12000];

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct pattern *p = regex(rows[i].regex);

		for (size_t phase = 0; phase < 6; phase++) {
			memset(body, 'x', sizeof body);
			for (size_t k = 1 + phase; k + 6 < sizeof body; k += 6)
				memcpy(body + k, rows[i].word, 6);
			assert_int_equal(
			    judge(p, (struct span){body, sizeof body}, 1500,
				true),
			    rows[i].found ? REASON_BODY : REASON_NONE);
		}
		pattern_free(p);
	}
}

/* Random texts of few letters, against matching on the whole. */
static void
test_random(void **state)
{
	static const char *const all[] = {"ab{3,9}c", "^ba", "ca$",
	    "a(?=bc)b[^a]{40,60}a", "(?<=cc)b(?!a)b{5}", "(ab|ba){6,}",
	    "c[ab]{11}c", "(?:b|a){14}", "\\bc{8}", "(a+b)+c{5}"};
	static char body[30000];

	(void)state;
	for (unsigned round = 0; round < 2000; round++) {
		struct pattern *p =
		    regex(all[round % (sizeof all / sizeof all[0])]);
		struct span text = {body, below(sizeof body)};
		bool found;

		for (size_t i = 0; i < text.n; i++)
			body[i] = "abccc"[below(5)];
		found = pattern_find(p, text) == REGEX_MATCHES;
		if (judge(p, text, 1 + below(6000), true) !=
		    (found ? REASON_BODY : REASON_NONE))
			fail_msg("round %u: %s in %zu bytes", round,
			    pattern_text(p), text.n);
		pattern_free(p);
	}
}

/* It gives up early on what would keep a worker for seconds. */
static void
test_evil(void **state)
{
	static const char *const all[] = {
	    "a*[bc]", "(.*)\\1[bc]", "(?=a*[bc])", "a*a*a*[bc]"};
	static char body[SOFT_ERROR_BODY];

	(void)state;
	memset(body, 'a', sizeof body);
	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
		struct pattern *p = regex(all[i]);
		const struct terms terms = {.error_body = p};
		struct soft_error s = {0};
		struct span rest = {body, 1000};

		soft_error_begin(&s, &terms, &with_body);
		while (soft_error_looks(&s)) {
			assert_true(rest.p + rest.n <= body + sizeof body);
			soft_error_saw(&s, rest);
			rest.p += rest.n;
		}
		assert_true(s.seen < SOFT_ERROR_BODY);
		assert_int_equal(soft_error_end(&s), REASON_NONE);
		pattern_free(p);
	}
}

static void
test_heads(void **state)
{
	static const struct {
		const char *name, *value;
		enum h1_body body;
		bool looks;
	} rows[] = {
	    {"Content-Type", "text/plain", H1_BODY_LENGTH, true},
	    {"Content-Type", "text/plain", H1_BODY_CHUNKED, true},
	    {"Content-Type", "text/plain", H1_BODY_CLOSE, true},
	    {"Content-Type", "text/plain", H1_BODY_NONE, false},
	    {"Content-Encoding", "gzip", H1_BODY_LENGTH, false},
	    {"content-encoding", "br", H1_BODY_CHUNKED, false},
	    {"content-encoding", "Identity", H1_BODY_CHUNKED, true},
	    {"content-encoding", "", H1_BODY_CHUNKED, true},
	};
	struct pattern *p = regex("x");
	const struct terms terms = {.error_body = p};
	const struct terms none = {0};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct field f = {span_of(rows[i].name), span_of(rows[i].value),
		    field_lookup(span_of(rows[i].name))};
		const struct h1_head h = {
		    .body = rows[i].body, .fields = &f, .nfields = 1};
		struct soft_error s = {0};

		soft_error_begin(&s, &terms, &h);
		assert_int_equal(soft_error_looks(&s), rows[i].looks);
		assert_int_equal(soft_error_end(&s), REASON_NONE);
		soft_error_begin(&s, &none, &h);
		assert_false(soft_error_looks(&s));
	}
	pattern_free(p);
}

static void
test_header(void **state)
{
	struct match *m = match_new();
	struct pattern *value = regex("^5");
	struct pattern *body = regex("x");
	const struct terms terms = {.error_header = m, .error_body = body};
	struct field f = {SPAN("x-status"), SPAN("503"), FIELD_OTHER};
	const struct h1_head h = {
	    .body = H1_BODY_LENGTH, .fields = &f, .nfields = 1};
	struct soft_error s = {0};

	(void)state;
	assert_non_null(m);
	assert_int_equal(
	    match_add(m, MATCH_HEADER, "X-Status", &value, 1, false), 0);
	soft_error_begin(&s, &terms, &h);
	/* decided: the body may pass unseen */
	assert_false(soft_error_looks(&s));
	assert_int_equal(soft_error_end(&s), REASON_HEADER);
	f.value = SPAN("200");
	s = (struct soft_error){0};
	soft_error_begin(&s, &terms, &h);
	assert_true(soft_error_looks(&s));
	assert_int_equal(soft_error_end(&s), REASON_NONE);
	match_free(m);
	pattern_free(body);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_small),
	    cmocka_unit_test(test_places),
	    cmocka_unit_test(test_long_matches),
	    cmocka_unit_test(test_surroundings),
	    cmocka_unit_test(test_random),
	    cmocka_unit_test(test_evil),
	    cmocka_unit_test(test_heads),
	    cmocka_unit_test(test_header),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
