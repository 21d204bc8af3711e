/* Which weights win at a reload, by tables; and weights in words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "control/weights.h"
#include "router/plan.h"
#include "router/spec.h"
#include "router/split.h"

#define NONE	 UINT64_MAX /* has no such version */
#define VERSIONS 3

static char *const names[VERSIONS] = {"v1", "v2", "v3"};

static struct service_spec
spec_of(struct version_spec list[VERSIONS], const uint64_t weights[VERSIONS])
{
	struct service_spec s = {.name = "shop", .versions = list};

	for (size_t i = 0; i < VERSIONS; i++)
		if (weights[i] != NONE)
			list[s.nversions++] =
			    (struct version_spec){.name = names[i],
				.weight = weights[i] * WEIGHT_ONE};
	return s;
}

static struct service
service_of(struct version list[VERSIONS], const uint64_t weights[VERSIONS])
{
	struct service s = {.name = "shop", .versions = list};

	for (size_t i = 0; i < VERSIONS; i++)
		if (weights[i] != NONE)
			list[s.nversions++] = (struct version){.name = names[i],
			    .weight = weights[i] * WEIGHT_ONE};
	return s;
}

struct row {
	const char *what;
	uint64_t last[VERSIONS], now[VERSIONS], next[VERSIONS];
	enum weights_choice choice;
	uint64_t then[VERSIONS];
};

static const struct row rows[] = {
    {"nothing was set at run time", {80, 20, NONE}, {80, 20, NONE},
	{80, 20, NONE}, WEIGHTS_FILE, {80, 20, NONE}},
    {"the file changed, nothing was set", {80, 20, NONE}, {80, 20, NONE},
	{70, 30, NONE}, WEIGHTS_FILE, {70, 30, NONE}},
    {"set at run time, same file", {80, 20, NONE}, {50, 50, NONE},
	{80, 20, NONE}, WEIGHTS_KEPT, {50, 50, NONE}},
    {"set to 0 and 100", {80, 20, NONE}, {0, 100, NONE}, {80, 20, NONE},
	WEIGHTS_KEPT, {0, 100, NONE}},
    {"set at run time, file changed", {80, 20, NONE}, {50, 50, NONE},
	{70, 20, NONE}, WEIGHTS_EDITED, {70, 20, NONE}},
    {"file changed to what was set", {80, 20, NONE}, {50, 50, NONE},
	{50, 50, NONE}, WEIGHTS_EDITED, {50, 50, NONE}},
    {"a version joins with weight 0", {80, 20, NONE}, {50, 50, NONE},
	{80, 20, 0}, WEIGHTS_KEPT, {50, 50, 0}},
    {"a version joins with a weight", {80, 20, NONE}, {50, 50, NONE},
	{80, 20, 5}, WEIGHTS_EDITED, {80, 20, 5}},
    {"a version leaves", {80, 20, 5}, {50, 50, 0}, {80, 20, NONE}, WEIGHTS_KEPT,
	{50, 50, NONE}},
    {"the only version with weight leaves", {80, 20, NONE}, {0, 100, NONE},
	{80, NONE, NONE}, WEIGHTS_UNFIT, {80, NONE, NONE}},
};

static void
the_right_weights_win(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct row *r = &rows[i];
		struct version_spec last_list[VERSIONS], next_list[VERSIONS];
		struct version_spec then_list[VERSIONS];
		struct version now_list[VERSIONS];
		struct service_spec last = spec_of(last_list, r->last);
		struct service_spec next = spec_of(next_list, r->next);
		struct service_spec then = spec_of(then_list, r->then);
		struct service now = service_of(now_list, r->now);
		char why[256] = "";

		print_message("%s\n", r->what);
		assert_int_equal(
		    weights_keep(&next, &last, &now, why, sizeof(why)),
		    r->choice);
		assert_int_equal(next.nversions, then.nversions);
		for (size_t v = 0; v < next.nversions; v++)
			assert_int_equal(
			    next.versions[v].weight, then.versions[v].weight);
		assert_true((r->choice == WEIGHTS_UNFIT) == (why[0] != '\0'));
	}
}

static void
a_new_service_has_the_files(void **state)
{
	const uint64_t w[VERSIONS] = {1, 2, 3};
	struct version_spec list[VERSIONS];
	struct version now_list[VERSIONS];
	struct service_spec next = spec_of(list, w);
	struct service now = service_of(now_list, w);
	char why[256];

	(void)state;
	assert_int_equal(
	    weights_keep(&next, NULL, NULL, why, sizeof(why)), WEIGHTS_FILE);
	assert_int_equal(
	    weights_keep(&next, NULL, &now, why, sizeof(why)), WEIGHTS_FILE);
	assert_int_equal(
	    weights_keep(&next, &next, NULL, why, sizeof(why)), WEIGHTS_FILE);
}

static void
words(void **state)
{
	const uint64_t a[VERSIONS] = {80, 20, NONE}, b[VERSIONS] = {50, 0, 7};
	struct version from_list[VERSIONS], to_list[VERSIONS];
	struct service from = service_of(from_list, a);
	struct service to = service_of(to_list, b);
	char buf[128], tight[8];

	(void)state;
	weights_describe_change(&from, &to, buf, sizeof(buf));
	assert_string_equal(buf, "v1 80 -> 50, v2 20 -> 0, v3 7");
	weights_describe(&from, buf, sizeof(buf));
	assert_string_equal(buf, "v1 80, v2 20");
	from_list[0].weight = 100;
	from_list[1].weight = WEIGHT_MAX - 1;
	weights_describe(&from, buf, sizeof(buf));
	assert_string_equal(buf, "v1 0.01, v2 999999.9999");
	weights_describe(&from, tight, sizeof(tight));
	assert_string_equal(tight, "v1 0.01");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_right_weights_win),
	    cmocka_unit_test(a_new_service_has_the_files),
	    cmocka_unit_test(words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
