/* What strategies are told of pods: fixed ones, launched ones, samples. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "control/launch.h"
#include "control/rollout_facts.h"
#include "control/rollout_sample.h"
#include "control/rollout_weights.h"
#include "router/plan.h"
#include "router/pod.h"
#include "router/split.h"
#include "router/tally.h"

#define SECOND 1000000ull
#define PODS   6u

struct fixture {
	struct pod *pods[PODS];
	struct version version;
	struct rollout_side side;
	struct rollout_measure m;
};

static int
setup(void **state)
{
	static struct fixture f;
	struct address address;

	f = (struct fixture){.m = {.replicas = 3,
				 .min_ready_us = 10 * SECOND,
				 .drain_us = 30 * SECOND,
				 .taken = true,
				 .now_us = 100 * SECOND}};
	assert_true(address_parse(SPAN("127.0.0.1:80"), &address));
	for (unsigned i = 0; i < PODS; i++) {
		f.pods[i] = pod_new(&address, 1);
		assert_non_null(f.pods[i]);
		f.pods[i]->state = POD_UP;
	}
	f.version.pods = f.pods;
	f.version.npods = 3;
	*state = &f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	rollout_side_clear(&f->side);
	for (unsigned i = 0; i < PODS; i++)
		pod_drop(f->pods[i]);
	return 0;
}

static struct version_facts
look(struct fixture *f, const struct launch_counts *counts)
{
	struct rollout_pods pods;

	assert_int_equal(rollout_side_look(&f->side, &f->version, counts,
			     f->m.min_ready_us, f->m.now_us, &pods),
	    0);
	return rollout_side_facts(&f->side, &pods, &f->m);
}

static void
give(struct fixture *f, unsigned n)
{
	assert_int_equal(rollout_side_give(&f->side, n, f->m.now_us), 0);
}

static void
fixed_pods_are_as_many_as_were_given_traffic(void **state)
{
	struct fixture *f = *state;
	struct version_facts v = look(f, NULL);

	assert_int_equal(v.pods, 0);
	assert_int_equal(v.ready, 0);
	assert_int_equal(v.leaving, 0);
	give(f, 2);
	v = look(f, NULL);
	assert_int_equal(v.pods, 2);
	assert_int_equal(v.ready, 2);
	/* they settle when they have had traffic for so long */
	assert_int_equal(v.settled, 0);
	f->m.now_us += 5 * SECOND;
	give(f, 3);
	f->m.now_us += 5 * SECOND;
	v = look(f, NULL);
	assert_int_equal(v.settled, 2);
	f->m.now_us += 5 * SECOND;
	assert_int_equal(look(f, NULL).settled, 3);
	/* and are up for so long */
	f->pods[0]->state = POD_DOWN;
	v = look(f, NULL);
	assert_int_equal(v.ready, 2);
	assert_int_equal(v.settled, 2);
	assert_int_equal(v.pods, 3);
	f->pods[0]->state = POD_UP;
	v = look(f, NULL);
	assert_int_equal(v.ready, 3);
	assert_int_equal(v.settled, 2);
	f->m.now_us += 10 * SECOND;
	assert_int_equal(look(f, NULL).settled, 3);
}

static void
fixed_pods_leave_as_their_requests_do(void **state)
{
	struct fixture *f = *state;

	look(f, NULL);
	give(f, 3);
	pod_inflight_add(f->pods[1], 0, 2);
	assert_int_equal(look(f, NULL).leaving, 0);
	f->m.taken = false;
	give(f, 0);
	assert_int_equal(look(f, NULL).leaving, 1);
	assert_int_equal(look(f, NULL).inflight, 2);
	pod_inflight_add(f->pods[1], 0, -2);
	/* a worker may still pick one */
	assert_int_equal(look(f, NULL).leaving, 1);
	f->m.taken = true;
	assert_int_equal(look(f, NULL).leaving, 0);
	/* nobody waits longer than that */
	pod_inflight_add(f->pods[1], 0, 1);
	assert_int_equal(look(f, NULL).leaving, 1);
	f->m.now_us += 30 * SECOND;
	assert_int_equal(look(f, NULL).leaving, 0);
	pod_inflight_add(f->pods[1], 0, -1);
}

static void
launched_pods_are_as_their_processes(void **state)
{
	struct fixture *f = *state;
	struct launch_counts counts = {
	    .replicas = 3, .pods = 3, .leaving = 1, .failed = 2};
	struct version_facts v;

	f->version.npods = 2;
	give(f, 3);
	v = look(f, &counts);
	assert_int_equal(v.pods, 3);
	assert_int_equal(v.ready, 2);
	assert_int_equal(v.settled, 2); /* ever since we look */
	assert_int_equal(v.leaving, 1);
	assert_int_equal(v.failed, 2);
	f->version.npods = 3;
	v = look(f, &counts);
	assert_int_equal(v.ready, 3);
	assert_int_equal(v.settled, 2);
	f->m.now_us += 10 * SECOND;
	assert_int_equal(look(f, &counts).settled, 3);
}

/* Whatever numbers the two have: what is wanted is what is then seen. */
static void
numbers_are_in_proportion(void **state)
{
	struct fixture *f = *state;

	for (unsigned own = 1; own <= PODS; own++)
		for (unsigned replicas = 1; replicas <= 9; replicas++)
			for (unsigned wanted = 0; wanted <= replicas;
			     wanted++) {
				struct rollout_pods pods = {
				    .launched = true, .own = own};

				f->m.replicas = replicas;
				give(f, wanted);
				pods.there = rollout_side_processes(
				    wanted, &pods, replicas);
				pods.up = pods.there;
				assert_true(wanted == 0 ? pods.there == 0
							: pods.there >= 1);
				assert_true(
				    wanted < replicas || pods.there == own);
				assert_int_equal(
				    rollout_side_facts(&f->side, &pods, &f->m)
					.pods,
				    wanted);
			}
}

static void
some_ready_are_never_none(void **state)
{
	struct fixture *f = *state;

	f->m.replicas = 1;
	give(f, 1);
	f->pods[0]->state = f->pods[1]->state = POD_DOWN;
	assert_int_equal(look(f, NULL).ready, 1);
	f->pods[2]->state = POD_DOWN;
	assert_int_equal(look(f, NULL).ready, 0);
}

/* Samples. */

struct counted {
	struct tally *candidate, *stable;
	struct rollout_sample *sample;
	struct sample c, s;
	unsigned epoch;
	uint64_t now_us;
};

static struct counted
counted(uint64_t window_us)
{
	struct counted n = {.candidate = tally_new(2),
	    .stable = tally_new(2),
	    .sample = rollout_sample_new(),
	    .now_us = 50 * SECOND};

	assert_true(
	    n.candidate != NULL && n.stable != NULL && n.sample != NULL);
	rollout_sample_begin(n.sample, window_us);
	return n;
}

static void
counted_free(struct counted *n)
{
	rollout_sample_free(n->sample);
	tally_drop(n->candidate);
	tally_drop(n->stable);
}

static void
answers(struct tally *t, unsigned good, unsigned bad, uint64_t us)
{
	for (unsigned i = 0; i < good + bad; i++)
		tally_answer(t, i % 2, i < good ? 200 : 500, us);
	for (unsigned i = 0; i < bad; i++)
		tally_error(t, i % 2, REASON_STATUS);
}

static void
after(struct counted *n, uint64_t us)
{
	n->now_us += us;
	rollout_sample_look(n->sample, n->candidate, n->stable, n->now_us);
	rollout_sample_read(n->sample, &n->c, &n->s, &n->epoch);
}

static void
a_sample_begins_with_nothing(void **state)
{
	struct counted n = counted(10 * SECOND);

	(void)state;
	answers(n.candidate, 50, 50, 1000);
	after(&n, 0);
	assert_int_equal(n.c.step.n, 0);
	assert_int_equal(n.c.p99_us, 0);
	answers(n.candidate, 6, 3, 1000);
	answers(n.stable, 20, 0, 9000);
	after(&n, SECOND);
	assert_int_equal(n.c.step.n, 9);
	assert_int_equal(n.c.step.errors, 3);
	assert_int_equal(n.c.window.n, 9);
	assert_int_equal(n.s.window.n, 20);
	assert_in_range(n.c.p99_us, 1000, 1125);
	assert_in_range(n.s.p99_us, 9000, 10125);
	rollout_sample_begin(n.sample, 10 * SECOND);
	after(&n, SECOND);
	assert_int_equal(n.c.step.n, 0);
	assert_int_equal(n.c.window.errors, 0);
	counted_free(&n);
}

static void
the_window_slides_and_epochs_count(void **state)
{
	struct counted n = counted(10 * SECOND);

	(void)state;
	after(&n, 0);
	answers(n.candidate, 0, 10, 50000);
	after(&n, SECOND / 10);
	for (unsigned i = 0; i < 99; i++) {
		answers(n.candidate, 1, 0, 1000);
		after(&n, SECOND / 10);
	}
	/* all but the last tenth of a second: the window is over */
	assert_int_equal(n.c.step.n, 109);
	assert_int_equal(n.c.step.errors, 10);
	assert_int_equal(n.epoch, 1);
	assert_int_equal(n.c.epoch.n, 0);
	for (unsigned i = 0; i < 5; i++) {
		answers(n.candidate, 1, 0, 1000);
		after(&n, SECOND / 10);
	}
	assert_int_equal(n.c.window.errors, 0);
	assert_in_range(n.c.window.n, 95, 101);
	assert_in_range(n.c.p99_us, 1000, 1125);
	assert_int_equal(n.c.epoch.n, 5);
	assert_int_equal(n.c.step.errors, 10);
	counted_free(&n);
}

/* An error may be counted before its answer is. */
static void
never_more_errors_than_requests(void **state)
{
	struct counted n = counted(0);

	(void)state;
	after(&n, 0);
	tally_error(n.candidate, 0, REASON_STATUS);
	after(&n, SECOND);
	assert_int_equal(n.c.step.n, 0);
	assert_int_equal(n.c.step.errors, 0);
	/* a window of 0 goes back to the begin */
	answers(n.candidate, 1, 1, 1000);
	after(&n, 100 * SECOND);
	assert_int_equal(n.c.window.n, 2);
	assert_int_equal(n.epoch, 0);
	counted_free(&n);
}

static void
another_tally_begins_anew(void **state)
{
	struct counted n = counted(10 * SECOND);

	(void)state;
	after(&n, 0);
	answers(n.candidate, 5, 5, 1000);
	after(&n, SECOND);
	tally_drop(n.candidate);
	n.candidate = tally_new(2);
	answers(n.candidate, 2, 1, 1000);
	after(&n, SECOND);
	assert_int_equal(n.c.step.n, 0);
	counted_free(&n);
}

/* Weights. */

static void
weights_of(const uint64_t *before, uint32_t share, uint64_t *weights)
{
	struct version versions[3] = {
	    {.name = "v1"}, {.name = "v2"}, {.name = "v3"}};
	struct service s = {.versions = versions, .nversions = 3};
	struct weight_change changes[3];
	char why[160];
	struct split *split;

	for (unsigned i = 0; i < 3; i++) {
		versions[i].index = i;
		versions[i].weight = before[i];
	}
	rollout_weights(&s, "v1", "v2", share, changes);
	for (unsigned i = 0; i < 3; i++)
		weights[i] = changes[i].weight;
	split = split_new(weights, 3, why, sizeof why);
	if (split == NULL)
		fail_msg("%s", why);
	split_drop(split);
}

static void
shares_become_weights(void **state)
{
	static const struct {
		uint64_t before[3];
		uint32_t share;
		uint64_t after[3];
	} rows[] = {
	    {{1000000, 0, 0}, 50000, {950000, 50000, 0}},
	    {{950000, 50000, 0}, 1, {999999, 1, 0}},
	    {{950000, 50000, 0}, SHARE_ALL, {0, 1000000, 0}},
	    {{950000, 50000, 0}, 0, {1000000, 0, 0}},
	    {{700000, 0, 300000}, 100000, {630000, 70000, 300000}},
	    {{10000, 0, 0}, 100, {9999, 1, 0}},
	    {{100, 0, 100}, 100, {9999, 1, 10000}},
	    {{0, 0, 500}, 250000, {750000, 250000, 0}},
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		uint64_t weights[3];

		weights_of(rows[i].before, rows[i].share, weights);
		for (unsigned v = 0; v < 3; v++)
			assert_int_equal(weights[v], rows[i].after[v]);
	}
}

/* Each to 0.01 % of what the two have, whatever the others have. */
static void
shares_are_exact(void **state)
{
	static const uint64_t pairs[] = {1, 7, 9999, 10000, 33333, 1000000};

	(void)state;
	for (size_t p = 0; p < sizeof pairs / sizeof pairs[0]; p++)
		for (uint32_t share = 0; share <= SHARE_ALL;
		     share += share < 1000 ? 100 : 11100) {
			const uint64_t before[3] = {pairs[p], 0, pairs[p] / 2};
			uint64_t w[3];
			double got;

			weights_of(before, share, w);
			got = (double)w[1] / (double)(w[0] + w[1]);
			assert_true(got - share / 1e6 < 1e-4 &&
				    share / 1e6 - got < 1e-4);
			assert_true((w[1] == 0) == (share == 0));
			assert_true((w[0] == 0) == (share == SHARE_ALL));
			/* again and again is the same */
			assert_true(w[0] + w[1] >= 10000);
		}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(
		fixed_pods_are_as_many_as_were_given_traffic, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		fixed_pods_leave_as_their_requests_do, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		launched_pods_are_as_their_processes, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		numbers_are_in_proportion, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		some_ready_are_never_none, setup, teardown),
	    cmocka_unit_test(a_sample_begins_with_nothing),
	    cmocka_unit_test(the_window_slides_and_epochs_count),
	    cmocka_unit_test(never_more_errors_than_requests),
	    cmocka_unit_test(another_tally_begins_anew),
	    cmocka_unit_test(shares_become_weights),
	    cmocka_unit_test(shares_are_exact),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
