/*
 * Patterns and matches. The only file that knows pcre2: codes are compiled
 * once and shared, what a match run needs is kept per thread.
 */
#include "router/match.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"

/*
 * What one match run may cost: backtracks, KiB of heap for the interpreter,
 * bytes of stack for compiled code. Together with PATTERN_REGEX_MAX it is a
 * few milliseconds at worst.
 */
#define REGEX_STEPS	250000u
#define REGEX_HEAP_KIB	1024u
#define REGEX_STACK_MIN (32u * 1024)
#define REGEX_STACK_MAX (512u * 1024)

/*
 * pcre2 counts its limit anew at each place where a match may begin, so the
 * walk to that place is made part of the pattern: the limit holds for all of
 * them together.
 */
#define REGEX_HEAD "(?s:.*?)(?:"
#define REGEX_TAIL ")"

struct pattern {
	enum pattern_kind kind;
	pcre2_code *code; /* only with PATTERN_REGEX */
	size_t len;
	char text[];
};

enum source {
	SOURCE_HEADER,
	SOURCE_COOKIE,
};

struct test {
	enum source source;
	enum field_id id; /* of the header */
	char *name;
	size_t name_len;
	struct pattern *pattern;
};

struct match {
	size_t n;
	struct test *tests;
};

/* One thread's own, from its first regex to its end. */
struct runner {
	pcre2_match_data *found;
	pcre2_match_context *limits;
	pcre2_jit_stack *stack;
};

static _Thread_local struct runner *runner;
static pthread_key_t runner_key;
static pthread_once_t runner_once = PTHREAD_ONCE_INIT;

static void
runner_free(void *arg)
{
	struct runner *r = arg;

	pcre2_match_data_free(r->found);
	pcre2_match_context_free(r->limits);
	pcre2_jit_stack_free(r->stack);
	free(r);
}

static void
make_key(void)
{
	CHECK(pthread_key_create(&runner_key, runner_free) == 0);
}

static struct runner *
runner_new(void)
{
	struct runner *r = calloc(1, sizeof *r);

	if (r == NULL)
		return NULL;
	r->found = pcre2_match_data_create(1, NULL);
	r->limits = pcre2_match_context_create(NULL);
	r->stack =
	    pcre2_jit_stack_create(REGEX_STACK_MIN, REGEX_STACK_MAX, NULL);
	pthread_once(&runner_once, make_key);
	if (r->found == NULL || r->limits == NULL || r->stack == NULL ||
	    pthread_setspecific(runner_key, r) != 0)
		goto fail;
	pcre2_set_match_limit(r->limits, REGEX_STEPS);
	pcre2_set_heap_limit(r->limits, REGEX_HEAP_KIB);
	pcre2_jit_stack_assign(r->limits, NULL, r->stack);
	return r;
fail:
	runner_free(r);
	return NULL;
}

static pcre2_code *
compile(const char *text, char *why, size_t why_size, size_t shift)
{
	unsigned char words[128];
	PCRE2_SIZE at;
	pcre2_code *code;
	int error;

	code = pcre2_compile((PCRE2_SPTR)text, PCRE2_ZERO_TERMINATED,
	    PCRE2_DOLLAR_ENDONLY | PCRE2_NEVER_BACKSLASH_C, &error, &at, NULL);
	if (code != NULL)
		return code;
	pcre2_get_error_message(error, words, sizeof words);
	snprintf(why, why_size, "%s at offset %zu", (const char *)words,
	    at > shift ? (size_t)at - shift : 0);
	return NULL;
}

static pcre2_code *
regex_new(const char *text, char *why, size_t why_size)
{
	size_t size = sizeof REGEX_HEAD + strlen(text) + sizeof REGEX_TAIL;
	pcre2_code *code = compile(text, why, why_size, 0);
	char *whole;

	/* Valid on its own: "a)(b" would be, too, between the parentheses. */
	if (code == NULL)
		return NULL;
	pcre2_code_free(code);
	whole = malloc(size);
	if (whole == NULL) {
		snprintf(why, why_size, "out of memory");
		return NULL;
	}
	snprintf(whole, size, REGEX_HEAD "%s" REGEX_TAIL, text);
	code = compile(whole, why, why_size, sizeof REGEX_HEAD - 1);
	free(whole);
	/* Where it cannot be compiled further the interpreter does as well. */
	if (code != NULL)
		pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);
	return code;
}

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
	p->code = NULL;
	p->len = len;
	memcpy(p->text, text, len + 1);
	if (kind == PATTERN_REGEX &&
	    (p->code = regex_new(text, why, why_size)) == NULL) {
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
	pcre2_code_free(p->code);
	free(p);
}

static bool
regex_test(const struct pattern *p, struct span value)
{
	const char *subject = value.p != NULL ? value.p : "";

	if (value.n > PATTERN_REGEX_MAX)
		return false;
	if (runner == NULL && (runner = runner_new()) == NULL)
		return false;
	return pcre2_match(p->code, (PCRE2_SPTR)subject, value.n, 0, 0,
		   runner->found, runner->limits) >= 0;
}

bool
pattern_test(const struct pattern *p, struct span value)
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
		return regex_test(p, value);
	case PATTERN_PRESENT:
		return true;
	}
	WRONG("pattern kind");
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

void
match_free(struct match *m)
{
	if (m == NULL)
		return;
	for (size_t i = 0; i < m->n; i++) {
		free(m->tests[i].name);
		pattern_free(m->tests[i].pattern);
	}
	free(m->tests);
	free(m);
}

static int
match_add(
    struct match *m, enum source source, const char *name, struct pattern *p)
{
	char *copy = strdup(name);
	struct test *tests;

	tests = reallocarray(m->tests, m->n + 1, sizeof m->tests[0]);
	if (tests != NULL)
		m->tests = tests;
	if (copy == NULL || tests == NULL)
		goto fail;
	tests[m->n++] = (struct test){
	    .source = source,
	    .id = field_lookup(span_of(copy)),
	    .name = copy,
	    .name_len = strlen(copy),
	    .pattern = p,
	};
	return 0;
fail:
	free(copy);
	pattern_free(p);
	return -1;
}

int
match_add_header(struct match *m, const char *name, struct pattern *p)
{
	return match_add(m, SOURCE_HEADER, name, p);
}

int
match_add_cookie(struct match *m, const char *name, struct pattern *p)
{
	return match_add(m, SOURCE_COOKIE, name, p);
}

static bool
test_header(const struct test *t, const struct field *f)
{
	struct span name = {t->name, t->name_len};

	if (f->id != t->id)
		return false;
	if (t->id == FIELD_OTHER && !span_eq_nocase(f->name, name))
		return false;
	return pattern_test(t->pattern, f->value);
}

static bool
test_cookie(const struct test *t, const struct field *f)
{
	struct span name = {t->name, t->name_len}, value;

	return f->id == FIELD_COOKIE && field_cookie(f->value, name, &value) &&
	       pattern_test(t->pattern, value);
}

static bool
test_request(const struct test *t, const struct request *r)
{
	for (unsigned i = 0; i < r->nfields; i++) {
		const struct field *f = &r->fields[i];

		if (t->source == SOURCE_HEADER ? test_header(t, f)
					       : test_cookie(t, f))
			return true;
	}
	return false;
}

bool
match_test(const struct match *m, const struct request *r)
{
	for (size_t i = 0; i < m->n; i++)
		if (!test_request(&m->tests[i], r))
			return false;
	return true;
}

/* Between the name and the text of the pattern. */
static const char *const relations[] = {
    [PATTERN_EXACT] = " = ",
    [PATTERN_PREFIX] = " starts with ",
    [PATTERN_CONTAINS] = " contains ",
    [PATTERN_REGEX] = " ~ ",
    [PATTERN_PRESENT] = " is present",
};

void
match_describe(const struct match *m, char *buf, size_t size)
{
	size_t used;

	used =
	    (size_t)snprintf(buf, size, "%s", m->n == 0 ? "every request" : "");
	for (size_t i = 0; i < m->n && used < size; i++) {
		const struct test *t = &m->tests[i];
		const struct pattern *p = t->pattern;

		used += (size_t)snprintf(buf + used, size - used, "%s%s%s%s%s",
		    i > 0 ? " and " : "",
		    t->source == SOURCE_COOKIE ? "cookie " : "", t->name,
		    relations[p->kind],
		    p->kind == PATTERN_PRESENT ? "" : p->text);
	}
}
