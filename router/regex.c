/*
 * Searching with a meter. The only file that knows pcre2: codes are compiled
 * once and shared, what a search needs is kept per thread.
 *
 * pcre2's own limit does not bound time, as one of its steps may run over the
 * whole text. So each item of an expression is preceded by a callout, which
 * counts it and the bytes that were passed since the one before.
 */
#include "router/regex.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"

/* KiB of heap for the interpreter, bytes of stack for compiled code. */
#define HEAP_KIB  1024u
#define STACK_MIN (32u * 1024)
#define STACK_MAX (512u * 1024)

struct regex {
	pcre2_code *code;
	/* What a callout costs, in bytes, as nobody sees them pass: those of
	 * the longest fixed repeat, "{n}", which may fail at its last, and one
	 * for each capture, as the callout is given them all. */
	uint32_t unseen;
	bool refers; /* to a capture: its bytes are compared, unseen, too */
};

/* One thread's own, from its first search to its end. */
struct runner {
	pcre2_match_data *found;
	pcre2_match_context *limits;
	pcre2_jit_stack *stack;
};

struct meter {
	const struct regex *regex;
	size_t last; /* place of the callout before */
	uint32_t left;
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
	r->stack = pcre2_jit_stack_create(STACK_MIN, STACK_MAX, NULL);
	pthread_once(&runner_once, make_key);
	if (r->found == NULL || r->limits == NULL || r->stack == NULL ||
	    pthread_setspecific(runner_key, r) != 0)
		goto fail;
	pcre2_set_heap_limit(r->limits, HEAP_KIB);
	pcre2_jit_stack_assign(r->limits, NULL, r->stack);
	return r;
fail:
	runner_free(r);
	return NULL;
}

/* The largest number behind a brace; a few that repeat nothing do no harm. */
static uint32_t
longest_repeat(const char *text)
{
	uint32_t most = 0;

	while ((text = strchr(text, '{')) != NULL) {
		uint32_t n = 0;

		for (text++; *text >= '0' && *text <= '9' && n < 100000; text++)
			n = n * 10 + (uint32_t)(*text - '0');
		if (n > most)
			most = n;
	}
	return most;
}

static pcre2_code *
compile(const char *text, char *why, size_t why_size)
{
	const uint32_t options = PCRE2_DOLLAR_ENDONLY |
				 PCRE2_NEVER_BACKSLASH_C | PCRE2_NEVER_UTF |
				 PCRE2_AUTO_CALLOUT;
	unsigned char words[128];
	PCRE2_SIZE at;
	pcre2_code *code;
	int error;

	code = pcre2_compile((PCRE2_SPTR)text, PCRE2_ZERO_TERMINATED, options,
	    &error, &at, NULL);
	if (code == NULL) {
		pcre2_get_error_message(error, words, sizeof words);
		snprintf(why, why_size, "%s at offset %zu", (const char *)words,
		    (size_t)at);
		return NULL;
	}
	/* Where it cannot be compiled further the interpreter does as well. */
	pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);
	return code;
}

struct regex *
regex_new(const char *text, char *why, size_t why_size)
{
	struct regex *r = malloc(sizeof *r);
	uint32_t captures = 0, highest = 0;

	if (r == NULL) {
		snprintf(why, why_size, "out of memory");
		return NULL;
	}
	r->code = compile(text, why, why_size);
	if (r->code == NULL) {
		free(r);
		return NULL;
	}
	pcre2_pattern_info(r->code, PCRE2_INFO_CAPTURECOUNT, &captures);
	pcre2_pattern_info(r->code, PCRE2_INFO_BACKREFMAX, &highest);
	r->unseen = longest_repeat(text) + captures;
	r->refers = highest > 0;
	return r;
}

void
regex_free(struct regex *r)
{
	if (r == NULL)
		return;
	pcre2_code_free(r->code);
	free(r);
}

/* Bytes of the longest capture, which may be compared next. */
static size_t
longest_capture(const pcre2_callout_block *at)
{
	size_t most = 0;

	for (uint32_t i = 1; i < at->capture_top; i++) {
		const size_t begin = at->offset_vector[2 * i];
		const size_t end = at->offset_vector[2 * i + 1];

		if (end != PCRE2_UNSET && end > begin && end - begin > most)
			most = end - begin;
	}
	return most;
}

/* Called before each item that is tried. */
static int
count(pcre2_callout_block *at, void *arg)
{
	struct meter *m = arg;
	size_t bytes = m->regex->unseen, steps;

	if (at->current_position > m->last)
		bytes += at->current_position - m->last;
	m->last = at->current_position;
	if (m->regex->refers)
		bytes += longest_capture(at);
	steps = 1 + bytes / REGEX_STEP_BYTES;
	if (steps > m->left) {
		m->left = 0;
		return PCRE2_ERROR_CALLOUT;
	}
	m->left -= (uint32_t)steps;
	return 0;
}

enum regex_verdict
regex_search(const struct regex *r, struct span text, size_t from, bool more,
    uint32_t *steps, size_t *begin)
{
	const char *subject = text.p != NULL ? text.p : "";
	struct meter meter = {.regex = r, .last = from, .left = *steps};
	int found;

	if (runner == NULL && (runner = runner_new()) == NULL)
		return REGEX_COSTLY;
	pcre2_set_callout(runner->limits, count, &meter);
	found = pcre2_match(r->code, (PCRE2_SPTR)subject, text.n, from,
	    more ? PCRE2_NOTEOL : 0, runner->found, runner->limits);
	*steps = meter.left;
	if (found < 0)
		return found == PCRE2_ERROR_NOMATCH ? REGEX_MISSES
						    : REGEX_COSTLY;
	if (begin != NULL)
		*begin = pcre2_get_ovector_pointer(runner->found)[0];
	return REGEX_MATCHES;
}
