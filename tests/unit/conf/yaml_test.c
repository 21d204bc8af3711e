/* YAML text to a tree: shapes, positions, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "conf/conf.h"
#include "conf/yaml.h"

static const struct {
	const char *text;
	const char *error; /* the first one; "" when there is none */
} rows[] = {
    {"a: b", ""},
    {"", ""},
    {"# nothing\n", ""},
    {"---\na: b\n...\n", ""},
    {"a: [x, y: z]", ""},
    {"a: |\n  text\n", ""},
    {"a: {b: 1}\nc: {b: 1}\n", ""},
    {"a: b\na: c\n", "2:1: duplicate key \"a\", first on line 1"},
    {"x: {a: 1, b: 2, a: 3}\n", "1:17: duplicate key \"a\", first on line 1"},
    {"a: b\n---\nc: d\n", "2:1: expected one document, found another"},
    {"a: &x b\n", "1:4: anchors are not supported"},
    {"a: &x [b]\n", "1:4: anchors are not supported"},
    {"a: &x {b: c}\n", "1:4: anchors are not supported"},
    {"a: b\nc: *x\n", "2:4: aliases are not supported"},
    {"a: !!int 1\n", "1:4: tags are not supported"},
    {"a: !thing {b: c}\n", "1:4: tags are not supported"},
    {"? [a]\n: b\n", "1:3: expected a key, found a list"},
    {"{a: b}: c\n", "1:1: expected a key, found a map"},
    {"a: \"x\\0y\"\n", "1:4: a NUL character in a string"},
    {"a: [b\n",
	"2:1: not YAML: did not find expected ',' or ']' while parsing a "
	"flow sequence"},
    {"a: b: c\n", "1:5: not YAML: mapping values are not allowed in this "
		  "context"},
    {"a:\n\tb: c\n", "2:1: not YAML: found character that cannot start any "
		     "token while scanning for the next token"},
    {"a: b\nc: \"d\n", "3:1: not YAML: found unexpected end of stream while "
		       "scanning a quoted scalar"},
    {"a: \xff\n", "1:4: not YAML: invalid leading UTF-8 octet"},
    {"a: b\n\xc3\xbc: \x01\n", "2:4: not YAML: control characters are not "
			       "allowed"},
    {"a: x\xc3\n", "1:6: not YAML: invalid trailing UTF-8 octet"},
    {"%YAML 9.9\n---\na: b\n",
	"1:1: not YAML: found incompatible YAML document"},
};

static void
test_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct errors errors;
		struct conf_errors lines;
		struct tree *t;

		print_message("%s\n", rows[i].text);
		errors_init(&errors, "f");
		t = tree_parse(rows[i].text, strlen(rows[i].text), &errors);
		errors_print(&errors, &lines);
		if (rows[i].error[0] == '\0') {
			assert_int_equal(lines.n, 0);
			assert_non_null(t);
		} else {
			assert_true(lines.n > 0);
			assert_string_equal(lines.lines[0] + 2, rows[i].error);
		}
		tree_free(t);
		errors_free(&errors);
		conf_errors_free(&lines);
	}
}

static void
assert_node(
    const struct node *n, enum node_kind kind, unsigned line, unsigned column)
{
	assert_non_null(n);
	assert_int_equal(n->kind, kind);
	assert_int_equal(n->at.line, line);
	assert_int_equal(n->at.column, column);
}

static void
test_tree(void **state)
{
	static const char text[] = "one: 1\n"
				   "two:\n"
				   "  - a\n"
				   "  - \"b c\"\n"
				   "gr\xc3\xbcn: { x: , y: ~ }\n";
	struct errors errors;
	struct tree *t;
	const struct node *root, *n;

	(void)state;
	errors_init(&errors, "f");
	t = tree_parse(text, sizeof text - 1, &errors);
	assert_false(errors_any(&errors));
	root = tree_root(t);
	assert_node(root, NODE_MAP, 1, 1);
	assert_int_equal(root->n, 3);
	n = node_get(root, "one");
	assert_node(n, NODE_SCALAR, 1, 6);
	assert_node(n->key, NODE_SCALAR, 1, 1);
	assert_string_equal(n->text, "1");
	n = node_get(root, "two");
	assert_node(n, NODE_LIST, 3, 3);
	assert_int_equal(n->n, 2);
	assert_node(n->first, NODE_SCALAR, 3, 5);
	assert_node(n->first->next, NODE_SCALAR, 4, 5);
	assert_string_equal(n->first->next->text, "b c");
	assert_true(n->first->next->quoted);
	assert_null(n->first->next->next);
	/* columns count characters, not bytes */
	n = node_get(root, "gr\xc3\xbcn");
	assert_node(n, NODE_MAP, 5, 7);
	assert_true(node_nothing(node_get(n, "x")));
	assert_true(node_nothing(node_get(n, "y")));
	assert_null(node_get(n, "z"));
	assert_null(node_get(n->first, "x"));
	assert_null(node_get(NULL, "x"));
	tree_free(t);
}

/* What is left of a map with duplicates is the first of each. */
static void
test_first_duplicate_stays(void **state)
{
	static const char text[] = "b: 1\na: 2\nb: 3\nc: 4\na: 5\nb: 6\n";
	struct errors errors;
	struct tree *t;
	const struct node *root;

	(void)state;
	errors_init(&errors, "f");
	t = tree_parse(text, sizeof text - 1, &errors);
	assert_int_equal(errors.n, 3);
	root = tree_root(t);
	assert_int_equal(root->n, 3);
	assert_string_equal(root->first->text, "1");
	assert_string_equal(root->first->next->text, "2");
	assert_string_equal(root->first->next->next->text, "4");
	assert_null(root->first->next->next->next);
	tree_free(t);
	errors_free(&errors);
}

static void
assert_nested(size_t depth, bool good)
{
	char text[4 * YAML_DEPTH_MAX];
	struct errors errors;
	struct tree *t;

	memset(text, '[', depth);
	memset(text + depth, ']', depth);
	errors_init(&errors, "f");
	t = tree_parse(text, 2 * depth, &errors);
	assert_int_equal(errors_any(&errors), !good);
	assert_int_equal(t != NULL, good);
	tree_free(t);
	errors_free(&errors);
}

static void
test_depth(void **state)
{
	(void)state;
	assert_nested(YAML_DEPTH_MAX, true);
	assert_nested(YAML_DEPTH_MAX + 1, false);
	assert_nested(2 * YAML_DEPTH_MAX, false);
}

static void
test_number_of_nodes(void **state)
{
	size_t n = 2 * (YAML_NODES_MAX + 1);
	char *text = malloc(n + 2);
	struct errors errors;

	(void)state;
	assert_non_null(text);
	for (size_t i = 0; i < n; i += 2)
		memcpy(text + i, "a,", 2);
	text[0] = '[';
	memcpy(text + n, "]", 2);
	errors_init(&errors, "f");
	assert_null(tree_parse(text, n + 1, &errors));
	assert_int_equal(errors.n, 1);
	assert_false(errors.no_memory);
	errors_free(&errors);
	free(text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_rows),
	    cmocka_unit_test(test_tree),
	    cmocka_unit_test(test_first_duplicate_stays),
	    cmocka_unit_test(test_depth),
	    cmocka_unit_test(test_number_of_nodes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
