/* The table of balance policies, and picking around tried pods. */
#include "router/balance.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"

static const struct balance_ops *const policies[] = {
    &balance_round_robin,
    &balance_random,
    &balance_least_request,
    &balance_ewma,
    &balance_hash,
};

#define POLICIES (sizeof policies / sizeof policies[0])

const struct balance_ops *
balance_find(const char *name)
{
	for (size_t i = 0; i < POLICIES; i++)
		if (strcmp(policies[i]->name, name) == 0)
			return policies[i];
	return NULL;
}

void
balance_names(char *buf, size_t size)
{
	size_t used = 0;

	for (size_t i = 0; i < POLICIES && used < size; i++)
		used += (size_t)snprintf(buf + used, size - used, "%s%s",
		    i > 0 ? ", " : "", policies[i]->name);
}

struct pod *
balance_pick(const struct balance_ops *ops, const struct pick *p)
{
	unsigned first, i;

	if (p->n == 0)
		return NULL;
	first = i = ops->pick(p);
	CHECK(first < p->n);
	while (pick_tried(p, i)) {
		i = i + 1 < p->n ? i + 1 : 0;
		if (i == first)
			return NULL;
	}
	return p->ready[i];
}
