/* Reading what the API says of differences. */
#include "admin/diff_document.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

static const char *
text_of(const json_t *json, const char *key)
{
	const char *text = json_string_value(json_object_get(json, key));

	return text != NULL ? text : "";
}

static int
read_all(struct diff_document *d, json_error_t *error)
{
	json_t *list;
	int same, changed;

	if (json_unpack_ex(d->json, error, 0, "{s:b, s:{s:s, s:b, s:o}, s:o}",
		"same", &same, "file", "path", &d->path, "changed", &changed,
		"errors", &d->errors, "differences", &list) != 0)
		return -1;
	d->same = same != 0;
	d->changed = changed != 0;
	d->rows = calloc(json_array_size(list) + 1, sizeof *d->rows);
	if (d->rows == NULL)
		return -1;
	for (; d->n < json_array_size(list); d->n++) {
		const json_t *one = json_array_get(list, d->n);

		d->rows[d->n] = (struct difference_row){
		    .kind = text_of(one, "kind"),
		    .service = text_of(one, "service"),
		    .version = text_of(one, "version"),
		    .pod = text_of(one, "pod"),
		    .filed = text_of(one, "file"),
		    .running = text_of(one, "running"),
		};
	}
	return 0;
}

struct diff_document *
diff_document_read(struct span text, char *why, size_t why_size)
{
	struct diff_document *d = calloc(1, sizeof *d);
	json_error_t error = {.text = "out of memory"};

	if (d != NULL) {
		d->json = json_loadb(text.p, text.n, 0, &error);
		if (d->json != NULL && read_all(d, &error) == 0)
			return d;
	}
	snprintf(why, why_size, "the answer is not what was expected: %s",
	    error.text);
	diff_document_free(d);
	return NULL;
}

void
diff_document_free(struct diff_document *d)
{
	if (d == NULL)
		return;
	free(d->rows);
	json_decref(d->json);
	free(d);
}

const char *
diff_document_error(const struct diff_document *d, size_t i)
{
	return json_string_value(json_array_get(d->errors, i));
}
