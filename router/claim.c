/*
 * Counting what is claimed. Sequentially consistent where it decides: who
 * finds no place says that it waits and looks again, who gives one back looks
 * for those who wait; one of both must see the other.
 */
#include "router/claim.h"

#include "base/check.h"

static bool
take(_Atomic uint32_t *shared, uint32_t *own, uint32_t limit)
{
	uint32_t n;

	if (limit == 0)
		return true;
	n = atomic_load(shared);
	do {
		if (n >= limit)
			return false;
	} while (!atomic_compare_exchange_weak(shared, &n, n + 1));
	(*own)++;
	return true;
}

static void
give(_Atomic uint32_t *shared, uint32_t *own)
{
	CHECK(*own > 0);
	(*own)--;
	CHECK(atomic_fetch_sub(shared, 1) > 0);
}

static void
adopt(_Atomic uint32_t *shared, uint32_t *own, uint32_t inflight)
{
	CHECK(*own <= inflight);
	if (*own < inflight)
		atomic_fetch_add(shared, inflight - *own);
	*own = inflight;
}

static bool
is_free(const _Atomic uint32_t *shared, uint32_t limit)
{
	return limit == 0 || atomic_load(shared) < limit;
}

bool
claim_pod(struct pod *p, unsigned worker, uint32_t limit)
{
	return take(&p->claimed, &p->slots[worker].claimed, limit);
}

bool
claim_version(struct tally *t, unsigned worker, uint32_t limit)
{
	return take(&t->gate.claimed, &t->slots[worker].claimed, limit);
}

bool
claim_pod_free(const struct pod *p, uint32_t limit)
{
	return is_free(&p->claimed, limit);
}

bool
claim_version_free(const struct tally *t, uint32_t limit)
{
	return is_free(&t->gate.claimed, limit);
}

void
claim_adopt_pod(struct pod *p, unsigned worker)
{
	struct pod_slot *slot = &p->slots[worker];

	adopt(&p->claimed, &slot->claimed,
	    atomic_load_explicit(&slot->inflight, memory_order_relaxed));
}

void
claim_adopt_version(struct tally *t, unsigned worker)
{
	struct tally_slot *slot = &t->slots[worker];

	adopt(&t->gate.claimed, &slot->claimed, slot->inflight);
}

void
claim_return_pod(struct pod *p, unsigned worker)
{
	give(&p->claimed, &p->slots[worker].claimed);
}

void
claim_return_version(struct tally *t, unsigned worker)
{
	give(&t->gate.claimed, &t->slots[worker].claimed);
}
