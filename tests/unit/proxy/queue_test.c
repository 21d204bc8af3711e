/* Queues: who is next in one, and whose turn it is among workers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "proxy/queue.h"
#include "router/tally.h"

#define WORKERS 3u
#define SECOND	1000000u
#define LIMIT	100u

static struct waiter waiters[8];

static struct tally *
make(void)
{
	struct tally *t = tally_new(WORKERS);

	assert_non_null(t);
	memset(waiters, 0, sizeof waiters);
	return t;
}

/* The i-th waiter, for a second. */
static struct queue *
join(struct tally *t, unsigned worker, unsigned i, uint64_t now)
{
	return queue_join(
	    t, worker, &waiters[i], false, LIMIT, now, now + SECOND);
}

/* Takes it out; frees the queue with the last one. */
static uint64_t
take(unsigned i, uint64_t now)
{
	struct queue *q = waiters[i].queue;
	uint64_t waited = queue_leave(&waiters[i], now);

	if (q->n == 0)
		queue_free(q);
	return waited;
}

static uint64_t
queued(const struct tally *t)
{
	struct tally_sum sum;

	tally_read(t, &sum);
	assert_int_equal(sum.queued, t->gate.queued);
	return sum.queued;
}

static void
test_first_come(void **state)
{
	struct tally *t = make();
	struct queue *q = NULL;

	(void)state;
	for (unsigned i = 0; i < 5; i++)
		q = join(t, 0, i, 100 + i);
	assert_int_equal(queued(t), 5);
	assert_ptr_equal(t->slots[0].queue, q);
	take(2, 200); /* one in the middle goes away */
	for (unsigned i = 0; i < 5; i++) {
		if (i == 2)
			continue;
		assert_ptr_equal(queue_first(q), &waiters[i]);
		assert_int_equal(take(i, 1000), 1000 - 100 - i);
	}
	assert_null(t->slots[0].queue);
	assert_int_equal(queued(t), 0);
	tally_drop(t);
}

/* One that was served before is in front, and waits no longer for it. */
static void
test_in_front(void **state)
{
	struct tally *t = make();
	struct queue *q = join(t, 0, 0, 100);

	(void)state;
	join(t, 0, 1, 200);
	assert_ptr_equal(
	    queue_join(t, 0, &waiters[2], true, LIMIT, 300, 400), q);
	assert_ptr_equal(queue_first(q), &waiters[2]);
	queue_show(q, true);
	assert_int_equal(t->slots[0].oldest_us, 100);
	assert_int_equal(take(2, 350), 50);
	assert_int_equal(t->slots[0].oldest_us, 100);
	take(0, 400);
	assert_int_equal(t->slots[0].oldest_us, 200);
	take(1, 400);
	assert_int_equal(t->slots[0].oldest_us, 0);
	tally_drop(t);
}

/* Over all workers; who does not get in leaves nothing behind. */
static void
test_length(void **state)
{
	struct tally *t = make();

	(void)state;
	assert_null(queue_join(t, 0, &waiters[0], false, 0, 100, 200));
	assert_null(t->slots[0].queue);
	for (unsigned i = 0; i < 3; i++)
		assert_non_null(
		    queue_join(t, i, &waiters[i], false, 3, 100, 200));
	assert_null(queue_join(t, 1, &waiters[3], false, 3, 100, 200));
	assert_null(queue_join(t, 1, &waiters[3], true, 3, 100, 200));
	assert_null(waiters[3].queue);
	assert_int_equal(queued(t), 3);
	take(0, 300);
	assert_non_null(queue_join(t, 1, &waiters[3], false, 3, 100, 200));
	for (unsigned i = 1; i < 4; i++)
		take(i, 300);
	assert_int_equal(queued(t), 0);
	tally_drop(t);
}

static void
test_due(void **state)
{
	struct tally *t = make();
	struct queue *q = join(t, 0, 0, 100);

	(void)state;
	join(t, 0, 1, 200);
	/* has waited before, so it is due first though it came last */
	queue_join(t, 0, &waiters[2], false, LIMIT, 300, 1000);
	assert_null(queue_due(q, 999));
	assert_ptr_equal(queue_due(q, 1000), &waiters[2]);
	take(2, 1000);
	assert_null(queue_due(q, 1000));
	assert_int_equal(q->due_us, 100 + SECOND);
	assert_ptr_equal(queue_due(q, 200 + SECOND), &waiters[0]);
	take(0, 200 + SECOND);
	assert_ptr_equal(queue_due(q, 200 + SECOND), &waiters[1]);
	take(1, 200 + SECOND);
	tally_drop(t);
}

/* A place goes to who waits longest, to oneself if that is hardly longer. */
static void
test_turns(void **state)
{
	struct tally *t = make();
	struct queue *a = join(t, 0, 0, 100), *b = join(t, 1, 1, 200);

	(void)state;
	assert_int_equal(queue_next(t, 0), -1); /* nobody shows */
	assert_false(queue_yields(t, 0, SECOND));
	queue_show(a, true);
	assert_int_equal(queue_next(t, 0), 0);
	assert_int_equal(queue_next(t, 1), 0);
	queue_show(b, true);
	assert_int_equal(queue_next(t, 0), 0);
	assert_int_equal(queue_next(t, 1), 1); /* for the slack */
	assert_int_equal(queue_next(t, 2), 0);
	assert_false(queue_yields(t, 2, 100 + QUEUE_SLACK_US));
	assert_true(queue_yields(t, 2, 101 + QUEUE_SLACK_US));
	queue_show(a, false);
	assert_int_equal(queue_next(t, 0), 1);
	assert_int_equal(queue_next(t, 2), 1);
	assert_false(queue_yields(t, 2, 200 + QUEUE_SLACK_US));
	assert_false(queue_yields(t, 1, SECOND)); /* to oneself never */
	take(0, 500);
	take(1, 500);
	assert_int_equal(queue_next(t, 0), -1);
	tally_drop(t);
}

static void
test_starved_worker(void **state)
{
	struct tally *t = make();
	struct queue *a = join(t, 0, 0, 100);
	struct queue *b = join(t, 1, 1, 101 + QUEUE_SLACK_US);

	(void)state;
	queue_show(a, true);
	queue_show(b, true);
	assert_int_equal(queue_next(t, 1), 0);
	assert_true(queue_yields(t, 1, waiters[1].rank_us));
	assert_false(queue_yields(t, 0, waiters[0].rank_us));
	take(0, SECOND);
	assert_int_equal(queue_next(t, 0), 1);
	take(1, SECOND);
	tally_drop(t);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_first_come),
	    cmocka_unit_test(test_in_front),
	    cmocka_unit_test(test_length),
	    cmocka_unit_test(test_due),
	    cmocka_unit_test(test_turns),
	    cmocka_unit_test(test_starved_worker),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
