/* Keys of requests, and rings: who owns a key, and who does when pods go. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "make_pods.h"
#include "router/hash_key.h"
#include "router/hash_ring.h"
#include "router/match.h"

#define KEYS 50000u

static uint64_t
key(unsigned i)
{
	char text[16];
	int n = snprintf(text, sizeof text, "user-%u", i);

	return hash_bytes((struct span){text, (size_t)n}, HASH_ON_HEADER);
}

static const struct pod *
owner(const struct hash_ring *r, struct pod *const *ready, uint64_t k)
{
	return ready[hash_ring_pod(r, hash_ring_find(r, k))];
}

static uint16_t *
weights_of(unsigned n, uint16_t each)
{
	uint16_t *weights = calloc(n, sizeof *weights);

	CHECK(weights != NULL);
	for (unsigned i = 0; i < n; i++)
		weights[i] = each;
	return weights;
}

/* With the pod `gone` away: its keys move, no other does; then it is back. */
static void
assert_minimal(unsigned n, unsigned gone)
{
	struct pod **pods = make_pods(n, 1), **left = calloc(n, sizeof *left);
	const struct pod **before = calloc(KEYS, sizeof *before);
	uint16_t *weights = weights_of(n, 1);
	struct hash_ring *r = hash_ring_new(weights, n);
	unsigned moved = 0;

	assert_true(r != NULL && left != NULL && before != NULL);
	hash_ring_fill(r, pods, weights, n);
	for (unsigned i = 0; i < KEYS; i++)
		before[i] = owner(r, pods, key(i));
	for (unsigned i = 0, j = 0; i < n; i++)
		if (i != gone)
			left[j++] = pods[i];
	hash_ring_fill(r, left, weights, n - 1);
	for (unsigned i = 0; i < KEYS; i++) {
		const struct pod *now = owner(r, left, key(i));

		moved += now != before[i];
		assert_true(now != pods[gone]);
		assert_true(now == before[i] || before[i] == pods[gone]);
	}
	assert_in_range(moved, KEYS / n * 7 / 10, KEYS / n * 13 / 10);
	hash_ring_fill(r, pods, weights, n);
	for (unsigned i = 0; i < KEYS; i++)
		assert_ptr_equal(owner(r, pods, key(i)), before[i]);
	hash_ring_free(r);
	free(weights);
	free(before);
	free(left);
	free_pods(pods, n);
}

static void
test_minimal_movement(void **state)
{
	(void)state;
	assert_minimal(2, 0);
	assert_minimal(3, 1);
	assert_minimal(10, 9);
	assert_minimal(100, 42);
}

/* Another order of the same pods, as in another replica's config. */
static void
test_order_plays_no_part(void **state)
{
	enum {
		N = 200
	};
	struct pod **pods = make_pods(N, 1), *other[N];
	uint16_t weights[N], others[N];
	struct hash_ring *a, *b;

	(void)state;
	for (unsigned i = 0; i < N; i++)
		weights[i] = (uint16_t)(1 + i % 7);
	for (unsigned i = 0; i < N; i++) {
		other[i] = pods[i * 77 % N];
		others[i] = weights[i * 77 % N];
	}
	a = hash_ring_new(weights, N);
	b = hash_ring_new(others, N);
	assert_true(a != NULL && b != NULL);
	hash_ring_fill(a, pods, weights, N);
	hash_ring_fill(b, other, others, N);
	for (unsigned i = 0; i < KEYS; i++)
		assert_ptr_equal(
		    owner(a, pods, key(i)), owner(b, other, key(i)));
	hash_ring_free(a);
	hash_ring_free(b);
	free_pods(pods, N);
}

static void
test_weights(void **state)
{
	static const uint16_t weights[] = {1, 2, 4, 13};
	struct pod **pods = make_pods(4, 1);
	struct hash_ring *r = hash_ring_new(weights, 4);
	unsigned counts[4] = {0};

	(void)state;
	assert_non_null(r);
	hash_ring_fill(r, pods, weights, 4);
	for (unsigned i = 0; i < KEYS; i++)
		counts[hash_ring_pod(r, hash_ring_find(r, key(i)))]++;
	for (unsigned i = 0; i < 4; i++)
		assert_in_range(counts[i], KEYS * weights[i] / 20 * 7 / 10,
		    KEYS * weights[i] / 20 * 13 / 10);
	hash_ring_free(r);
	free_pods(pods, 4);
}

/* Every pod is somewhere on the ring, and its points are in order. */
static void
assert_whole(unsigned n, uint16_t weight_of_first)
{
	struct pod **pods = make_pods(n, 1);
	uint16_t *weights = weights_of(n, 1);
	bool *seen = calloc(n, sizeof *seen);
	struct hash_ring *r;
	uint32_t first, place;
	unsigned found = 0;

	weights[0] = weight_of_first;
	r = hash_ring_new(weights, n);
	assert_true(r != NULL && seen != NULL);
	hash_ring_fill(r, pods, weights, n);
	first = place = hash_ring_find(r, make_chance());
	do {
		found += !seen[hash_ring_pod(r, place)];
		seen[hash_ring_pod(r, place)] = true;
		place = hash_ring_next(r, place);
	} while (place != first);
	assert_int_equal(found, n);
	hash_ring_free(r);
	free(seen);
	free(weights);
	free_pods(pods, n);
}

static void
test_all_sizes(void **state)
{
	(void)state;
	assert_whole(1, 1);
	assert_whole(1, 1000);
	assert_whole(2, 1000);
	assert_whole(1171, 1);
	assert_whole(10000, 1);
	assert_whole(10000, 1000);
}

/* Replicas of other releases and machines must find the same. */
static void
test_hash_never_changes(void **state)
{
	(void)state;
	assert_true(hash_bytes(SPAN(""), 0) != 0);
	assert_true(hash_bytes(SPAN("shunt"), 1) == 0xc28f7c628a048109u);
	assert_true(
	    hash_bytes(SPAN("a longer text"), 2) == 0x27cdde813b027664u);
	assert_true(hash_bytes(SPAN("a"), 1) != hash_bytes(SPAN("a"), 2));
	assert_true(hash_bytes(SPAN("a"), 1) != hash_bytes(SPAN("a\0"), 1));
}

static uint64_t
of_request(enum hash_on on, const char *name, const struct request *r)
{
	struct hash_key k = {.on = on, .name = (char *)name};

	return hash_key_of(&k, r, SPAN("\x7f\0\0\1"));
}

static void
test_keys(void **state)
{
	const struct field fields[] = {
	    {SPAN("X-User"), SPAN("ann"), FIELD_OTHER},
	    {SPAN("Cookie"), SPAN("a=1; b=2"), FIELD_COOKIE},
	    {SPAN("x-user"), SPAN("bob"), FIELD_OTHER},
	    {SPAN("Cookie"), SPAN("uid=7"), FIELD_COOKIE},
	    {SPAN("X-Empty"), SPAN(""), FIELD_OTHER},
	};
	struct request r = {
	    .path = SPAN("/a"),
	    .query = SPAN("q=1"),
	    .fields = fields,
	    .nfields = 5,
	};
	const uint64_t uri = of_request(HASH_ON_URI, NULL, &r);

	(void)state;
	assert_true(of_request(HASH_ON_NOTHING, NULL, &r) == 0);
	assert_true(of_request(HASH_ON_CLIENT, NULL, &r) ==
		    hash_bytes(SPAN("\x7f\0\0\1"), HASH_ON_CLIENT));
	assert_true(of_request(HASH_ON_HEADER, "x-USER", &r) ==
		    hash_bytes(SPAN("ann"), HASH_ON_HEADER));
	assert_true(of_request(HASH_ON_COOKIE, "uid", &r) ==
		    hash_bytes(SPAN("7"), HASH_ON_COOKIE));
	assert_true(of_request(HASH_ON_HEADER, "X-None", &r) == 0);
	assert_true(of_request(HASH_ON_HEADER, "X-Empty", &r) == 0);
	assert_true(of_request(HASH_ON_COOKIE, "c", &r) == 0);
	r.query = SPAN("q=2");
	assert_true(uri != 0 && of_request(HASH_ON_URI, NULL, &r) != uri);
	r.path = SPAN("/b");
	r.query = SPAN("q=1");
	assert_true(of_request(HASH_ON_URI, NULL, &r) != uri);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_minimal_movement),
	    cmocka_unit_test(test_order_plays_no_part),
	    cmocka_unit_test(test_weights),
	    cmocka_unit_test(test_all_sizes),
	    cmocka_unit_test(test_hash_never_changes),
	    cmocka_unit_test(test_keys),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
