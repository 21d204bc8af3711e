/* A pod's birth, its holders, and its requests in flight. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>

#include "router/pod.h"

#define WORKERS 4u
#define ROUNDS	20000

static struct pod *
make(void)
{
	struct address a;
	struct pod *p;

	assert_true(address_parse(SPAN("127.0.0.1:9101"), &a));
	p = pod_new(&a, WORKERS);
	assert_non_null(p);
	return p;
}

static void
test_new(void **state)
{
	struct pod *p = make();

	(void)state;
	assert_int_equal(p->state, POD_STARTING);
	assert_string_equal(p->reason, "not checked yet");
	assert_string_equal(p->address.text, "127.0.0.1:9101");
	assert_false(p->gone);
	assert_int_equal(p->nslots, WORKERS);
	for (unsigned w = 0; w < WORKERS; w++) {
		assert_int_equal((uintptr_t)&p->slots[w] % 64, 0);
		assert_null(p->slots[w].idle);
	}
	pod_drop(p);
	pod_drop(NULL);
}

static void
test_inflight(void **state)
{
	struct pod *p = make();

	(void)state;
	assert_int_equal(pod_inflight(p), 0);
	for (unsigned w = 0; w < WORKERS; w++)
		pod_inflight_add(p, w, 2);
	pod_inflight_add(p, 1, -1);
	assert_int_equal(pod_inflight(p), 2 * WORKERS - 1);
	pod_drop(p);
}

struct holder {
	struct pod *pod;
	unsigned worker;
};

static void *
hold_and_drop(void *arg)
{
	struct holder *h = arg;

	for (int i = 0; i < ROUNDS; i++) {
		pod_hold(h->pod);
		pod_inflight_add(h->pod, h->worker, 1);
		pod_drop(h->pod);
	}
	pod_drop(h->pod);
	return NULL;
}

/* Each thread lets go of its own hold; the last one frees the pod. */
static void
test_threads(void **state)
{
	struct pod *p = make();
	struct holder holders[WORKERS];
	pthread_t threads[WORKERS];

	(void)state;
	for (unsigned w = 0; w < WORKERS; w++) {
		holders[w] = (struct holder){pod_hold(p), w};
		assert_int_equal(pthread_create(&threads[w], NULL,
				     hold_and_drop, &holders[w]),
		    0);
	}
	for (unsigned w = 0; w < WORKERS; w++)
		pthread_join(threads[w], NULL);
	assert_int_equal(p->refs, 1);
	assert_int_equal(pod_inflight(p), WORKERS * ROUNDS);
	pod_drop(p);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_new),
	    cmocka_unit_test(test_inflight),
	    cmocka_unit_test(test_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
