/* The API's JSON of names that resolve to pods, from the reader's side. Any
 * thread. */
#ifndef ADMIN_NAME_DOCUMENT_H
#define ADMIN_NAME_DOCUMENT_H

#include <stddef.h>
#include <stdint.h>

struct json_t;

/* Strings belong to the JSON. */
struct name_view {
	const char *name, *state, *error;
	const char *last_resolved; /* NULL: never */
	uint64_t addresses;
	double next_s; /* below 0: it is being asked for */
};

/*
 * The key "names" of an object; there need not be one. The caller frees the
 * list. -1, with the reason in why (one line), when it is something else.
 */
int names_read(const struct json_t *object, struct name_view **list, size_t *n,
    char *why, size_t why_size);

#endif
