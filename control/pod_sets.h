/*
 * The sets of all versions, and their way into the store and out of it. Main
 * thread only.
 */
#ifndef CONTROL_POD_SETS_H
#define CONTROL_POD_SETS_H

#include <stddef.h>

struct pod_member;
struct pod_set;
struct store;

/* Zeroed, then used. */
struct pod_sets {
	struct pod_set **list;
	size_t n;
	size_t next; /* where the search begins: behind what it found last */
};

void pod_sets_free(struct pod_sets *all);

/* NULL when there is none. */
struct pod_set *pod_sets_find(
    struct pod_sets *all, const char *service, const char *version);
/* The same, made when there is none; NULL without memory. */
struct pod_set *pod_sets_get(
    struct pod_sets *all, const char *service, const char *version);
/* Frees the one at this place. */
void pod_sets_drop(struct pod_sets *all, size_t i);
/* Puts it behind the others of another list; -1 without memory. */
int pod_sets_move(struct pod_sets *all, size_t i, struct pod_sets *to);

/* What the store has of pods; -1 when it cannot be read. */
int pod_sets_load(struct pod_sets *all, struct store *store);

/* Between store_begin() and store_end(): what people did to one, or to all. */
void pod_sets_keep(
    struct store *store, const struct pod_set *s, const struct pod_member *m);
void pod_sets_save(const struct pod_sets *all, struct store *store);

#endif
