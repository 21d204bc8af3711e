/* Reading what the API says of pods, and writing what it takes. */
#include "admin/pod_document.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "admin/name_document.h"

/* A pod that is gone has fewer keys. */
static int
read_row(json_t *json, struct pod_row *r, json_error_t *error)
{
	json_int_t inflight, weight = 0;
	int removing = 0;

	r->source = "";
	if (json_unpack_ex(json, error, 0,
		"{s:s, s:s, s:I, s:s, s?I, s?s, s?b}", "address", &r->address,
		"state", &r->state, "inflight", &inflight, "reason", &r->reason,
		"weight", &weight, "source", &r->source, "removing",
		&removing) != 0)
		return -1;
	r->inflight = (uint64_t)inflight;
	r->weight = (uint64_t)weight;
	r->removing = removing != 0;
	return 0;
}

static int
read_rows(struct pod_document *d, json_error_t *error)
{
	json_t *list = json_object_get(d->json, "pods");
	size_t n = list != NULL ? json_array_size(list) : 1;

	d->rows = calloc(n + 1, sizeof *d->rows);
	if (d->rows == NULL)
		return -1;
	for (; d->n < n; d->n++)
		if (read_row(
			list != NULL ? json_array_get(list, d->n) : d->json,
			&d->rows[d->n], error) != 0)
			return -1;
	if (list != NULL && names_read(d->json, &d->names, &d->nnames,
				error->text, sizeof error->text) < 0)
		return -1;
	d->result = json_string_value(json_object_get(d->json, "result"));
	d->warning = json_string_value(json_object_get(d->json, "warning"));
	d->cut = (uint64_t)json_integer_value(json_object_get(d->json, "cut"));
	return 0;
}

struct pod_document *
pod_document_read(struct span text, char *why, size_t why_size)
{
	struct pod_document *d = calloc(1, sizeof *d);
	json_error_t error = {.text = "out of memory"};

	if (d != NULL) {
		d->json = json_loadb(text.p, text.n, 0, &error);
		if (d->json != NULL && read_rows(d, &error) == 0)
			return d;
	}
	snprintf(why, why_size, "the answer is not what was expected: %s",
	    error.text);
	pod_document_free(d);
	return NULL;
}

void
pod_document_free(struct pod_document *d)
{
	if (d == NULL)
		return;
	free(d->rows);
	free(d->names);
	json_decref(d->json);
	free(d);
}

static char *
dump(json_t *json)
{
	char *text = json != NULL ? json_dumps(json, JSON_COMPACT) : NULL;

	json_decref(json);
	return text;
}

char *
pod_document_add(const char *address, uint64_t weight)
{
	return dump(json_pack(
	    "{s:s, s:I}", "address", address, "weight", (json_int_t)weight));
}

char *
pod_document_order(const char *word)
{
	return dump(json_pack("{s:s}", "state", word));
}
