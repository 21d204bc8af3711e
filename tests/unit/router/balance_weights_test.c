/*
 * The policies with pods of different weights, and those that look at more
 * than the moment: ewma at latency, hash at a key and at the load.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "make_pods.h"
#include "router/balance.h"
#include "router/hash_ring.h"

#define WORKERS 2u
#define WORKER	1u
#define SECOND	1000000u

static const struct balance_ops *const all[] = {&balance_round_robin,
    &balance_random, &balance_least_request, &balance_ewma, &balance_hash};

#define ALL (sizeof all / sizeof all[0])

/* What a settled version has, and what a worker asks it. */
struct pool {
	struct pod **pods;
	unsigned n;
	struct draw *draw;
	struct hash_ring *ring;
	uint32_t cursor;
	struct pick pick;
};

static void
open_pool(struct pool *p, const uint16_t *weights, unsigned n)
{
	*p = (struct pool){.pods = make_pods(n, WORKERS), .n = n};
	p->ring = hash_ring_new(weights, n);
	assert_non_null(p->ring);
	hash_ring_fill(p->ring, p->pods, weights, n);
	for (unsigned i = 1; i < n; i++) {
		if (weights[i] == weights[0] || p->draw != NULL)
			continue;
		p->draw = draw_new(n);
		assert_non_null(p->draw);
		draw_fill(p->draw, weights, n);
	}
	p->pick = (struct pick){
	    .ready = p->pods,
	    .n = n,
	    .draw = p->draw,
	    .ring = p->ring,
	    .worker = WORKER,
	    .cursor = &p->cursor,
	    .now_us = 1000 * SECOND,
	};
}

static void
close_pool(struct pool *p)
{
	draw_free(p->draw);
	hash_ring_free(p->ring);
	free_pods(p->pods, p->n);
}

static unsigned
pick(struct pool *p, const struct balance_ops *ops)
{
	p->pick.roll = make_chance();
	return ops->pick(&p->pick);
}

static void
enter(struct pool *p, unsigned i, int n)
{
	pod_inflight_add(p->pods[i], WORKER, n);
	p->pick.inflight += (uint32_t)n;
}

/* Idle pods of any policy get what they weigh. */
static void
test_shares(void **state)
{
	static const uint16_t weights[] = {1, 2, 3, 14};
	const unsigned each = 5000;

	(void)state;
	for (size_t o = 0; o < ALL; o++) {
		unsigned counts[4] = {0};
		struct pool p;

		open_pool(&p, weights, 4);
		for (unsigned i = 0; i < each * 20; i++)
			counts[pick(&p, all[o])]++;
		for (unsigned i = 0; i < 4; i++) {
			const unsigned share = each * weights[i];
			const unsigned off =
			    all[o] == &balance_hash ? share * 3 / 10 : 500;

			assert_in_range(counts[i], share - off, share + off);
		}
		close_pool(&p);
	}
}

/* Loads follow the weights when every request stays. */
static void
test_loads(void **state)
{
	static const uint16_t weights[] = {1, 2, 3, 4};

	(void)state;
	for (size_t o = 2; o < ALL; o++) {
		struct pool p;

		open_pool(&p, weights, 4);
		for (unsigned i = 0; i < 4; i++)
			if (all[o]->note != NULL)
				all[o]->note(
				    p.pods[i], WORKER, p.pick.now_us, 1000);
		for (unsigned i = 0; i < 1000; i++)
			enter(&p, pick(&p, all[o]), 1);
		for (unsigned i = 0; i < 4; i++)
			assert_in_range(p.pods[i]->slots[WORKER].inflight,
			    100 * weights[i] * 70 / 100,
			    100 * weights[i] * 126 / 100);
		close_pool(&p);
	}
}

/* However heavy and whatever the policy: tried ones are not picked again, and
 * all others are found. */
static void
assert_tried(const struct balance_ops *ops, const uint16_t *weights, unsigned n)
{
	struct pod *tried[8];
	struct pool p;

	open_pool(&p, weights, n);
	for (unsigned round = 0; round < 100; round++) {
		p.pick.tried = tried;
		p.pick.key = make_chance();
		for (unsigned i = 0; i <= n; i++) {
			p.pick.ntried = i;
			p.pick.roll = make_chance();
			if (i == n) {
				assert_null(balance_pick(ops, &p.pick));
				break;
			}
			tried[i] = balance_pick(ops, &p.pick);
			assert_non_null(tried[i]);
			for (unsigned j = 0; j < i; j++)
				assert_ptr_not_equal(tried[j], tried[i]);
		}
	}
	close_pool(&p);
}

static void
test_tried(void **state)
{
	static const uint16_t equal[] = {1, 1, 1, 1, 1}, unequal[] = {1, 1000};

	(void)state;
	for (size_t o = 0; o < ALL; o++) {
		assert_tried(all[o], equal, 5);
		assert_tried(all[o], unequal, 2);
		assert_tried(all[o], unequal, 1);
	}
}

/* Where a key goes when its pod was tried: where it would without the pod. */
static void
test_hash_after_a_failure(void **state)
{
	static const uint16_t weights[] = {1, 1, 1, 1};
	struct pool p;

	(void)state;
	open_pool(&p, weights, 4);
	for (unsigned i = 0; i < 1000; i++) {
		struct pod *first, *second, *left[3];
		unsigned n = 0;

		p.pick.key = make_chance();
		first = balance_pick(&balance_hash, &p.pick);
		p.pick.tried = &first;
		p.pick.ntried = 1;
		second = balance_pick(&balance_hash, &p.pick);
		p.pick.ntried = 0;
		for (unsigned j = 0; j < 4; j++)
			if (p.pods[j] != first)
				left[n++] = p.pods[j];
		hash_ring_fill(p.ring, left, weights, 3);
		assert_ptr_equal(
		    second, left[hash_ring_pod(
				p.ring, hash_ring_find(p.ring, p.pick.key))]);
		hash_ring_fill(p.ring, p.pods, weights, 4);
	}
	close_pool(&p);
}

/* One key for all: nobody is above 1.25 times the mean, and all of it comes
 * back to its pod when the load is gone. */
static void
test_hash_is_bounded(void **state)
{
	static const uint16_t weights[] = {1, 1, 1, 1, 1};
	struct pool p;
	unsigned owner;

	(void)state;
	open_pool(&p, weights, 5);
	p.pick.key = 0x123456789abcdef0u;
	owner = pick(&p, &balance_hash);
	for (unsigned i = 1; i <= 1000; i++) {
		enter(&p, pick(&p, &balance_hash), 1);
		if (i <= 4)
			assert_int_equal(
			    p.pods[owner]->slots[WORKER].inflight, i);
		for (unsigned j = 0; j < 5; j++) {
			unsigned load = p.pods[j]->slots[WORKER].inflight;

			assert_true(load <= 4 || load <= (i + 3) / 4);
		}
	}
	assert_int_equal(p.pods[owner]->slots[WORKER].inflight, 250);
	for (unsigned j = 0; j < 5; j++)
		enter(&p, j, -(int)p.pods[j]->slots[WORKER].inflight);
	assert_int_equal(p.pick.inflight, 0);
	assert_int_equal(pick(&p, &balance_hash), owner);
	close_pool(&p);
}

/* Requests without key are spread. */
static void
test_hash_without_key(void **state)
{
	static const uint16_t weights[] = {1, 1, 1, 1};
	unsigned counts[4] = {0};
	struct pool p;

	(void)state;
	open_pool(&p, weights, 4);
	for (unsigned i = 0; i < 20000; i++)
		counts[pick(&p, &balance_hash)]++;
	for (unsigned i = 0; i < 4; i++)
		assert_in_range(counts[i], 3500, 6500);
	close_pool(&p);
}

static void
note_all(struct pool *p, const unsigned *ms)
{
	for (unsigned i = 0; i < p->n; i++)
		balance_ewma.note(
		    p->pods[i], WORKER, p->pick.now_us, 1000u * ms[i]);
}

static void
test_ewma_prefers_the_faster(void **state)
{
	static const uint16_t weights[] = {1, 1, 1};
	unsigned counts[3] = {0};
	struct pool p;

	(void)state;
	open_pool(&p, weights, 3);
	note_all(&p, (const unsigned[]){5, 10, 80});
	for (unsigned i = 0; i < 3000; i++)
		counts[pick(&p, &balance_ewma)]++;
	assert_in_range(counts[0], 1850, 2150); /* in two pairs of three */
	assert_in_range(counts[1], 850, 1150);
	assert_int_equal(counts[2], 0);
	/* Three in flight at 5 ms take longer than one at 10 ms. */
	enter(&p, 0, 2);
	p.pick.n = 2;
	for (unsigned i = 0; i < 100; i++)
		assert_int_equal(pick(&p, &balance_ewma), 1);
	/* Weight makes up for it. */
	close_pool(&p);
	open_pool(&p, (const uint16_t[]){1, 3}, 2);
	note_all(&p, (const unsigned[]){10, 25});
	for (unsigned i = 0; i < 100; i++)
		assert_int_equal(pick(&p, &balance_ewma), 1);
	close_pool(&p);
}

/* One slow answer is believed at once; the pod is tried again after a while,
 * and by its good answers it is as good as before. */
static void
test_ewma_recovers(void **state)
{
	static const uint16_t weights[] = {1, 1};
	struct pool p;
	unsigned waited = 0;

	(void)state;
	open_pool(&p, weights, 2);
	note_all(&p, (const unsigned[]){10, 10});
	balance_ewma.note(p.pods[0], WORKER, p.pick.now_us, SECOND);
	while (pick(&p, &balance_ewma) == 1) {
		p.pick.now_us += SECOND;
		balance_ewma.note(p.pods[1], WORKER, p.pick.now_us, 10000);
		assert_true(++waited < 120);
	}
	assert_in_range(waited, 20, 60); /* 1 s to 10 ms: 6.6 half-lives */
	for (unsigned i = 0; i < 60; i++) {
		p.pick.now_us += SECOND;
		note_all(&p, (const unsigned[]){5, 10});
	}
	for (unsigned i = 0; i < 100; i++)
		assert_int_equal(pick(&p, &balance_ewma), 0);
	close_pool(&p);
}

/* Answers that come fast one after the other are averaged all the same. */
static void
test_ewma_at_high_rates(void **state)
{
	static const uint16_t weights[] = {1, 1};
	struct pool p;

	(void)state;
	open_pool(&p, weights, 2);
	note_all(&p, (const unsigned[]){100, 20});
	for (unsigned i = 0; i < 100000; i++) { /* 20 s */
		p.pick.now_us += 200;
		balance_ewma.note(p.pods[0], WORKER, p.pick.now_us, 1000);
	}
	assert_in_range(p.pods[0]->slots[WORKER].took_us, 2000, 10000);
	close_pool(&p);
}

/* A pod that never answered gets one request, not all of them. */
static void
test_ewma_new_pod(void **state)
{
	static const uint16_t weights[] = {1, 1, 1};
	struct pool p;
	bool asked = false;

	(void)state;
	open_pool(&p, weights, 3);
	balance_ewma.note(p.pods[0], WORKER, p.pick.now_us, 1000);
	balance_ewma.note(p.pods[1], WORKER, p.pick.now_us, 1000);
	for (unsigned i = 0; i < 100; i++) {
		const unsigned got = pick(&p, &balance_ewma);

		if (got == 2) {
			assert_false(asked);
			asked = true;
		}
		enter(&p, got, 1);
	}
	assert_true(asked);
	close_pool(&p);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_shares),
	    cmocka_unit_test(test_loads),
	    cmocka_unit_test(test_tried),
	    cmocka_unit_test(test_hash_after_a_failure),
	    cmocka_unit_test(test_hash_is_bounded),
	    cmocka_unit_test(test_hash_without_key),
	    cmocka_unit_test(test_ewma_prefers_the_faster),
	    cmocka_unit_test(test_ewma_recovers),
	    cmocka_unit_test(test_ewma_at_high_rates),
	    cmocka_unit_test(test_ewma_new_pod),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
