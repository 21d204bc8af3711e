/* Sticky cookies: what is written can be read, and nothing else can. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/address.h"
#include "router/pod.h"
#include "router/sticky.h"
#include "router/sticky_pods.h"

#define SECRET "0123456789abcdef"
#define LONGEST \
	"v-1.2_3.4567890123456789012345678901234567890123456789012345678"

static struct sticky_key *key;
static const struct span shop = SPAN("shop");

static int
setup(void **state)
{
	(void)state;
	key = sticky_key_new(SPAN(SECRET));
	assert_non_null(key);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	sticky_key_drop(key);
	return 0;
}

static const struct sticky_mark plain = {
    .version = SPAN("v2.0"),
    .epoch = 7,
    .expires_s = 1790000000,
    .pod = 0x0123456789abcdef,
};

static bool
reads(const char *p, size_t n)
{
	struct sticky_mark m;
	char *copy = malloc(n > 0 ? n : 1); /* nothing behind it is looked at */
	bool read;

	assert_non_null(copy);
	if (n > 0)
		memcpy(copy, p, n);
	read = sticky_read(key, shop, (struct span){copy, n}, &m);
	free(copy);
	return read;
}

static void
test_round_trip(void **state)
{
	static const struct sticky_mark rows[] = {
	    {SPAN("v1"), 0, 0, 0},
	    {SPAN("v2.0"), 7, 1790000000, 0x0123456789abcdef},
	    {SPAN("1.2.3.4"), 1, 2, 3},
	    {SPAN("."), 1, 2, 3},
	    {SPAN("-_."), 1, 2, 3},
	    {SPAN(LONGEST), UINT32_MAX, UINT64_MAX, UINT64_MAX},
	};

	(void)state;
	assert_int_equal(strlen(LONGEST), 63);
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		char text[STICKY_TEXT_MAX];
		size_t n = sticky_write(key, shop, &rows[i], text);
		struct sticky_mark m;

		assert_true(n > 0 && n <= STICKY_TEXT_MAX);
		assert_true(sticky_read(key, shop, (struct span){text, n}, &m));
		assert_true(span_eq(m.version, rows[i].version));
		assert_int_equal(m.epoch, rows[i].epoch);
		assert_int_equal(m.expires_s, rows[i].expires_s);
		assert_int_equal(m.pod, rows[i].pod);
		/* cookie-octets, and no comma that a list would be cut at */
		for (size_t k = 0; k < n; k++)
			assert_true(text[k] > ' ' && text[k] < 0x7f &&
				    strchr("\",;\\", text[k]) == NULL);
	}
}

/* Replicas agree, whatever they are built with: RFC 2104 with SHA-256. */
static void
test_text(void **state)
{
	char text[STICKY_TEXT_MAX];
	size_t n = sticky_write(key, shop, &plain, text);
	struct sticky_key *same = sticky_key_new(SPAN(SECRET));
	struct sticky_mark m;

	(void)state;
	/* printf 'cookie\0shop\0v2.0.7.1790000000.123456789abcdef' |
	 *     openssl mac -digest SHA256 -macopt key:0123456789abcdef HMAC */
	assert_int_equal(n, strlen("v2.0.7.1790000000.123456789abcdef") + 33);
	assert_memory_equal(text,
	    "v2.0.7.1790000000.123456789abcdef."
	    "22b55f39d08e9494ed6562851250f6c6",
	    n);
	assert_true(sticky_read(same, shop, (struct span){text, n}, &m));
	sticky_key_drop(same);
}

static void
test_every_change_is_refused(void **state)
{
	char good[STICKY_TEXT_MAX], text[STICKY_TEXT_MAX + 1];
	size_t n = sticky_write(key, shop, &plain, good);

	(void)state;
	assert_true(reads(good, n));
	for (size_t i = 0; i < n; i++) {
		memcpy(text, good, n);
		for (int c = 0; c < 256; c++) {
			text[i] = (char)c;
			assert_int_equal(reads(text, n), text[i] == good[i]);
		}
		/* one more, one less, two swapped */
		memcpy(text, good, i);
		text[i] = '0';
		memcpy(text + i + 1, good + i, n - i);
		assert_false(reads(text, n + 1));
		memcpy(text, good, i);
		memcpy(text + i, good + i + 1, n - i - 1);
		assert_false(reads(text, n - 1));
		assert_false(reads(good, i));
		assert_false(reads(good + i + 1, n - i - 1));
		memcpy(text, good, n);
		text[i] = good[n - 1 - i];
		text[n - 1 - i] = good[i];
		assert_int_equal(reads(text, n), memcmp(text, good, n) == 0);
	}
}

static void
test_garbage(void **state)
{
	static const char *const rows[] = {
	    "",
	    ".",
	    "....",
	    "v2",
	    "v2.0.1790000000.0",
	    "v2.0.1790000000.0.",
	    "v2.0.1790000000.0.00000000000000000000000000000000",
	    "v2.-1.1790000000.0.00000000000000000000000000000000",
	    ".00000000000000000000000000000000",
	    "00000000000000000000000000000000",
	    "deleted",
	};
	char long_one[8192];

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		assert_false(reads(rows[i], strlen(rows[i])));
	assert_false(reads(NULL, 0));
	memset(long_one, '.', sizeof long_one);
	for (size_t n = 0; n < sizeof long_one; n += 7)
		assert_false(reads(long_one, n));
}

/* A cookie is for one service, and of one key. */
static void
test_foreign(void **state)
{
	char text[STICKY_TEXT_MAX];
	size_t n = sticky_write(key, shop, &plain, text);
	const struct span whole = {text, n};
	struct sticky_key *other = sticky_key_new(SPAN("0123456789abcdeg"));
	struct sticky_mark m;

	(void)state;
	assert_true(sticky_read(key, shop, whole, &m));
	assert_false(sticky_read(key, SPAN("shop2"), whole, &m));
	assert_false(sticky_read(key, SPAN("sho"), whole, &m));
	assert_false(sticky_read(key, SPAN(""), whole, &m));
	assert_false(sticky_read(other, shop, whole, &m));
	sticky_key_drop(other);
}

/* Names that no config has: there is nothing to be written. */
static void
test_names(void **state)
{
	struct sticky_mark m = plain;
	char text[STICKY_TEXT_MAX];

	(void)state;
	m.version = SPAN(LONGEST "0");
	assert_int_equal(sticky_write(key, shop, &m, text), 0);
	m.version = SPAN("");
	assert_int_equal(sticky_write(key, shop, &m, text), 0);
}

static struct address
address(const char *text)
{
	struct address a;

	assert_true(address_parse(span_of(text), &a));
	return a;
}

static void
test_pod_ids(void **state)
{
	struct sticky_key *same = sticky_key_new(SPAN(SECRET));
	struct sticky_key *other = sticky_key_new(SPAN("another secret.."));
	const struct address a = address("127.0.0.1:80");
	const struct address b = address("127.0.0.1:81");

	(void)state;
	assert_int_equal(sticky_pod_id(key, &a), sticky_pod_id(same, &a));
	assert_int_not_equal(sticky_pod_id(key, &a), sticky_pod_id(key, &b));
	assert_int_not_equal(sticky_pod_id(key, &a), sticky_pod_id(other, &a));
	sticky_key_drop(same);
	sticky_key_drop(other);
}

/* Ten thousand, of which every third is up; a copy finds the same. */
static void
test_pods(void **state)
{
	enum {
		N = 10000
	};
	struct pod **pods = calloc(N, sizeof(struct pod *));
	struct sticky_pods *s, *copy;

	(void)state;
	assert_non_null(pods);
	for (unsigned i = 0; i < N; i++) {
		char text[32];
		struct address a;

		snprintf(text, sizeof text, "10.0.%u.%u:80", i / 250, i % 250);
		a = address(text);
		pods[i] = pod_new(&a, 1);
		assert_non_null(pods[i]);
		pods[i]->state = i % 3 == 0 ? POD_UP : POD_DOWN;
	}
	s = sticky_pods_new(key, pods, N);
	assert_non_null(s);
	assert_null(sticky_pods_find(s, sticky_pod_id(key, &pods[0]->address)));
	sticky_pods_settle(s);
	copy = sticky_pods_copy(s);
	assert_non_null(copy);
	sticky_pods_settle(copy);
	for (unsigned i = 0; i < N; i++) {
		uint64_t id = sticky_pod_id(key, &pods[i]->address);
		struct pod *ready = i % 3 == 0 ? pods[i] : NULL;

		assert_ptr_equal(sticky_pods_find(s, id), ready);
		assert_ptr_equal(sticky_pods_find(copy, id), ready);
		assert_null(sticky_pods_find(s, id + 1));
	}
	assert_null(sticky_pods_find(s, 0));
	assert_null(sticky_pods_find(s, UINT64_MAX));
	sticky_pods_free(s);
	sticky_pods_free(copy);
	sticky_pods_free(NULL);
	for (unsigned i = 0; i < N; i++)
		pod_drop(pods[i]);
	free(pods);
}

static void
test_no_pods(void **state)
{
	struct sticky_pods *s = sticky_pods_new(key, NULL, 0);

	(void)state;
	assert_non_null(s);
	sticky_pods_settle(s);
	assert_null(sticky_pods_find(s, 1));
	sticky_pods_free(s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_round_trip),
	    cmocka_unit_test(test_text),
	    cmocka_unit_test(test_every_change_is_refused),
	    cmocka_unit_test(test_garbage),
	    cmocka_unit_test(test_foreign),
	    cmocka_unit_test(test_names),
	    cmocka_unit_test(test_pod_ids),
	    cmocka_unit_test(test_pods),
	    cmocka_unit_test(test_no_pods),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
