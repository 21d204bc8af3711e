/* random: every pod with the same chance. */
#include "router/balance.h"

static unsigned
pick_any(const struct pick *p)
{
	return (unsigned)(((p->roll >> 32) * p->n) >> 32);
}

const struct balance_ops balance_random = {
    .name = "random",
    .pick = pick_any,
};
