/* The table of balance policies, and picking around tried pods. */
#include "router/balance.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"

static const struct balance_ops *const policies[] = {
    &balance_round_robin,
    &balance_random,
    &balance_least_request,
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

static bool
among(const struct pod *p, struct pod *const *tried, unsigned ntried)
{
	for (unsigned i = 0; i < ntried; i++)
		if (tried[i] == p)
			return true;
	return false;
}

struct pod *
balance_pick(const struct balance_ops *ops, const struct pick *p,
    struct pod *const *tried, unsigned ntried)
{
	unsigned first;

	if (p->n == 0)
		return NULL;
	first = ops->pick(p);
	CHECK(first < p->n);
	for (unsigned i = 0; i < p->n; i++) {
		struct pod *pod = p->ready[(first + i) % p->n];

		if (!among(pod, tried, ntried))
			return pod;
	}
	return NULL;
}
