/*
 * Cut and changed configs: each is taken or refused with at least one line
 * in the order of the file; a sanitizer build sees every leak and overread.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "conf/conf.h"

/* Slow: thousands of files, and each is read to its end. */
#define MUTATIONS 4000u
#define FILE_MAX  16384u

static const char path[] = "examples/shunt.yaml";

/* The good config, without terminator in buf; its length. */
static size_t
read_example(char buf[FILE_MAX])
{
	FILE *f = fopen(path, "re");
	size_t n;

	if (f == NULL)
		fail_msg("%s: not there; run in the project's root", path);
	n = fread(buf, 1, FILE_MAX, f);
	fclose(f);
	assert_in_range(n, 1, FILE_MAX - 1);
	return n;
}

/* The same numbers in every run. */
static uint32_t
next_random(uint32_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 17;
	*seed ^= *seed << 5;
	return *seed;
}

static void
assert_ordered(const struct conf_errors *errors)
{
	unsigned last_line = 0, last_column = 0;

	for (size_t i = 0; i < errors->n; i++) {
		unsigned line, column;

		assert_int_equal(
		    sscanf(errors->lines[i], "f:%u:%u: ", &line, &column), 2);
		assert_true(line >= 1 && column >= 1);
		assert_true(line > last_line ||
			    (line == last_line && column >= last_column));
		assert_null(strchr(errors->lines[i], '\n'));
		last_line = line;
		last_column = column;
	}
}

/* Parses a copy of exactly n bytes; whether it was taken. */
static bool
parse(const char *text, size_t n)
{
	char *copy = malloc(n > 0 ? n : 1);
	struct conf_errors errors;
	struct conf *c;
	bool taken;

	assert_non_null(copy);
	memcpy(copy, text, n);
	c = conf_parse("f", copy, n, &errors);
	taken = c != NULL;
	assert_int_equal(errors.n == 0, taken);
	assert_ordered(&errors);
	conf_errors_free(&errors);
	conf_free(c);
	free(copy);
	return taken;
}

static void
test_truncated(void **state)
{
	char text[FILE_MAX];
	size_t n = read_example(text), refused = 0;

	(void)state;
	for (size_t len = 0; len < n; len++)
		refused += !parse(text, len);
	assert_true(parse(text, n));
	assert_true(refused > n / 2);
}

static void
mutate(char *text, size_t *n, uint32_t *seed)
{
	static const char bytes[] = " :-[]{}\"'#&*!|>%@`,\n\t\\~?\x80\xff/.0a";
	size_t at = next_random(seed) % *n, len, from;

	switch (next_random(seed) % 4) {
	case 0:
		text[at] = bytes[next_random(seed) % (sizeof bytes - 1)];
		break;
	case 1:
		text[at] ^= (char)(1u << next_random(seed) % 8);
		break;
	case 2: /* a piece is gone */
		len = next_random(seed) % 40;
		if (at + len < *n) {
			memmove(text + at, text + at + len, *n - at - len);
			*n -= len;
		}
		break;
	default: /* a piece is somewhere else, too */
		from = next_random(seed) % *n;
		len = next_random(seed) % 40;
		if (from + len < *n && at + len < *n)
			memmove(text + at, text + from, len);
	}
}

static void
test_mutated(void **state)
{
	char good[FILE_MAX], text[FILE_MAX];
	size_t good_n = read_example(good), refused = 0;
	uint32_t seed = 2463534242u;

	(void)state;
	for (unsigned i = 0; i < MUTATIONS; i++) {
		size_t n = good_n;

		memcpy(text, good, n);
		for (unsigned k = next_random(&seed) % 6 + 1; k > 0; k--)
			mutate(text, &n, &seed);
		refused += !parse(text, n);
	}
	assert_in_range(refused, MUTATIONS / 4, MUTATIONS - 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_truncated),
	    cmocka_unit_test(test_mutated),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
