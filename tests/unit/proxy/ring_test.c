/*
 * The ring: records whole and in order, wherever the block's end falls; full
 * is said, never overrun; also with a thread at either end.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <pthread.h>
#include <sched.h>

#include "proxy/ring.h"

#define SMALL 256u

/* The n-th record of a test: its length and bytes follow from n. */
static size_t
length_of(uint64_t n, size_t most)
{
	return (size_t)(n * 2654435761u >> 7) % (most + 1);
}

static void
fill(char *p, size_t length, uint64_t n)
{
	for (size_t i = 0; i < length; i++)
		p[i] = (char)(n * 31 + i);
}

static bool
is_filled(struct span s, uint64_t n)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] != (char)(n * 31 + i))
			return false;
	return true;
}

static bool
put(struct ring *r, uint64_t n, size_t length)
{
	char *p = ring_reserve(r, length);

	if (p == NULL)
		return false;
	fill(p, length, n);
	ring_commit(r);
	return true;
}

static void
take(struct ring *r, uint64_t n, size_t length)
{
	struct span s;

	assert_true(ring_peek(r, &s));
	assert_int_equal(s.n, length);
	assert_true(is_filled(s, n));
	ring_pop(r);
}

static void
empty_has_nothing(void **state)
{
	struct ring *r = ring_new(SMALL);
	struct span s;

	(void)state;
	assert_false(ring_peek(r, &s));
	assert_true(put(r, 1, 0));
	take(r, 1, 0);
	assert_false(ring_peek(r, &s));
	ring_free(r);
}

static void
not_seen_before_the_commit(void **state)
{
	struct ring *r = ring_new(SMALL);
	struct span s;

	(void)state;
	assert_non_null(ring_reserve(r, 40));
	assert_false(ring_peek(r, &s));
	/* Reserved again, differently: only the last one counts. */
	assert_true(put(r, 7, 9));
	take(r, 7, 9);
	assert_false(ring_peek(r, &s));
	ring_free(r);
}

static void
peek_shows_the_same_until_pop(void **state)
{
	struct ring *r = ring_new(SMALL);
	struct span a, b;

	(void)state;
	assert_true(put(r, 1, 5) && put(r, 2, 6));
	assert_true(ring_peek(r, &a) && ring_peek(r, &b));
	assert_ptr_equal(a.p, b.p);
	take(r, 1, 5);
	take(r, 2, 6);
	ring_free(r);
}

static void
full_says_so_and_recovers(void **state)
{
	struct ring *r = ring_new(SMALL);
	uint64_t n = 0;

	(void)state;
	while (put(r, n, 24))
		n++;
	assert_int_equal(n, SMALL / 32);
	assert_null(ring_reserve(r, 0));
	take(r, 0, 24);
	assert_true(put(r, n, 24));
	assert_null(ring_reserve(r, 1));
	for (uint64_t i = 1; i <= n; i++)
		take(r, i, 24);
	ring_free(r);
}

/* An empty ring takes the longest record wherever it stands. */
static void
longest_record_at_every_place(void **state)
{
	struct ring *r = ring_new(SMALL);
	size_t most = ring_record_max(r);

	(void)state;
	for (uint64_t n = 0; n < 200; n++) {
		assert_true(put(r, n, most));
		take(r, n, most);
		assert_true(put(r, n, length_of(n, 60)));
		take(r, n, length_of(n, 60));
	}
	ring_free(r);
}

static void
records_are_aligned(void **state)
{
	struct ring *r = ring_new(SMALL);

	(void)state;
	for (uint64_t n = 0; n < 100; n++) {
		size_t length = length_of(n, 100);

		assert_int_equal((uintptr_t)ring_reserve(r, length) % 8, 0);
		assert_true(put(r, n, length));
		take(r, n, length);
	}
	ring_free(r);
}

/* Against a plain queue: everything that was taken comes, in order. */
static void
random_traffic_like_a_queue(void **state)
{
	struct ring *r = ring_new(SMALL);
	uint64_t put_n = 0, taken = 0, refused = 0;
	struct span s;

	(void)state;
	srand(1);
	for (unsigned i = 0; i < 200000; i++) {
		if (rand() % 2) {
			if (put(r, put_n, length_of(put_n, 120)))
				put_n++;
			else
				refused++;
		} else if (taken < put_n) {
			take(r, taken, length_of(taken, 120));
			taken++;
		} else {
			assert_false(ring_peek(r, &s));
		}
	}
	assert_true(refused > 100 && taken > 10000);
	while (taken < put_n) {
		take(r, taken, length_of(taken, 120));
		taken++;
	}
	assert_false(ring_peek(r, &s));
	ring_free(r);
}

#define RECORDS 300000u

static void *
producer(void *arg)
{
	struct ring *r = arg;

	for (uint64_t n = 0; n < RECORDS;)
		if (put(r, n, length_of(n, 200)))
			n++;
		else
			sched_yield();
	return NULL;
}

static void
two_threads(void **state)
{
	struct ring *r = ring_new(1024);
	pthread_t thread;
	uint64_t n = 0, wrong = 0;
	struct span s;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, producer, r), 0);
	while (n < RECORDS) {
		if (!ring_peek(r, &s)) {
			sched_yield();
			continue;
		}
		wrong += s.n != length_of(n, 200) || !is_filled(s, n);
		ring_pop(r);
		n++;
	}
	pthread_join(thread, NULL);
	assert_int_equal(wrong, 0);
	assert_false(ring_peek(r, &s));
	ring_free(r);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(empty_has_nothing),
	    cmocka_unit_test(not_seen_before_the_commit),
	    cmocka_unit_test(peek_shows_the_same_until_pop),
	    cmocka_unit_test(full_says_so_and_recovers),
	    cmocka_unit_test(longest_record_at_every_place),
	    cmocka_unit_test(records_are_aligned),
	    cmocka_unit_test(random_traffic_like_a_queue),
	    cmocka_unit_test(two_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
