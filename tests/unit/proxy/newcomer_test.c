/* Who is new to a cohort, and what he is given. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/arena.h"
#include "proxy/newcomer.h"
#include "router/cohort.h"
#include "router/match.h"

static struct cohort
cohort_of(const char *cookie, uint32_t ttl_s)
{
	return (struct cohort){
	    .key = {HASH_ON_COOKIE, (char *)cookie},
	    .salt = cohort_salt("shop"),
	    .ttl_s = ttl_s,
	};
}

static void
test_words(void **state)
{
	static const uint8_t random[NEWCOMER_ID_BYTES] = {0x00, 0x01, 0x9a,
	    0xbc, 0xde, 0xf0, 0xff, 0x10, 8, 9, 10, 11, 12, 13, 14, 15};
	static const char id[] = "00019abcdef0ff1008090a0b0c0d0e0f";
	static const struct {
		const char *cookie;
		uint32_t ttl_s;
		bool secure;
		const char *text;
	} rows[] = {
	    {"uid", 2592000, false,
		"uid=00019abcdef0ff1008090a0b0c0d0e0f; Max-Age=2592000; "
		"Path=/; HttpOnly; SameSite=Lax"},
	    {"__Host-uid", 1, true,
		"__Host-uid=00019abcdef0ff1008090a0b0c0d0e0f; Max-Age=1; "
		"Path=/; HttpOnly; SameSite=Lax; Secure"},
	    {"u", UINT32_MAX, true,
		"u=00019abcdef0ff1008090a0b0c0d0e0f; Max-Age=4294967295; "
		"Path=/; HttpOnly; SameSite=Lax; Secure"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct cohort c = cohort_of(rows[i].cookie, rows[i].ttl_s);
		char *buf = malloc(newcomer_size(&c));
		struct span said;
		size_t n;

		assert_non_null(buf);
		n = newcomer_write(buf, &c, random, rows[i].secure, &said);
		assert_int_equal(n, strlen(rows[i].text));
		assert_memory_equal(buf, rows[i].text, n);
		assert_true(span_eq(said, span_of(id)));
		free(buf);
	}
}

/* Each is somebody else. */
static void
test_newcomers(void **state)
{
	struct cohort c = cohort_of("uid", 60);
	struct span ids[100], cookie;
	struct arena arena;

	(void)state;
	arena_init(&arena, NULL, 0, 1 << 20);
	for (size_t i = 0; i < 100; i++) {
		struct request r = {.nfields = 0};

		cookie = newcomer_greet(&c, false, &arena, &r);
		assert_true(cookie.n > 36 && r.newcomer.n == 32);
		assert_memory_equal(cookie.p, "uid=", 4);
		assert_memory_equal(cookie.p + 4, r.newcomer.p, 32);
		assert_int_equal(strspn(r.newcomer.p, "0123456789abcdef"), 32);
		ids[i] = r.newcomer;
		for (size_t j = 0; j < i; j++)
			assert_false(span_eq(ids[i], ids[j]));
	}
	arena_reset(&arena);
}

static void
test_no_newcomers(void **state)
{
	const struct field sent = {
	    SPAN("Cookie"), SPAN("a=b; uid=7"), FIELD_COOKIE};
	struct request known = {.fields = &sent, .nfields = 1};
	struct request nobody = {.nfields = 0};
	struct cohort c = cohort_of("uid", 60), apps = cohort_of("uid", 0);
	struct cohort none = {.key = {HASH_ON_NOTHING, NULL}};
	struct arena arena, full;

	(void)state;
	arena_init(&arena, NULL, 0, 1 << 20);
	arena_init(&full, NULL, 0, 16);
	assert_true(newcomer_greet(&c, true, &arena, &known).n == 0);
	assert_true(newcomer_greet(&apps, true, &arena, &nobody).n == 0);
	assert_true(newcomer_greet(&none, true, &arena, &nobody).n == 0);
	assert_true(newcomer_greet(&c, true, &full, &nobody).n == 0);
	assert_true(known.newcomer.n == 0 && nobody.newcomer.n == 0);
	assert_true(newcomer_greet(&c, true, &arena, &nobody).n > 0);
	arena_reset(&arena);
	arena_reset(&full);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_words),
	    cmocka_unit_test(test_newcomers),
	    cmocka_unit_test(test_no_newcomers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
