/*
 * A coarse timing wheel: many deadlines that are moved often and expire
 * rarely. Moving one later is a store; nothing is sorted. Pure: the time is
 * an argument. One thread.
 */
#ifndef PROXY_WHEEL_H
#define PROXY_WHEEL_H

#include <stdint.h>

#include "base/queue.h"

#define WHEEL_TICK_US 50000u
#define WHEEL_SLOTS   1024u /* 51 s a turn; later deadlines go round again */

struct wheel_entry {
	TAILQ_ENTRY(wheel_entry) link;
	uint64_t deadline_us; /* 0 = none */
	uint64_t slot_tick;   /* where it hangs; 0 = nowhere */
};

TAILQ_HEAD(wheel_list, wheel_entry);

struct wheel {
	struct wheel_list slots[WHEEL_SLOTS];
	uint64_t tick; /* all before it have been visited */
	unsigned armed;
};

void wheel_init(struct wheel *w, uint64_t now_us);

/* A zeroed entry is unarmed. Expires within a tick after the deadline. */
void wheel_set(struct wheel *w, struct wheel_entry *e, uint64_t deadline_us);
void wheel_clear(struct wheel *w, struct wheel_entry *e);

/*
 * Calls `expired` for each entry whose deadline has passed, unarmed before
 * the call; it may set or clear any entry.
 */
void wheel_advance(
    struct wheel *w, uint64_t now_us, void (*expired)(struct wheel_entry *e));

#endif
