/* What processes write, as lines of the log. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/launch_lines.h"

/* All lines so far, each with "|" behind it. */
struct book {
	char text[16384];
	size_t n, longest;
};

static void
write_down(void *arg, const char *text)
{
	struct book *b = arg;
	size_t n = strlen(text);

	assert_true(b->n + n + 2 < sizeof b->text);
	b->n += (size_t)snprintf(
	    b->text + b->n, sizeof b->text - b->n, "%s|", text);
	b->longest = n > b->longest ? n : b->longest;
}

static void
feed(struct launch_lines *l, struct book *b, const char *bytes, size_t n)
{
	while (n > 0) {
		size_t took = launch_lines_feed(l, bytes, n, write_down, b);

		assert_true(took > 0 && took <= n);
		bytes += took;
		n -= took;
	}
}

/* The same in one piece and byte by byte. */
static void
expect(const char *bytes, size_t n, const char *lines)
{
	for (size_t step = 1; step <= n; step = step == 1 ? n : n + 1) {
		struct launch_lines l = {0};
		struct book *b = calloc(1, sizeof *b);

		assert_non_null(b);
		for (size_t i = 0; i < n; i += step)
			feed(&l, b, bytes + i, step);
		launch_lines_end(&l, write_down, b);
		assert_string_equal(b->text, lines);
		free(b);
	}
}

#define EXPECT(text, lines) expect(text, sizeof(text) - 1, lines)

static void
test_lines(void **state)
{
	(void)state;
	EXPECT("one\ntwo\n", "one|two|");
	EXPECT("no end", "no end|");
	EXPECT("\n\n", "||");
	EXPECT("dos\r\nunix\n", "dos|unix|");
	EXPECT("a\tb\n", "a b|");
	EXPECT("a\rb\n", "a\\x0db|");
}

static void
test_bytes_that_do_not_print(void **state)
{
	(void)state;
	EXPECT("\033[31m\n", "\\x1b[31m|");
	EXPECT("nul \0 del \177\n", "nul \\x00 del \\x7f|");
	/* text in UTF-8 stays; its control characters do not */
	EXPECT("\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\n",
	    "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80|");
	EXPECT("\xc2\x85\xc2\xa0\n", "\\xc2\\x85\xc2\xa0|");
	/* not UTF-8: alone, cut short, too long, a surrogate, too high */
	EXPECT("\xff\xc3\xa4\n", "\\xff\xc3\xa4|");
	EXPECT("\xc3\n", "\\xc3|");
	EXPECT("\xe2\x82x\n", "\\xe2\\x82x|");
	EXPECT("\xe2\x82\xc3\xa4\n", "\\xe2\\x82\xc3\xa4|");
	EXPECT("\xc0\xaf\n", "\\xc0\\xaf|");
	EXPECT("\xed\xa0\x80\n", "\\xed\\xa0\\x80|");
	EXPECT("\xf4\x90\x80\x80\n", "\\xf4\\x90\\x80\\x80|");
	EXPECT("\xf0\x9f\x98", "\\xf0\\x9f\\x98|");
}

static void
test_long_lines(void **state)
{
	struct launch_lines l = {0};
	struct book *b = calloc(1, sizeof *b);

	(void)state;
	assert_non_null(b);
	for (int i = 0; i < 3000; i++)
		feed(&l, b, "x", 1);
	feed(&l, b, "\nshort\n", 7);
	assert_true(b->longest < LAUNCH_LINE_MAX);
	assert_non_null(strstr(b->text, LAUNCH_LINE_CUT "|x"));
	assert_non_null(strstr(b->text, "x|short|"));
	assert_int_equal(l.n, 0);
	*b = (struct book){0};
	/* the most that one byte can become */
	for (int i = 0; i < 3000; i++)
		feed(&l, b, i % 4 == 0 ? "\xf0" : "\x9f", 1);
	launch_lines_end(&l, write_down, b);
	assert_true(b->longest < LAUNCH_LINE_MAX);
	free(b);
}

/* A newline right behind a piece ends the line that was cut there. */
static void
test_a_cut_at_the_end(void **state)
{
	struct launch_lines l = {0};
	struct book *b = calloc(1, sizeof *b);

	(void)state;
	assert_non_null(b);
	while (b->n == 0)
		feed(&l, b, "x", 1);
	feed(&l, b, "\nnext\n", 6);
	assert_non_null(strstr(b->text, LAUNCH_LINE_CUT "|next|"));
	free(b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_lines),
	    cmocka_unit_test(test_bytes_that_do_not_print),
	    cmocka_unit_test(test_long_lines),
	    cmocka_unit_test(test_a_cut_at_the_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
