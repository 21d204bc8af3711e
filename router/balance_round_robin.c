/* round_robin: one pod after the other, each worker by its own cursor. */
#include "router/balance.h"

static unsigned
pick_next(const struct pick *p)
{
	/* Workers start at different pods, or they would march in step. */
	return ((*p->cursor)++ + p->worker) % p->n;
}

const struct balance_ops balance_round_robin = {
    .name = "round_robin",
    .pick = pick_next,
};
