/*
 * round_robin: one pod after the other, each worker by its own cursor; the
 * heavier the more often, not several times in a row.
 */
#include "router/balance.h"

static unsigned
pick_next(const struct pick *p)
{
	/* Workers start at different pods, or they would march in step. */
	const uint32_t turn = (*p->cursor)++ + p->worker;

	return p->draw != NULL ? draw_in_turn(p->draw, turn) : turn % p->n;
}

const struct balance_ops balance_round_robin = {
    .name = "round_robin",
    .pick = pick_next,
};
