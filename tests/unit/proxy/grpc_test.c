/* Which responses are gRPC's, which statuses count, and how often. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "proxy/grpc.h"
#include "proxy/stats.h"
#include "router/plan.h"
#include "router/tally.h"

static struct field fields[8];

/* A head or trailers with one field, between two that mean nothing. */
static struct h1_head
head_with(const char *name, const char *value)
{
	struct h1_head h;

	h1_head_init(&h, fields, 8);
	fields[h.nfields++] =
	    (struct field){SPAN("date"), SPAN("2"), FIELD_DATE};
	fields[h.nfields++] = (struct field){
	    span_of(name), span_of(value), field_lookup(span_of(name))};
	fields[h.nfields++] =
	    (struct field){SPAN("grpc-message"), SPAN("7"), FIELD_OTHER};
	return h;
}

static void
test_content_types(void **state)
{
	static const struct {
		const char *name, *value;
		bool grpc;
	} rows[] = {
	    {"content-type", "application/grpc", true},
	    {"Content-Type", "Application/GRPC+proto", true},
	    {"content-type", "application/grpc;charset=utf-8", true},
	    {"content-type", "application/grp", false},
	    {"content-type", "application/json", false},
	    {"content-type", "", false},
	    {"x-content-type", "application/grpc", false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct h1_head h = head_with(rows[i].name, rows[i].value);

		assert_int_equal(grpc_response(&h), rows[i].grpc);
	}
}

static void
test_statuses(void **state)
{
	static const struct {
		const char *name, *value;
		int status;
	} rows[] = {
	    {"grpc-status", "0", 0},
	    {"Grpc-Status", "2", 2},
	    {"grpc-status", "16", 16},
	    {"grpc-status", "17", GRPC_NONE},
	    {"grpc-status", "-1", GRPC_NONE},
	    {"grpc-status", "", GRPC_NONE},
	    {"grpc-status", "2x", GRPC_NONE},
	    {"grpc-status", "18446744073709551618", GRPC_NONE},
	    {"x-grpc-status", "2", GRPC_NONE},
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct h1_head h = head_with(rows[i].name, rows[i].value);

		assert_int_equal(grpc_status(&h), rows[i].status);
	}
}

static void
test_each_answer_counts_once(void **state)
{
	static const struct {
		int status, grpc_status;
		enum reason soft, counted;
	} rows[] = {
	    {200, GRPC_NONE, REASON_NONE, REASON_NONE},
	    {200, 0, REASON_NONE, REASON_NONE},
	    {200, 2, REASON_NONE, REASON_STATUS},
	    {200, 3, REASON_NONE, REASON_NONE},
	    {200, 16, REASON_NONE, REASON_STATUS},
	    {500, GRPC_NONE, REASON_NONE, REASON_STATUS},
	    /* and not for each reason */
	    {500, 2, REASON_NONE, REASON_STATUS},
	    {599, 3, REASON_NONE, REASON_STATUS},
	    {499, 4, REASON_NONE, REASON_NONE},
	    {200, GRPC_NONE, REASON_BODY, REASON_BODY},
	    {200, 3, REASON_HEADER, REASON_HEADER},
	    {500, GRPC_NONE, REASON_BODY, REASON_STATUS},
	    {200, 2, REASON_HEADER, REASON_STATUS},
	};
	struct terms terms = {
	    .error_min = 500,
	    .error_max = 599,
	    .error_grpc = 1u << 2 | 1u << 16,
	};
	struct service s = {.terms = &terms};
	struct version v = {0};
	struct tally_sum sum;

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		const unsigned errors = rows[i].counted != REASON_NONE;

		v.tally = tally_new(1);
		assert_non_null(v.tally);
		assert_int_equal(stats_answer(&s, &v, 0, rows[i].status,
				     rows[i].grpc_status, rows[i].soft, 1),
		    errors != 0);
		tally_read(v.tally, &sum);
		assert_int_equal(tally_answers(&sum), 1);
		assert_int_equal(sum.errors[rows[i].counted], errors);
		assert_int_equal(tally_errors(&sum), errors);
		tally_drop(v.tally);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_content_types),
	    cmocka_unit_test(test_statuses),
	    cmocka_unit_test(test_each_answer_counts_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
