/*
 * The API's JSON of pods from the reader's side: what `shunt pod` sends and
 * shows. Any thread.
 */
#ifndef ADMIN_POD_DOCUMENT_H
#define ADMIN_POD_DOCUMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/span.h"

struct json_t;
struct name_view;

/* Strings belong to the document. */
struct pod_row {
	const char *address, *state, *reason, *source;
	uint64_t inflight, weight;
	bool removing;
};

/* The pods of a version, or what became of one. */
struct pod_document {
	struct pod_row *rows;
	size_t n;
	/* of one; NULL where they play no part */
	const char *result, *warning;
	uint64_t cut;
	struct name_view *names; /* that pods are resolved from */
	size_t nnames;
	struct json_t *json; /* owner of the strings */
};

/*
 * Reads {"pods": [...]} or one pod. NULL with the reason in why (one line)
 * when it is neither.
 */
struct pod_document *pod_document_read(
    struct span text, char *why, size_t why_size);
/* NULL is fine. */
void pod_document_free(struct pod_document *d);

/* Bodies of requests; the caller frees. NULL: no memory, or no UTF-8. */
char *pod_document_add(const char *address, uint64_t weight);
char *pod_document_order(const char *word);

#endif
