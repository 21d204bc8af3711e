/* Reading what the API says of names. */
#include "admin/name_document.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

static int
read_one(json_t *json, struct name_view *v, json_error_t *error)
{
	json_t *last, *next;
	json_int_t addresses;

	if (json_unpack_ex(json, error, 0, "{s:s, s:s, s:I, s:o, s:o, s:s}",
		"name", &v->name, "state", &v->state, "addresses", &addresses,
		"last_resolved", &last, "next_s", &next, "error",
		&v->error) != 0)
		return -1;
	v->addresses = (uint64_t)addresses;
	v->last_resolved = json_string_value(last);
	v->next_s = json_is_number(next) ? json_number_value(next) : -1;
	return 0;
}

int
names_read(const json_t *object, struct name_view **list, size_t *n, char *why,
    size_t why_size)
{
	const json_t *names = json_object_get(object, "names");
	const size_t size = json_array_size(names);
	json_error_t error = {.text = "out of memory"};

	*n = 0;
	*list = calloc(size + 1, sizeof **list);
	for (; *list != NULL && *n < size; ++*n)
		if (read_one(json_array_get(names, *n), &(*list)[*n], &error) !=
		    0)
			break;
	if (*list != NULL && *n == size)
		return 0;
	snprintf(why, why_size, "%s", error.text);
	free(*list);
	*list = NULL;
	return -1;
}
