/* A hash table of addresses, half full at most, with open addressing. */
#include "base/address_index.h"

#include <stdlib.h>
#include <string.h>

#include "base/address.h"
#include "base/check.h"

struct slot {
	const struct address *address; /* NULL = free */
	uint32_t number;
};

struct address_index {
	size_t n, room, mask;
	struct slot slots[];
};

struct address_index *
address_index_new(size_t n)
{
	struct address_index *x;
	size_t slots = 4;

	while (slots < 2 * n)
		slots *= 2;
	x = calloc(1, sizeof *x + slots * sizeof x->slots[0]);
	if (x == NULL)
		return NULL;
	x->room = n;
	x->mask = slots - 1;
	return x;
}

void
address_index_clear(struct address_index *x)
{
	x->n = 0;
	memset(x->slots, 0, (x->mask + 1) * sizeof x->slots[0]);
}

void
address_index_free(struct address_index *x)
{
	free(x);
}

/* FNV-1a, its upper half folded in. */
static size_t
hash(const struct address *a)
{
	const unsigned char *p = (const unsigned char *)&a->sa;
	uint64_t h = 0xcbf29ce484222325u;

	for (socklen_t i = 0; i < a->len; i++)
		h = (h ^ p[i]) * 0x100000001b3u;
	return (size_t)(h ^ h >> 32);
}

/* Where it is, or would be. */
static size_t
place(const struct address_index *x, const struct address *a)
{
	size_t i = hash(a) & x->mask;

	while (
	    x->slots[i].address != NULL && !address_eq(x->slots[i].address, a))
		i = (i + 1) & x->mask;
	return i;
}

void
address_index_add(
    struct address_index *x, const struct address *a, uint32_t number)
{
	struct slot *s = &x->slots[place(x, a)];

	CHECK(x->n < x->room && number != ADDRESS_INDEX_NONE);
	x->n++;
	if (s->address == NULL)
		*s = (struct slot){a, number};
}

uint32_t
address_index_find(const struct address_index *x, const struct address *a)
{
	const struct slot *s = &x->slots[place(x, a)];

	return s->address != NULL ? s->number : ADDRESS_INDEX_NONE;
}
