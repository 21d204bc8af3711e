/* Claims: exact over threads, and a limit that comes and goes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>

#include "base/check.h"
#include "router/claim.h"
#include "tests/unit/router/make_pods.h"

#define WORKERS 4u
#define ROUNDS	50000
#define LIMIT	3u

struct fixture {
	struct pod *pod;
	struct tally *tally;
};

static struct fixture
make(void)
{
	struct fixture f = {make_pod(1, WORKERS), tally_new(WORKERS)};

	assert_non_null(f.tally);
	return f;
}

static void
drop(struct fixture *f)
{
	pod_drop(f->pod);
	tally_drop(f->tally);
}

/* As proxy/pick.c counts. */
static void
enter(struct fixture *f, unsigned worker)
{
	pod_inflight_add(f->pod, worker, 1);
	f->tally->slots[worker].inflight++;
}

static bool
leave(struct fixture *f, unsigned worker)
{
	pod_inflight_add(f->pod, worker, -1);
	f->tally->slots[worker].inflight--;
	return claim_settle(f->tally, f->pod, worker);
}

static bool
begin(struct fixture *f, unsigned worker, uint32_t pod, uint32_t version)
{
	if (!claim_pod(f->pod, worker, pod))
		return false;
	if (!claim_version(f->tally, worker, version)) {
		claim_settle(f->tally, f->pod, worker);
		return false;
	}
	enter(f, worker);
	return true;
}

static void
test_a_pod_is_full(void **state)
{
	struct fixture f = make();

	(void)state;
	for (unsigned i = 0; i < LIMIT; i++) {
		assert_true(claim_pod_free(f.pod, LIMIT));
		assert_true(begin(&f, i, LIMIT, 0));
	}
	assert_false(claim_pod_free(f.pod, LIMIT));
	assert_false(begin(&f, 0, LIMIT, 0));
	assert_true(claim_pod_free(f.pod, LIMIT + 1));
	assert_true(leave(&f, 1));
	assert_true(begin(&f, 3, LIMIT, 0));
	assert_false(begin(&f, 1, LIMIT, 0));
	assert_int_equal(f.tally->gate.claimed, 0); /* no such limit */
	drop(&f);
}

/* The place at the pod goes back when there is none at the version. */
static void
test_a_version_is_full(void **state)
{
	struct fixture f = make();

	(void)state;
	assert_true(begin(&f, 0, 9, 1));
	assert_false(claim_version_free(f.tally, 1));
	assert_false(begin(&f, 1, 9, 1));
	assert_int_equal(f.pod->claimed, 1);
	assert_true(leave(&f, 0));
	assert_int_equal(f.pod->claimed, 0);
	assert_int_equal(f.tally->gate.claimed, 0);
	assert_true(begin(&f, 1, 9, 1));
	drop(&f);
}

static void
test_without_a_limit_nothing_is_counted(void **state)
{
	struct fixture f = make();

	(void)state;
	for (unsigned i = 0; i < 100; i++)
		assert_true(begin(&f, 0, 0, 0));
	assert_int_equal(f.pod->claimed, 0);
	assert_true(claim_pod_free(f.pod, 0));
	assert_true(claim_version_free(f.tally, 0));
	for (unsigned i = 0; i < 100; i++)
		assert_false(leave(&f, 0));
	drop(&f);
}

/* Those in flight count from then on, each until it ends, and no more. */
static void
test_a_limit_comes(void **state)
{
	struct fixture f = make();

	(void)state;
	for (unsigned i = 0; i < 4; i++)
		assert_true(begin(&f, i % 2, 0, 0));
	for (unsigned w = 0; w < WORKERS; w++) {
		claim_adopt_pod(f.pod, w);
		claim_adopt_version(f.tally, w);
		claim_adopt_pod(f.pod, w); /* not twice */
	}
	assert_int_equal(f.pod->claimed, 4);
	assert_int_equal(f.tally->gate.claimed, 4);
	assert_false(begin(&f, 2, 4, 5));
	assert_true(leave(&f, 0));
	assert_true(leave(&f, 1));
	assert_true(begin(&f, 2, 4, 5));
	assert_true(leave(&f, 0));
	assert_true(leave(&f, 1));
	assert_true(leave(&f, 2));
	assert_int_equal(f.pod->claimed, 0);
	assert_int_equal(f.tally->gate.claimed, 0);
	drop(&f);
}

/* Who has a place gives it back though nobody counts any more. */
static void
test_a_limit_goes(void **state)
{
	struct fixture f = make();

	(void)state;
	assert_true(begin(&f, 0, 2, 2));
	assert_true(begin(&f, 0, 2, 2));
	assert_true(begin(&f, 0, 0, 0));
	assert_false(leave(&f, 0)); /* two are left, and two places taken */
	assert_true(leave(&f, 0));
	assert_int_equal(f.pod->claimed, 1);
	assert_true(begin(&f, 1, 2, 2)); /* it is back */
	assert_false(begin(&f, 1, 2, 2));
	assert_true(leave(&f, 0));
	assert_true(leave(&f, 1));
	assert_int_equal(f.pod->claimed, 0);
	drop(&f);
}

struct hand {
	struct fixture *f;
	unsigned worker;
	_Atomic unsigned *busy;
	_Atomic unsigned *most;
};

static void *
work(void *arg)
{
	struct hand *h = arg;
	unsigned n, most;

	for (int i = 0; i < ROUNDS; i++) {
		if (!begin(h->f, h->worker, LIMIT, LIMIT + 1))
			continue;
		n = atomic_fetch_add(h->busy, 1) + 1;
		most = atomic_load(h->most);
		while (n > most &&
		       !atomic_compare_exchange_weak(h->most, &most, n))
			;
		atomic_fetch_sub(h->busy, 1);
		CHECK(leave(h->f, h->worker));
	}
	return NULL;
}

static void
test_threads(void **state)
{
	struct fixture f = make();
	pthread_t threads[WORKERS];
	struct hand hands[WORKERS];
	_Atomic unsigned busy = 0, most = 0;

	(void)state;
	for (unsigned w = 0; w < WORKERS; w++) {
		hands[w] = (struct hand){&f, w, &busy, &most};
		assert_int_equal(
		    pthread_create(&threads[w], NULL, work, &hands[w]), 0);
	}
	for (unsigned w = 0; w < WORKERS; w++)
		pthread_join(threads[w], NULL);
	assert_in_range(most, 1, LIMIT);
	assert_int_equal(f.pod->claimed, 0);
	assert_int_equal(f.tally->gate.claimed, 0);
	drop(&f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_a_pod_is_full),
	    cmocka_unit_test(test_a_version_is_full),
	    cmocka_unit_test(test_without_a_limit_nothing_is_counted),
	    cmocka_unit_test(test_a_limit_comes),
	    cmocka_unit_test(test_a_limit_goes),
	    cmocka_unit_test(test_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
