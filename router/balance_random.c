/* random: every pod with the chance that its weight gives it. */
#include "router/balance.h"

static unsigned
pick_any(const struct pick *p)
{
	const uint32_t roll = (uint32_t)(p->roll >> 32);

	if (p->draw != NULL)
		return draw_by_chance(p->draw, roll);
	return (unsigned)((uint64_t)roll * p->n >> 32);
}

const struct balance_ops balance_random = {
    .name = "random",
    .pick = pick_any,
};
