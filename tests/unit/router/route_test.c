/* What routes do with paths, as the Gateway API has it, and their edits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "router/route.h"

static const struct {
	enum path_change change;
	const char *route, *path; /* both as they are in a plan */
	const char *in, *out;
} rows[] = {
    {PATH_KEEP, "/a", NULL, "/a/b", "/a/b"},
    {PATH_SWAP_PREFIX, "/foo", "/xyz", "/foo/bar", "/xyz/bar"},
    {PATH_SWAP_PREFIX, "/foo", "/xyz", "/foo", "/xyz"},
    {PATH_SWAP_PREFIX, "/foo", "/xyz", "/foo/", "/xyz/"},
    {PATH_SWAP_PREFIX, "/foo", "/x/y/z", "/foo//bar", "/x/y/z//bar"},
    {PATH_SWAP_PREFIX, "/foo", "", "/foo/bar", "/bar"},
    {PATH_SWAP_PREFIX, "/foo", "", "/foo/", "/"},
    {PATH_SWAP_PREFIX, "/foo", "", "/foo", "/"},
    {PATH_SWAP_PREFIX, "/foo/bar", "", "/foo/bar/foo/bar", "/foo/bar"},
    {PATH_SWAP_PREFIX, "", "/v2", "/", "/v2/"},
    {PATH_SWAP_PREFIX, "", "/v2", "/x", "/v2/x"},
    {PATH_SWAP_PREFIX, "", "", "/x", "/x"},
    {PATH_SWAP_PREFIX, "", "/v2", "*", "*"},
    {PATH_SWAP, "/foo", "/all", "/foo/bar", "/all"},
    {PATH_SWAP, "", "/", "/foo", "/"},
    {PATH_SWAP, "", "/all/", "/", "/all/"},
    {PATH_SWAP, "", "/all", "*", "*"},
};

static void
test_paths(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct route_action *a = route_action_new();
		struct span in = span_of(rows[i].in);
		size_t size, n;
		char *buf;

		assert_non_null(a);
		a->change = rows[i].change;
		a->prefix = strlen(rows[i].route);
		a->path = rows[i].path != NULL ? strdup(rows[i].path) : NULL;
		size = route_path_size(a, in);
		buf = malloc(size);
		assert_non_null(buf);
		n = route_path_write(buf, a, in);
		assert_true(n <= size);
		if (n != strlen(rows[i].out) ||
		    memcmp(buf, rows[i].out, n) != 0)
			fail_msg("%s: \"%.*s\", expected \"%s\"", rows[i].in,
			    (int)n, buf, rows[i].out);
		free(buf);
		route_action_free(a);
	}
	route_action_free(NULL);
}

static void
test_edits(void **state)
{
	struct route_action *a = route_action_new();
	struct edits *e;
	char name[] = "X-Set";

	(void)state;
	assert_non_null(a);
	e = &a->request;
	assert_int_equal(edits_add(e, EDIT_SET, span_of(name), SPAN("1")), 0);
	name[0] = 'Y'; /* it was copied */
	assert_int_equal(edits_add(e, EDIT_ADD, SPAN("X-Add"), SPAN("")), 0);
	assert_int_equal(
	    edits_add(e, EDIT_REMOVE, SPAN("User-Agent"), SPAN("")), 0);
	assert_int_equal(e->n, 3);
	assert_int_equal(e->bytes, 5 + 1 + 4 + 5 + 4 + 10 + 4);
	assert_true(edits_name(e, SPAN("x-set")));
	assert_true(edits_name(e, SPAN("X-ADD")));
	assert_false(edits_name(e, SPAN("X-Se")));
	assert_true(edits_drop(e, FIELD_OTHER, SPAN("x-sEt")));
	assert_false(edits_drop(e, FIELD_OTHER, SPAN("X-Add")));
	assert_false(edits_drop(e, FIELD_OTHER, SPAN("X-Set2")));
	assert_true(edits_drop(e, FIELD_USER_AGENT, SPAN("user-agent")));
	assert_false(edits_drop(e, FIELD_VIA, SPAN("Via")));
	route_action_free(a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_paths),
	    cmocka_unit_test(test_edits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
