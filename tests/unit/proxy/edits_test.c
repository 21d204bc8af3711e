/* Edits of a route on field lines and on parsed heads, as tables. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "proxy/edits.h"
#include "proxy/http.h"

struct row {
	/* "=Name: value" sets, "+Name: value" adds, "-Name" removes */
	const char *edits[4];
	const char *in, *out; /* field lines */
};

static const struct row rows[] = {
    {{NULL}, "A: 1\r\n", "A: 1\r\n"},
    {{"=A: 2"}, "", "A: 2\r\n"},
    {{"=A: 2"}, "A: 1\r\nB: 1\r\na: 3\r\n", "B: 1\r\nA: 2\r\n"},
    {{"+A: 2"}, "A: 1\r\nB: 1\r\n", "A: 1\r\nB: 1\r\nA: 2\r\n"},
    {{"-A"}, "A: 1\r\nAB: 1\r\nB: A: 1\r\nA: 1\r\n", "AB: 1\r\nB: A: 1\r\n"},
    {{"-A"}, "A: 1\r\n", ""},
    {{"-A", "-B"}, "B: 1\r\nA: 1\r\n", ""},
    {{"-A"}, "B: \r\n", "B: \r\n"},
    {{"=A: "}, "A: 1\r\n", "A: \r\n"},
    /* in the order they are written */
    {{"=C: 3", "-A", "+B: 2"}, "A: 1\r\nB: 1\r\nC: 1\r\n",
	"B: 1\r\nC: 3\r\nB: 2\r\n"},
    /* what pods take for the same name (CGI) is the same to us */
    {{"=X-Client-Subject: me"},
	"X_Client_Subject: you\r\nx-client-subject: he\r\nX-F: 1\r\n",
	"X-F: 1\r\nX-Client-Subject: me\r\n"},
};

static void
add_edits(struct edits *e, const struct row *r)
{
	for (size_t i = 0; i < 4 && r->edits[i] != NULL; i++) {
		struct span value = span_of(r->edits[i] + 1);
		struct span name = span_cut(&value, ':');
		char kind = r->edits[i][0];

		value = value.p != NULL ? span_trim(value) : SPAN("");
		assert_int_equal(edits_add(e,
				     kind == '='   ? EDIT_SET
				     : kind == '+' ? EDIT_ADD
						   : EDIT_REMOVE,
				     name, value),
		    0);
	}
}

static void
test_lines(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct route_action *a = route_action_new();
		size_t n = strlen(rows[i].in);
		char *buf, *end;

		assert_non_null(a);
		add_edits(&a->request, &rows[i]);
		buf = malloc(n + a->request.bytes + 1);
		assert_non_null(buf);
		memcpy(buf, rows[i].in, n);
		end = edits_write(&a->request, buf, buf + n);
		assert_true((size_t)(end - buf) <= n + a->request.bytes);
		*end = '\0';
		assert_string_equal(buf, rows[i].out);
		free(buf);
		route_action_free(a);
	}
}

/* The lines of a head as they are now. */
static void
print_fields(const struct h1_head *h, char *buf, size_t size)
{
	size_t used = 0;

	buf[0] = '\0';
	for (unsigned i = 0; i < h->nfields; i++) {
		const struct field *f = &h->fields[i];

		assert_int_equal(f->id, field_lookup(f->name));
		used += (size_t)snprintf(buf + used, size - used,
		    "%.*s: %.*s\r\n", SPAN_ARG(f->name), SPAN_ARG(f->value));
	}
}

static void
apply(const struct row *r, char *buf, size_t size)
{
	struct field fields[8], *edited;
	struct route_action *a = route_action_new();
	struct h1_head h, out;
	char text[256];

	assert_non_null(a);
	add_edits(&a->response, r);
	snprintf(text, sizeof text, "HTTP/1.1 200 OK\r\n%s\r\n", r->in);
	h1_head_init(&h, fields, 8);
	assert_int_equal(h1_parse_response(span_of(text), false, &h), H1_DONE);
	edited = calloc(h.nfields + EDITS_MAX, sizeof *edited);
	assert_non_null(edited);
	edits_apply(&a->response, &h, edited, h.nfields + EDITS_MAX, &out);
	assert_int_equal(out.status, 200);
	assert_int_equal(out.body, h.body);
	assert_int_equal(out.length, h.length);
	print_fields(&out, buf, size);
	free(edited);
	route_action_free(a);
}

static void
test_heads(void **state)
{
	char buf[512];

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		apply(&rows[i], buf, sizeof buf);
		assert_string_equal(buf, rows[i].out);
	}
}

/* A pod that names a field in Connection cannot take ours away. */
static void
test_named_by_connection(void **state)
{
	static const struct row row = {{"=X-Mine: 2"},
	    "Connection: x-mine, X-Other\r\nX-Mine: 1\r\nX-Other: 1\r\n"
	    "Content-Length: 3\r\nX-Kept: 1\r\n",
	    "Connection: x-mine, X-Other\r\nContent-Length: 3\r\n"
	    "X-Kept: 1\r\nX-Mine: 2\r\n"};
	char buf[512], text[600], written[512];
	struct field fields[8];
	struct h1_head h;
	struct http_answer answer = {.date = SPAN("now")};
	size_t n;

	(void)state;
	apply(&row, buf, sizeof buf);
	assert_string_equal(buf, row.out);
	/* and so it is written */
	snprintf(text, sizeof text, "HTTP/1.1 200 OK\r\n%s\r\n", buf);
	h1_head_init(&h, fields, 8);
	assert_int_equal(h1_parse_response(span_of(text), false, &h), H1_DONE);
	h.connection_names = false;
	n = http_write_response(written, sizeof written - 1, &h, &answer);
	written[n] = '\0';
	assert_non_null(strstr(written, "\r\nX-Mine: 2\r\n"));
	assert_null(strstr(written, "Connection"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_lines),
	    cmocka_unit_test(test_heads),
	    cmocka_unit_test(test_named_by_connection),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
