/* The policies: how evenly they spread, what they prefer, what was tried. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdbool.h>
#include <stdio.h>

#include "router/balance.h"
#include "router/pod.h"

#define PODS	5u
#define WORKERS 4u

static uint64_t seed = 88172645463325252ull;

static uint64_t
chance(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed * 2685821657736338717ull;
}

static int
make_pods(void **state)
{
	static struct pod *pods[PODS];

	for (unsigned i = 0; i < PODS; i++) {
		struct address a;
		char text[32];
		int n = snprintf(text, sizeof text, "127.0.0.1:%u", 9001 + i);

		if (!address_parse((struct span){text, (size_t)n}, &a) ||
		    (pods[i] = pod_new(&a, WORKERS)) == NULL)
			return -1;
	}
	*state = pods;
	return 0;
}

static int
drop_pods(void **state)
{
	struct pod **pods = *state;

	for (unsigned i = 0; i < PODS; i++)
		pod_drop(pods[i]);
	return 0;
}

static void
test_names(void **state)
{
	char names[64], cut[12];

	(void)state;
	assert_ptr_equal(balance_find("round_robin"), &balance_round_robin);
	assert_ptr_equal(balance_find("random"), &balance_random);
	assert_ptr_equal(balance_find("least_request"), &balance_least_request);
	assert_null(balance_find("Random"));
	assert_null(balance_find(""));
	balance_names(names, sizeof names);
	assert_string_equal(
	    names, "round_robin, random, least_request, ewma, hash");
	balance_names(cut, sizeof cut);
	assert_string_equal(cut, "round_robin");
}

static void
test_round_robin(void **state)
{
	struct pod **pods = *state;
	uint32_t cursor = 0;
	struct pick p = {.ready = pods, .n = PODS, .cursor = &cursor};

	for (unsigned i = 0; i < 3 * PODS; i++)
		assert_ptr_equal(
		    balance_pick(&balance_round_robin, &p), pods[i % PODS]);
}

/* At each step the workers, in step with each other, are at other pods. */
static void
test_round_robin_workers(void **state)
{
	struct pod **pods = *state;
	uint32_t cursors[WORKERS] = {0};

	for (unsigned step = 0; step < 2 * PODS; step++) {
		bool taken[PODS] = {false};

		for (unsigned w = 0; w < WORKERS; w++) {
			unsigned i = balance_round_robin.pick(&(struct pick){
			    .ready = pods,
			    .n = PODS,
			    .worker = w,
			    .cursor = &cursors[w],
			});

			assert_true(i < PODS);
			assert_false(taken[i]);
			taken[i] = true;
		}
	}
}

static void
test_random(void **state)
{
	struct pod **pods = *state;
	unsigned counts[PODS] = {0};
	const unsigned each = 20000;
	struct pick p = {.ready = pods, .n = PODS};

	for (unsigned i = 0; i < each * PODS; i++) {
		p.roll = chance();
		counts[balance_random.pick(&p)]++;
	}
	/* 126 is the standard deviation of a count; five of them. */
	for (unsigned i = 0; i < PODS; i++)
		assert_in_range(counts[i], each - 630, each + 630);
	p.roll = 0;
	assert_int_equal(balance_random.pick(&p), 0);
	p.roll = UINT64_MAX;
	assert_int_equal(balance_random.pick(&p), PODS - 1);
}

/* Every ordered pair of two different pods has the same chance. */
static void
test_least_request_is_even_when_idle(void **state)
{
	struct pod **pods = *state;
	unsigned counts[PODS] = {0};
	const unsigned each = 20000;
	struct pick p = {.ready = pods, .n = PODS};

	for (unsigned i = 0; i < each * PODS; i++) {
		p.roll = chance();
		counts[balance_least_request.pick(&p)]++;
	}
	for (unsigned i = 0; i < PODS; i++)
		assert_in_range(counts[i], each - 630, each + 630);
}

static void
test_least_request_avoids_load(void **state)
{
	struct pod **pods = *state;
	unsigned counts[PODS] = {0};
	struct pick p = {.ready = pods, .n = PODS, .worker = 2};

	/* Only the worker's own count counts. */
	pod_inflight_add(pods[1], 2, 7);
	pod_inflight_add(pods[3], 0, 9);
	for (unsigned i = 0; i < 10000; i++) {
		p.roll = chance();
		counts[balance_least_request.pick(&p)]++;
	}
	assert_int_equal(counts[1], 0);
	assert_true(counts[3] > 1500);
	/* Of two pods it is always the lesser, be it by one. */
	pod_inflight_add(pods[1], 2, -6);
	p.n = 2;
	for (unsigned i = 0; i < 1000; i++) {
		p.roll = chance();
		assert_int_equal(balance_least_request.pick(&p), 0);
	}
	p.n = 1;
	assert_int_equal(balance_least_request.pick(&p), 0);
}

/* In a loop of pick and finish-one, loads stay close to each other. */
static void
test_least_request_levels(void **state)
{
	struct pod **pods = *state;
	struct pick p = {.ready = pods, .n = PODS, .worker = 1};
	uint32_t most = 0, least = UINT32_MAX;

	for (unsigned i = 0; i < 1000 * PODS; i++) {
		p.roll = chance();
		pod_inflight_add(
		    pods[balance_least_request.pick(&p)], p.worker, 1);
	}
	for (unsigned i = 0; i < PODS; i++) {
		uint32_t n = pods[i]->slots[p.worker].inflight;

		most = n > most ? n : most;
		least = n < least ? n : least;
	}
	/* By chance alone they would lie about 70 apart. */
	assert_true(most - least <= 8);
}

static void
test_tried_walks_on(void **state)
{
	struct pod **pods = *state;
	struct pod *tried[] = {pods[2], pods[3]};
	uint32_t cursor = 2;
	struct pick p = {
	    .ready = pods,
	    .n = PODS,
	    .cursor = &cursor,
	    .tried = tried,
	    .ntried = 2,
	};

	assert_ptr_equal(balance_pick(&balance_round_robin, &p), pods[4]);
	p.n = 0;
	assert_null(balance_pick(&balance_round_robin, &p));
}

#define WITH_PODS(f) cmocka_unit_test_setup_teardown(f, make_pods, drop_pods)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_names),
	    WITH_PODS(test_round_robin),
	    WITH_PODS(test_round_robin_workers),
	    WITH_PODS(test_random),
	    WITH_PODS(test_least_request_is_even_when_idle),
	    WITH_PODS(test_least_request_avoids_load),
	    WITH_PODS(test_least_request_levels),
	    WITH_PODS(test_tried_walks_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
