/* What retries are owed, and when they are used up. */
#include "router/budget.h"

#include "router/tally.h"
#include "router/terms.h"

static uint32_t
most(const struct tally *own)
{
	return own->nslots * BUDGET_PER_WORKER * BUDGET_ONE;
}

static uint32_t
owed(const struct tally *own)
{
	return atomic_load_explicit(&own->gate.owed, memory_order_relaxed);
}

static void
pay_back(struct tally *own, uint32_t n)
{
	uint32_t debt = owed(own);

	while (debt > 0 && !atomic_compare_exchange_weak_explicit(
			       &own->gate.owed, &debt, debt < n ? 0 : debt - n,
			       memory_order_relaxed, memory_order_relaxed))
		;
}

void
budget_pay(struct tally *own, unsigned worker, uint32_t share)
{
	struct tally_slot *slot = &own->slots[worker];

	if (owed(own) == 0)
		return;
	slot->paid += share;
	if (slot->paid < BUDGET_ONE)
		return;
	slot->paid -= BUDGET_ONE;
	pay_back(own, BUDGET_ONE);
}

bool
budget_take(struct tally *own)
{
	uint32_t debt = owed(own);

	do {
		if (debt + BUDGET_ONE > most(own))
			return false;
	} while (!atomic_compare_exchange_weak_explicit(&own->gate.owed, &debt,
	    debt + BUDGET_ONE, memory_order_relaxed, memory_order_relaxed));
	return true;
}

void
budget_give_back(struct tally *own)
{
	pay_back(own, BUDGET_ONE);
}

uint32_t
budget_left(const struct tally *own)
{
	return (most(own) - owed(own)) / BUDGET_ONE;
}

bool
budget_bounds(const struct retry_spec *spec)
{
	return spec->attempts > 0 && spec->budget > 0 &&
	       spec->budget < BUDGET_ONE;
}

static struct tally_retries
count(const struct tally *own)
{
	struct tally_retries n = {0};

	for (unsigned i = 0; i < own->nslots; i++) {
		n.made += atomic_load_explicit(
		    &own->slots[i].retries, memory_order_relaxed);
		n.refused += atomic_load_explicit(
		    &own->slots[i].refused, memory_order_relaxed);
	}
	return n;
}

static struct budget_story
story_since(struct tally_retries then, struct tally_retries now, uint64_t us)
{
	return (struct budget_story){
	    now.made - then.made, now.refused - then.refused, us};
}

enum budget_news
budget_look(struct tally *own, const struct retry_spec *spec, uint64_t now_us,
    struct budget_story *story)
{
	struct tally_budget *b = &own->budget;
	const struct tally_retries now = count(own), last = b->last;

	b->last = now;
	if (now.refused != last.refused)
		b->refused_us = now_us;
	if (!b->spent) {
		if (now.refused == last.refused)
			return BUDGET_AS_IT_WAS;
		b->spent = true;
		b->before = last;
		b->spent_us = now_us;
		*story = story_since(last, now, 0);
		return BUDGET_SPENT;
	}
	if (now_us - b->refused_us < BUDGET_CALM_US ||
	    (budget_bounds(spec) && owed(own) > most(own) / 2))
		return BUDGET_AS_IT_WAS;
	b->spent = false;
	*story = story_since(b->before, now, now_us - b->spent_us);
	return BUDGET_FREE;
}
