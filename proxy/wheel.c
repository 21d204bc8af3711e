/* The timing wheel: entries hang in the slot of some tick not after theirs. */
#include "proxy/wheel.h"

#include "base/check.h"

static uint64_t
tick_of(uint64_t us)
{
	return us / WHEEL_TICK_US + 1;
}

void
wheel_init(struct wheel *w, uint64_t now_us)
{
	for (unsigned i = 0; i < WHEEL_SLOTS; i++)
		TAILQ_INIT(&w->slots[i]);
	w->tick = tick_of(now_us);
	w->armed = 0;
}

static void
hang(struct wheel *w, struct wheel_entry *e)
{
	uint64_t tick = tick_of(e->deadline_us);

	if (tick < w->tick)
		tick = w->tick;
	if (tick >= w->tick + WHEEL_SLOTS)
		tick = w->tick + WHEEL_SLOTS - 1;
	e->slot_tick = tick;
	TAILQ_INSERT_TAIL(&w->slots[tick % WHEEL_SLOTS], e, link);
}

static void
unhang(struct wheel *w, struct wheel_entry *e)
{
	TAILQ_REMOVE(&w->slots[e->slot_tick % WHEEL_SLOTS], e, link);
	e->slot_tick = 0;
}

void
wheel_set(struct wheel *w, struct wheel_entry *e, uint64_t deadline_us)
{
	CHECK(deadline_us > 0);
	e->deadline_us = deadline_us;
	if (e->slot_tick == 0) {
		w->armed++;
		hang(w, e);
	} else if (tick_of(deadline_us) < e->slot_tick) {
		unhang(w, e);
		hang(w, e);
	}
}

void
wheel_clear(struct wheel *w, struct wheel_entry *e)
{
	if (e->slot_tick == 0)
		return;
	unhang(w, e);
	w->armed--;
	e->deadline_us = 0;
}

static void
visit(struct wheel *w, struct wheel_entry *e, uint64_t now_us,
    void (*expired)(struct wheel_entry *e))
{
	unhang(w, e);
	if (e->deadline_us > now_us) {
		hang(w, e);
		return;
	}
	w->armed--;
	e->deadline_us = 0;
	expired(e);
}

void
wheel_advance(
    struct wheel *w, uint64_t now_us, void (*expired)(struct wheel_entry *e))
{
	uint64_t now_tick = tick_of(now_us);

	while (w->tick < now_tick) {
		struct wheel_list *slot = &w->slots[w->tick % WHEEL_SLOTS];
		struct wheel_entry *e;

		w->tick++; /* re-hung entries land in a later slot */
		while (
		    (e = TAILQ_FIRST(slot)) != NULL && e->slot_tick < w->tick)
			visit(w, e, now_us, expired);
		if (w->armed == 0)
			w->tick = now_tick;
	}
}
