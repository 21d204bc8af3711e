/* The key `cohort`: what is read, and everything that can be wrong with it. */
#include "tests/unit/conf/error_rows.h"

#include "router/cohort.h"

#define WANT                                                                 \
	"expected request, client_ip or a map with one of the keys header, " \
	"cookie, found "
#define NAME_128                                                         \
	"abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghij" \
	"klmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrst" \
	"uvwx"

static const struct {
	const char *cohort;
	enum hash_on on;
	const char *name;
	uint32_t ttl_s;
} goods[] = {
    {"request", HASH_ON_NOTHING, NULL, 0},
    {"client_ip", HASH_ON_CLIENT, NULL, 0},
    {"{header: X-User}", HASH_ON_HEADER, "X-User", 0},
    {"{cookie: uid}", HASH_ON_COOKIE, "uid", 0},
    {"{cookie: uid, ttl: 30d}", HASH_ON_COOKIE, "uid", 2592000},
    {"{ttl: 1s, cookie: __Host-uid}", HASH_ON_COOKIE, "__Host-uid", 1},
    {"{cookie: u, ttl: 3650d}", HASH_ON_COOKIE, "u", 315360000},
    {"{cookie: " NAME_128 ", ttl: 1h}", HASH_ON_COOKIE, NAME_128, 3600},
    {"{cookie: " NAME_128 "x}", HASH_ON_COOKIE, NAME_128 "x", 0},
};

static void
test_good_ones(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof goods / sizeof goods[0]; i++) {
		struct conf_errors errors;
		const struct cohort *c;
		char text[512];
		int n = snprintf(text, sizeof text, SHOP "    cohort: %s\n",
		    goods[i].cohort);
		struct conf *conf = conf_parse("f", text, (size_t)n, &errors);

		assert_non_null(conf);
		c = &conf->spec->services[0].terms.cohort;
		assert_int_equal(c->key.on, goods[i].on);
		assert_int_equal(c->ttl_s, goods[i].ttl_s);
		if (goods[i].name != NULL)
			assert_string_equal(c->key.name, goods[i].name);
		else
			assert_null(c->key.name);
		conf_free(conf);
		conf_errors_free(&errors);
	}
}

/* clang-format off */
static const struct row bads[] = {
    {SHOP "    cohort: client\n", "5:13: " WANT "\"client\"\n"},
    {SHOP "    cohort: [client_ip]\n", "5:13: " WANT "a list\n"},
    {SHOP "    cohort:\n", "5:12: " WANT "nothing\n"},
    {SHOP "    cohort: {}\n",
	"5:13: missing key \"header\" or \"cookie\"\n"},
    {SHOP "    cohort: {ttl: 1h}\n",
	"5:13: missing key \"header\" or \"cookie\"\n"},
    {SHOP "    cohort: {header: X-User, cookie: uid}\n",
	"5:30: expected either \"header\" or \"cookie\", found both\n"},
    {SHOP "    cohort: {heder: X-User}\n",
	"5:14: unknown key \"heder\", did you mean \"header\"?\n"},
    {SHOP "    cohort: {query: u}\n",
	"5:14: unknown key \"query\", known: header, cookie, ttl\n"},
    {SHOP "    cohort: {header: \"X User\"}\n",
	"5:22: expected the name of a header, found \"X User\"\n"},
    {SHOP "    cohort: {header: \"\"}\n",
	"5:22: expected the name of a header, found \"\"\n"},
    {SHOP "    cohort: {cookie: \"a=b\"}\n",
	"5:22: expected the name of a cookie, found \"a=b\"\n"},
    {SHOP "    cohort: {cookie: [a]}\n",
	"5:22: expected the name of a cookie, found a list\n"},
    {SHOP "    cohort: {header: X-User, ttl: 1h}\n",
	"5:30: \"ttl\" needs \"cookie\": a header cannot be given\n"},
    {SHOP "    cohort: {cookie: uid, ttl: 0s}\n",
	"5:32: expected a duration from 1s to 3650d, found \"0s\"\n"},
    {SHOP "    cohort: {cookie: uid, ttl: 3651d}\n",
	"5:32: expected a duration from 1s to 3650d, found \"3651d\"\n"},
    {SHOP "    cohort: {cookie: uid, ttl: 1500ms}\n",
	"5:32: expected a duration of whole seconds, found \"1500ms\"\n"},
    {SHOP "    cohort: {cookie: uid, ttl: month}\n",
	"5:32: expected a duration such as 500ms, 10s, 5m or 1h, found "
	"\"month\"\n"},
    {SHOP "    cohort: {cookie: " NAME_128 "x, ttl: 1h}\n",
	"5:22: expected the name of a cookie of at most 128 bytes with "
	"\"ttl\", found 129\n"},
    {SHOP "    cohort: {cookie: a, cookie: b}\n",
	"5:25: duplicate key \"cookie\", first on line 5\n"},
    {SHOP "    cohort: {cookie: a}\n    cohort: {cookie: b, ttl: 1s}\n",
	"6:5: duplicate key \"cohort\", first on line 5\n"},
    {SHOP "    cohort: {cookie: *a, ttl: 1h}\n",
	"5:22: aliases are not supported\n"},
    {SHOP "    cohort: *a\n", "5:13: aliases are not supported\n"},
};
/* clang-format on */

TABLE_TEST(bads)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_good_ones),
	    cmocka_unit_test(test_bads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
