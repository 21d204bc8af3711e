/*
 * docs/config.md and the examples against the option tables: every key is
 * described with its default, and every file that people copy is good.
 * Runs in the project's root.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/span.h"
#include "conf/conf.h"

/* The caller frees; fails the test when the file cannot be read. */
static char *
slurp(const char *path)
{
	FILE *f = fopen(path, "re");
	char *text = NULL;
	size_t room = 0;

	if (f == NULL)
		fail_msg("%s: not there; run in the project's root", path);
	if (getdelim(&text, &room, '\0', f) < 0)
		fail_msg("%s: empty", path);
	fclose(f);
	return text;
}

static void
assert_good(const char *name, const char *text, size_t n)
{
	struct conf_errors errors;
	struct conf *c = conf_parse(name, text, n, &errors);

	for (size_t i = 0; i < errors.n; i++)
		print_message("%s\n", errors.lines[i]);
	assert_non_null(c);
	assert_int_equal(errors.n, 0);
	conf_free(c);
	conf_errors_free(&errors);
}

static void
test_examples(void **state)
{
	static const char *const paths[] = {
	    "examples/shunt.yaml", "examples/demo.yaml"};

	(void)state;
	for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
		char *text = slurp(paths[i]);

		assert_good(paths[i], text, strlen(text));
		free(text);
	}
}

static void
test_blocks_in_docs(void **state)
{
	char *text = slurp("docs/config.md"), *at = text, *end;
	size_t blocks = 0;

	(void)state;
	while ((at = strstr(at, "```yaml\n")) != NULL) {
		at = strchr(at, '\n') + 1;
		end = strstr(at, "```");
		assert_non_null(end);
		assert_good("docs/config.md", at, (size_t)(end - at));
		at = end;
		blocks++;
	}
	assert_true(blocks > 0);
	free(text);
}

/* The table row of a key: "| `key` | value | default | meaning |". */
static void
assert_described(const char *docs, struct span key, struct span fallback)
{
	char row[256];
	const char *at, *end;
	struct span rest;

	snprintf(row, sizeof row, "\n| `%.*s` |", SPAN_ARG(key));
	at = strstr(docs, row);
	if (at == NULL)
		fail_msg("docs/config.md has no row for %.*s", SPAN_ARG(key));
	at += strlen(row);
	end = strchr(at, '\n');
	rest = (struct span){at, (size_t)(end - at)};
	if (span_find(rest, fallback) == NULL)
		fail_msg("docs/config.md: default of %.*s is %.*s",
		    SPAN_ARG(key), SPAN_ARG(fallback));
}

static void
test_keys_in_docs(void **state)
{
	char *docs = slurp("docs/config.md"), *text = NULL;
	size_t size = 0, keys = 0;
	FILE *out = open_memstream(&text, &size);
	struct span rest, line, key;

	(void)state;
	assert_non_null(out);
	conf_print_options(out);
	fclose(out);
	rest = (struct span){text, size};
	while (rest.n > 0) {
		line = span_cut(&rest, '\n');
		key = span_cut(&line, '\t');
		span_cut(&line, '\t');
		assert_described(docs, key, span_cut(&line, '\t'));
		assert_true(line.n > 0);
		keys++;
	}
	assert_true(keys > 50);
	free(text);
	free(docs);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_examples),
	    cmocka_unit_test(test_blocks_in_docs),
	    cmocka_unit_test(test_keys_in_docs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
