/* The API's JSON of differences from the reader's side. Any thread. */
#ifndef ADMIN_DIFF_DOCUMENT_H
#define ADMIN_DIFF_DOCUMENT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/span.h"

struct json_t;

/* Strings belong to the document; "" where something plays no part. */
struct difference_row {
	const char *kind, *service, *version, *pod, *filed, *running;
};

struct diff_document {
	bool same;
	const char *path; /* of the file */
	bool changed;	  /* it has, since it was loaded */
	struct difference_row *rows;
	size_t n;
	struct json_t *errors; /* of the file as it is now: an array of texts */
	struct json_t *json;   /* owner of it all */
};

/* NULL with the reason in why (one line). */
struct diff_document *diff_document_read(
    struct span text, char *why, size_t why_size);
/* NULL is fine. */
void diff_document_free(struct diff_document *d);

/* Line i of what is wrong with the file; NULL behind the last. */
const char *diff_document_error(const struct diff_document *d, size_t i);

#endif
