/* Queues of waiting requests, and whose turn it is among workers. */
#include "proxy/queue.h"

#include <stdlib.h>

#include "base/check.h"
#include "router/tally.h"

static struct tally_slot *
slot_of(const struct queue *q)
{
	CHECK_OBJ(q, QUEUE_MAGIC);
	CHECK(q->tally != NULL);
	return &q->tally->slots[q->worker];
}

/* One place in the length that all workers share. */
static bool
enter(struct tally_gate *gate, uint32_t limit)
{
	uint32_t n = atomic_load(&gate->queued);

	do {
		if (n >= limit)
			return false;
	} while (!atomic_compare_exchange_weak(&gate->queued, &n, n + 1));
	return true;
}

/* What others see: since when the first waits. */
static void
publish(struct queue *q)
{
	struct tally_slot *slot = slot_of(q);
	const struct waiter *first = queue_first(q);

	atomic_store_explicit(&slot->queued, q->n, memory_order_relaxed);
	atomic_store(
	    &slot->oldest_us, q->shown && first != NULL ? first->rank_us : 0);
}

static struct queue *
queue_new(struct tally *t, unsigned worker)
{
	struct queue *q = calloc(1, sizeof *q);

	if (q == NULL)
		return NULL;
	q->magic = QUEUE_MAGIC;
	q->worker = worker;
	q->tally = t;
	TAILQ_INIT(&q->waiters);
	t->slots[worker].queue = q;
	return q;
}

void
queue_free(struct queue *q)
{
	CHECK_OBJ(q, QUEUE_MAGIC);
	CHECK(q->n == 0);
	q->magic = 0;
	free(q);
}

struct queue *
queue_join(struct tally *t, unsigned worker, struct waiter *e, bool front,
    uint32_t limit, uint64_t now_us, uint64_t due_us)
{
	struct queue *q = t->slots[worker].queue;
	const struct waiter *first;

	CHECK(e->queue == NULL && now_us > 0);
	if (!enter(&t->gate, limit))
		return NULL;
	if (q == NULL && (q = queue_new(t, worker)) == NULL) {
		atomic_fetch_sub(&t->gate.queued, 1);
		return NULL;
	}
	first = queue_first(q);
	*e = (struct waiter){
	    .queue = q,
	    .since_us = now_us,
	    .rank_us = front && first != NULL ? first->rank_us : now_us,
	    .due_us = due_us,
	};
	if (front)
		TAILQ_INSERT_HEAD(&q->waiters, e, link);
	else
		TAILQ_INSERT_TAIL(&q->waiters, e, link);
	if (q->n++ == 0 || due_us < q->due_us)
		q->due_us = due_us;
	publish(q);
	return q;
}

uint64_t
queue_leave(struct waiter *e, uint64_t now_us)
{
	struct queue *q = e->queue;
	struct tally *t = q->tally;
	const uint64_t waited = now_us - e->since_us;

	CHECK_OBJ(q, QUEUE_MAGIC);
	CHECK(q->n > 0);
	TAILQ_REMOVE(&q->waiters, e, link);
	e->queue = NULL;
	q->n--;
	publish(q);
	CHECK(atomic_fetch_sub(&t->gate.queued, 1) > 0);
	tally_wait(t, q->worker, waited);
	if (q->n == 0) {
		slot_of(q)->queue = NULL;
		q->tally = NULL;
	}
	return waited;
}

struct waiter *
queue_first(const struct queue *q)
{
	CHECK_OBJ(q, QUEUE_MAGIC);
	return TAILQ_FIRST(&q->waiters);
}

/* All have waited for about as long as they may when they are at the front. */
struct waiter *
queue_due(struct queue *q, uint64_t now_us)
{
	uint64_t next = UINT64_MAX;
	struct waiter *e;

	CHECK_OBJ(q, QUEUE_MAGIC);
	if (q->n == 0 || now_us < q->due_us)
		return NULL;
	TAILQ_FOREACH (e, &q->waiters, link) {
		if (e->due_us <= now_us)
			return e;
		if (e->due_us < next)
			next = e->due_us;
	}
	q->due_us = next;
	return NULL;
}

void
queue_show(struct queue *q, bool shown)
{
	CHECK_OBJ(q, QUEUE_MAGIC);
	q->shown = shown;
	if (q->n > 0)
		publish(q);
}

/* Since when; 0 when it shows none. */
static uint64_t
oldest_of(const struct tally *t, unsigned worker)
{
	return atomic_load(&t->slots[worker].oldest_us);
}

int
queue_next(const struct tally *t, unsigned worker)
{
	const uint64_t own = oldest_of(t, worker);
	uint64_t since, least = UINT64_MAX;
	int next = -1;

	for (unsigned i = 0; i < t->nslots; i++) {
		since = oldest_of(t, i);
		if (since == 0 || since >= least)
			continue;
		least = since;
		next = (int)i;
	}
	if (own != 0 && own - least <= QUEUE_SLACK_US)
		return (int)worker;
	return next;
}

bool
queue_yields(const struct tally *t, unsigned worker, uint64_t since_us)
{
	for (unsigned i = 0; i < t->nslots; i++) {
		const uint64_t since = oldest_of(t, i);

		if (i != worker && since != 0 &&
		    since + QUEUE_SLACK_US < since_us)
			return true;
	}
	return false;
}
