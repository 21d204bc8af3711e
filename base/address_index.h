/*
 * Addresses to numbers, for lists too long to be searched. One thread; the
 * addresses are the caller's and stay in place.
 */
#ifndef BASE_ADDRESS_INDEX_H
#define BASE_ADDRESS_INDEX_H

#include <stddef.h>
#include <stdint.h>

struct address;
struct address_index;

/* What address_index_find() says of an address it does not know. */
#define ADDRESS_INDEX_NONE UINT32_MAX

/* With room for n addresses; NULL without memory. */
struct address_index *address_index_new(size_t n);
/* Forgets them all; the room stays. */
void address_index_clear(struct address_index *x);
/* NULL is fine. */
void address_index_free(struct address_index *x);

/* Of equal addresses the first is found. At most as many as there is room. */
void address_index_add(
    struct address_index *x, const struct address *a, uint32_t number);
uint32_t address_index_find(
    const struct address_index *x, const struct address *a);

#endif
