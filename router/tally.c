/* Counting answers and errors per worker, and summing them up. */
#include "router/tally.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"

struct tally *
tally_new(unsigned nworkers)
{
	struct tally *t;
	size_t size = sizeof *t + nworkers * sizeof t->slots[0];

	t = aligned_alloc(alignof(struct tally), size);
	if (t == NULL)
		return NULL;
	memset(t, 0, size);
	t->magic = TALLY_MAGIC;
	t->refs = 1;
	t->nslots = nworkers;
	return t;
}

struct tally *
tally_hold(struct tally *t)
{
	CHECK_OBJ(t, TALLY_MAGIC);
	t->refs++;
	return t;
}

void
tally_drop(struct tally *t)
{
	if (t == NULL)
		return;
	CHECK_OBJ(t, TALLY_MAGIC);
	CHECK(t->refs > 0);
	if (--t->refs > 0)
		return;
	t->magic = 0;
	free(t);
}

static struct tally_slot *
own_slot(struct tally *t, unsigned worker)
{
	CHECK_OBJ(t, TALLY_MAGIC);
	CHECK(worker < t->nslots);
	return &t->slots[worker];
}

void
tally_answer(struct tally *t, unsigned worker, int status, uint64_t duration_us)
{
	struct tally_slot *slot = own_slot(t, worker);

	if (status < TALLY_CODE_MIN)
		status = TALLY_CODE_MIN;
	if (status > TALLY_CODE_MAX)
		status = TALLY_CODE_MAX;
	tally_add(&slot->codes[status - TALLY_CODE_MIN], 1);
	tally_add(&slot->duration_us, duration_us);
	tally_add(&slot->buckets[hist_bucket(duration_us)], 1);
}

void
tally_error(struct tally *t, unsigned worker, enum reason reason)
{
	CHECK(reason < REASON_COUNT);
	if (reason != REASON_NONE)
		tally_add(&own_slot(t, worker)->errors[reason], 1);
}

void
tally_retry(struct tally *t, unsigned worker)
{
	tally_add(&own_slot(t, worker)->retries, 1);
}

void
tally_refused(struct tally *t, unsigned worker)
{
	tally_add(&own_slot(t, worker)->refused, 1);
}

/* As many bits as the number has: what is shorter than 2^n us is in the n-th.
 */
void
tally_wait(struct tally *t, unsigned worker, uint64_t us)
{
	struct tally_slot *slot = own_slot(t, worker);
	unsigned n = us == 0 ? 0 : 64 - (unsigned)__builtin_clzll(us);

	if (n >= TALLY_WAITS)
		n = TALLY_WAITS - 1;
	tally_add(&slot->waits[n], 1);
	tally_add(&slot->wait_us, us);
}

static void
add_counts(uint64_t *sum, const tally_count *counts, size_t n)
{
	for (size_t i = 0; i < n; i++)
		sum[i] +=
		    atomic_load_explicit(&counts[i], memory_order_relaxed);
}

void
tally_read(const struct tally *t, struct tally_sum *sum)
{
	CHECK_OBJ(t, TALLY_MAGIC);
	memset(sum, 0, sizeof *sum);
	for (unsigned i = 0; i < t->nslots; i++) {
		const struct tally_slot *slot = &t->slots[i];

		add_counts(sum->codes, slot->codes,
		    sizeof sum->codes / sizeof sum->codes[0]);
		add_counts(sum->errors, slot->errors, REASON_COUNT);
		add_counts(&sum->retries, &slot->retries, 1);
		add_counts(&sum->refused, &slot->refused, 1);
		add_counts(&sum->duration_us, &slot->duration_us, 1);
		add_counts(sum->buckets, slot->buckets, HIST_BUCKETS);
		add_counts(&sum->wait_us, &slot->wait_us, 1);
		add_counts(sum->waits, slot->waits, TALLY_WAITS);
		sum->queued +=
		    atomic_load_explicit(&slot->queued, memory_order_relaxed);
	}
}

uint64_t
tally_answers(const struct tally_sum *sum)
{
	uint64_t n = 0;

	for (int i = 0; i <= TALLY_CODE_MAX - TALLY_CODE_MIN; i++)
		n += sum->codes[i];
	return n;
}

uint64_t
tally_errors(const struct tally_sum *sum)
{
	uint64_t n = 0;

	for (int r = REASON_NONE + 1; r < REASON_COUNT; r++)
		if (r != REASON_CLIENT_ABORT && r != REASON_NO_POD &&
		    r != REASON_QUEUE_FULL && r != REASON_QUEUE_TIMEOUT)
			n += sum->errors[r];
	return n;
}

uint64_t
tally_attempts(const struct tally_sum *sum)
{
	/* The other reasons are about an answer, which codes has counted. */
	return tally_answers(sum) + sum->errors[REASON_CONNECT] +
	       sum->errors[REASON_TIMEOUT] + sum->errors[REASON_RESET];
}
