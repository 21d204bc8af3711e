/* A kept request is the same, and points to nothing of the first one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proxy/keep_request.h"
#include "router/match.h"

static void
assert_span(struct span s, struct span want)
{
	assert_true((s.p == NULL) == (want.p == NULL));
	assert_int_equal(s.n, want.n);
	if (s.p != NULL)
		assert_true(span_eq(s, want));
}

static void
all_of_it_is_kept(void **state)
{
	char text[] = "GET shop.test:80 shop.test /cart a=1 X-To two Cookie "
		      "uid=7";
	struct field fields[] = {
	    {{text + 37, 4}, {text + 42, 3}, FIELD_OTHER},
	    {{text + 46, 6}, {text + 53, 5}, FIELD_COOKIE},
	    {{text + 37, 4}, {text + 58, 0}, FIELD_OTHER},
	};
	struct request r = {
	    .method = {text, 3},
	    .authority = {text + 4, 12},
	    .host = {text + 17, 9},
	    .path = {text + 27, 5},
	    .query = {text + 33, 0},
	    .fields = fields,
	    .nfields = 3,
	    .family = 2,
	    .client = {192, 0, 2, 7},
	};
	struct request *kept = keep_request(&r);

	(void)state;
	assert_non_null(kept);
	memset(text, 'x', sizeof text);
	memset(fields, 0, sizeof fields);
	assert_span(kept->method, SPAN("GET"));
	assert_span(kept->authority, SPAN("shop.test:80"));
	assert_span(kept->host, SPAN("shop.test"));
	assert_span(kept->path, SPAN("/cart"));
	assert_span(kept->query, SPAN("")); /* there is one */
	assert_span(kept->newcomer, SPAN_NONE);
	assert_int_equal(kept->nfields, 3);
	assert_span(kept->fields[0].name, SPAN("X-To"));
	assert_span(kept->fields[0].value, SPAN("two"));
	assert_int_equal(kept->fields[0].id, FIELD_OTHER);
	assert_span(kept->fields[1].name, SPAN("Cookie"));
	assert_span(kept->fields[1].value, SPAN("uid=7"));
	assert_int_equal(kept->fields[1].id, FIELD_COOKIE);
	assert_span(kept->fields[2].name, SPAN("X-To"));
	assert_span(kept->fields[2].value, SPAN(""));
	assert_int_equal(kept->family, 2);
	assert_memory_equal(kept->client, r.client, sizeof r.client);
	free(kept);
}

static void
nothing_is_kept_too(void **state)
{
	const struct request r = {.nfields = 0};
	struct request *kept = keep_request(&r);

	(void)state;
	assert_non_null(kept);
	assert_span(kept->method, SPAN_NONE);
	assert_span(kept->query, SPAN_NONE);
	assert_int_equal(kept->nfields, 0);
	free(kept);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(all_of_it_is_kept),
	    cmocka_unit_test(nothing_is_kept_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
