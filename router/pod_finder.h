/*
 * Finds the pods of a version by address: at once where they stand in the
 * same order as before, else by an index made when it is first needed. Main
 * thread only.
 */
#ifndef ROUTER_POD_FINDER_H
#define ROUTER_POD_FINDER_H

#include <stddef.h>

struct address;
struct address_index;
struct pod;
struct version;

struct pod_finder {
	const struct version *version; /* NULL: finds nothing */
	struct address_index *index;   /* NULL = not made yet */
};

/*
 * The version's pod of that address, NULL when it has none; perhaps it is the
 * one at `hint`. -1 without memory.
 */
int pod_finder_find(struct pod_finder *f, const struct address *a, size_t hint,
    struct pod **found);
void pod_finder_fini(struct pod_finder *f);

#endif
