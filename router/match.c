/* Patterns and matches. */
#include "router/match.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/cidr.h"
#include "router/query.h"

/* What the regexes of one match may cost together: 2 ms. */
#define REGEX_STEPS	 100000u
#define REGEX_STEPS_TEXT 500000u /* for a text that is no value */

struct pattern {
	enum pattern_kind kind;
	struct regex *regex; /* only with PATTERN_REGEX */
	size_t len;
	char text[];
};

struct test {
	enum match_source source;
	bool negated;
	bool begins;	  /* an alternative */
	enum field_id id; /* of the header */
	char *name;
	size_t name_len;
	size_t n;
	struct pattern **patterns;
	struct cidr *blocks; /* instead of them */
};

struct match {
	bool other; /* the next test begins an alternative */
	size_t n;
	struct test *tests;
};

struct pattern *
pattern_new(
    enum pattern_kind kind, const char *text, char *why, size_t why_size)
{
	size_t len = strlen(text);
	struct pattern *p = malloc(sizeof *p + len + 1);

	if (p == NULL) {
		snprintf(why, why_size, "out of memory");
		return NULL;
	}
	p->kind = kind;
	p->regex = NULL;
	p->len = len;
	memcpy(p->text, text, len + 1);
	if (kind == PATTERN_REGEX &&
	    (p->regex = regex_new(text, why, why_size)) == NULL) {
		free(p);
		return NULL;
	}
	return p;
}

void
pattern_free(struct pattern *p)
{
	if (p == NULL)
		return;
	regex_free(p->regex);
	free(p);
}

static bool
test_value(const struct pattern *p, struct span value, uint32_t *steps)
{
	struct span text = {p->text, p->len};

	switch (p->kind) {
	case PATTERN_EXACT:
		return span_eq(value, text);
	case PATTERN_PREFIX:
		return value.n >= text.n &&
		       span_eq((struct span){value.p, text.n}, text);
	case PATTERN_CONTAINS:
		return text.n == 0 || span_find(value, text) != NULL;
	case PATTERN_REGEX:
		return value.n <= PATTERN_REGEX_MAX &&
		       regex_search(p->regex, value, 0, false, steps, NULL) ==
			   REGEX_MATCHES;
	case PATTERN_PRESENT:
		return true;
	}
	WRONG("pattern kind");
}

bool
pattern_test(const struct pattern *p, struct span value)
{
	uint32_t steps = REGEX_STEPS;

	return test_value(p, value, &steps);
}

enum regex_verdict
pattern_find(const struct pattern *p, struct span text)
{
	uint32_t steps = REGEX_STEPS_TEXT;

	CHECK(p->kind == PATTERN_REGEX);
	return regex_search(p->regex, text, 0, false, &steps, NULL);
}

bool
pattern_in_window(const struct pattern *p, struct span window, size_t from,
    size_t until, uint32_t *steps)
{
	size_t begin;

	CHECK(p->kind == PATTERN_REGEX && from <= window.n);
	return regex_search(p->regex, window, from, until <= window.n, steps,
		   &begin) == REGEX_MATCHES &&
	       begin < until;
}

const char *
pattern_text(const struct pattern *p)
{
	return p->text;
}

enum pattern_kind
pattern_kind(const struct pattern *p)
{
	return p->kind;
}

struct match *
match_new(void)
{
	return calloc(1, sizeof(struct match));
}

static void
test_clear(struct test *t)
{
	for (size_t i = 0; i < t->n && t->patterns != NULL; i++)
		pattern_free(t->patterns[i]);
	free(t->patterns);
	free(t->blocks);
	free(t->name);
}

void
match_free(struct match *m)
{
	if (m == NULL)
		return;
	for (size_t i = 0; i < m->n; i++)
		test_clear(&m->tests[i]);
	free(m->tests);
	free(m);
}

/* Consumes the test, also on failure. */
static int
add_test(struct match *m, struct test *t)
{
	struct test *tests;

	tests = reallocarray(m->tests, m->n + 1, sizeof m->tests[0]);
	if (tests == NULL) {
		test_clear(t);
		return -1;
	}
	t->begins = m->other;
	m->other = false;
	m->tests = tests;
	m->tests[m->n++] = *t;
	return 0;
}

int
match_add(struct match *m, enum match_source source, const char *name,
    struct pattern *const *patterns, size_t n, bool negated)
{
	struct test t = {
	    .source = source,
	    .negated = negated,
	    .n = n,
	    .name = strdup(name != NULL ? name : ""),
	    .patterns = reallocarray(NULL, n, sizeof(struct pattern *)),
	};

	CHECK(n > 0 && source != MATCH_CLIENT);
	if (t.patterns != NULL) {
		memcpy(t.patterns, patterns, n * sizeof *patterns);
	} else {
		for (size_t i = 0; i < n; i++)
			pattern_free(patterns[i]);
	}
	if (t.patterns == NULL || t.name == NULL) {
		test_clear(&t);
		return -1;
	}
	t.name_len = strlen(t.name);
	t.id = field_lookup(span_of(t.name));
	return add_test(m, &t);
}

int
match_add_client(
    struct match *m, const struct cidr *blocks, size_t n, bool negated)
{
	struct test t = {
	    .source = MATCH_CLIENT,
	    .negated = negated,
	    .n = n,
	    .blocks = reallocarray(NULL, n, sizeof *blocks),
	};

	CHECK(n > 0);
	if (t.blocks == NULL)
		return -1;
	memcpy(t.blocks, blocks, n * sizeof *blocks);
	return add_test(m, &t);
}

void
match_or(struct match *m)
{
	m->other = m->n > 0;
}

/* Whether a value matches one of the test's patterns. */
static bool
found_in(const struct test *t, struct span value, uint32_t *steps)
{
	for (size_t i = 0; i < t->n; i++)
		if (test_value(t->patterns[i], value, steps))
			return true;
	return false;
}

static bool
found_in_header(const struct test *t, const struct field *f, uint32_t *steps)
{
	struct span name = {t->name, t->name_len};

	if (f->id != t->id)
		return false;
	if (t->id == FIELD_OTHER && !span_eq_nocase(f->name, name))
		return false;
	return found_in(t, f->value, steps);
}

static bool
found_in_cookie(const struct test *t, const struct field *f, uint32_t *steps)
{
	struct span name = {t->name, t->name_len}, value;

	return f->id == FIELD_COOKIE && field_cookie(f->value, name, &value) &&
	       found_in(t, value, steps);
}

static bool
found_in_fields(const struct test *t, const struct request *r, uint32_t *steps)
{
	for (unsigned i = 0; i < r->nfields; i++) {
		const struct field *f = &r->fields[i];

		if (t->source == MATCH_HEADER ? found_in_header(t, f, steps)
					      : found_in_cookie(t, f, steps))
			return true;
	}
	return false;
}

/* In its own frame, for the room that decoding takes. */
static __attribute__((noinline)) bool
found_in_coded(const struct test *t, struct span raw, uint32_t *steps)
{
	char text[MATCH_QUERY_MAX];
	size_t n;

	return query_decode(raw, text, sizeof text, &n) &&
	       found_in(t, (struct span){text, n}, steps);
}

static bool
any_value(const struct test *t)
{
	for (size_t i = 0; i < t->n; i++)
		if (t->patterns[i]->kind == PATTERN_PRESENT)
			return true;
	return false;
}

static bool
found_in_query(const struct test *t, struct span query, uint32_t *steps)
{
	struct span name = {t->name, t->name_len}, value;

	while (query_find(&query, name, &value)) {
		if (any_value(t))
			return true;
		if (query_coded(value) ? found_in_coded(t, value, steps)
				       : found_in(t, value, steps))
			return true;
	}
	return false;
}

static bool
found(const struct test *t, const struct request *r, uint32_t *steps)
{
	switch (t->source) {
	case MATCH_HEADER:
	case MATCH_COOKIE:
		return found_in_fields(t, r, steps);
	case MATCH_QUERY:
		return found_in_query(t, r->query, steps);
	case MATCH_METHOD:
		return found_in(t, r->method, steps);
	case MATCH_PATH:
		return found_in(t, r->path, steps);
	case MATCH_CLIENT:
		return cidr_any_has(t->blocks, t->n, r->family, r->client);
	}
	WRONG("match source");
}

bool
match_test(const struct match *m, const struct request *r)
{
	uint32_t steps = REGEX_STEPS;
	bool holds = true; /* the alternative, as far as it was looked at */

	for (size_t i = 0; i < m->n; i++) {
		const struct test *t = &m->tests[i];

		if (t->begins && holds)
			return true;
		if (t->begins)
			holds = true;
		if (holds)
			holds = found(t, r, &steps) != t->negated;
	}
	return holds;
}

/* Before the name. */
static const char *const sources[] = {
    [MATCH_HEADER] = "",
    [MATCH_COOKIE] = "cookie ",
    [MATCH_QUERY] = "query ",
    [MATCH_METHOD] = "method",
    [MATCH_PATH] = "path",
    [MATCH_CLIENT] = "client",
};

/* Between the name and the text of the pattern. */
static const char *const relations[] = {
    [PATTERN_EXACT] = " = ",
    [PATTERN_PREFIX] = " starts with ",
    [PATTERN_CONTAINS] = " contains ",
    [PATTERN_REGEX] = " ~ ",
    [PATTERN_PRESENT] = " is present",
};

struct words {
	char *buf;
	size_t size, used;
};

static void
say(struct words *w, const char *a, const char *b, const char *c)
{
	if (w->used < w->size)
		w->used += (size_t)snprintf(
		    w->buf + w->used, w->size - w->used, "%s%s%s", a, b, c);
}

static void
describe(const struct test *t, struct words *w)
{
	say(w, t->negated ? "not " : "", sources[t->source],
	    t->name != NULL ? t->name : "");
	for (size_t i = 0; i < t->n; i++) {
		const char *also = i > 0 ? " or" : "";

		if (t->source == MATCH_CLIENT) {
			char block[CIDR_TEXT_MAX];

			cidr_format(&t->blocks[i], block);
			say(w, also, " in ", block);
		} else {
			const struct pattern *p = t->patterns[i];

			say(w, also, relations[p->kind],
			    p->kind == PATTERN_PRESENT ? "" : p->text);
		}
	}
}

void
match_describe(const struct match *m, char *buf, size_t size)
{
	struct words w = {buf, size, 0};

	if (m->n == 0)
		say(&w, "every request", "", "");
	for (size_t i = 0; i < m->n; i++) {
		const struct test *t = &m->tests[i];

		if (i > 0)
			say(&w, t->begins ? ", or " : " and ", "", "");
		describe(t, &w);
	}
}
