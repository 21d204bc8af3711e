/*
 * The JSON of explanations from the asker's side: what `shunt explain` sends
 * and shows. Any thread.
 */
#ifndef ADMIN_DOCUMENT_EXPLAIN_H
#define ADMIN_DOCUMENT_EXPLAIN_H

#include <stdbool.h>
#include <stddef.h>

#include "base/span.h"

struct json_t;
struct question;

struct explain_pod_view {
	const char *address, *state, *reason;
	bool candidate;
};

/* Strings belong to the document; NULL where something played no part. */
struct explain_view {
	const char *service, *version, *reason;
	const char *host, *path, *kind; /* of the route */
	const char **methods;		/* of the route; none = any */
	size_t nmethods;
	int rule; /* -1: none */
	const char *match;
	double bucket; /* below 0: none */
	struct explain_pod_view *pods;
	size_t npods;
	struct json_t *json; /* owner of the strings */
};

/*
 * The body that asks. The caller frees it; NULL without memory or when a word
 * is not UTF-8.
 */
char *document_question(const struct question *q);

/* NULL with the reason in why (one line) when it is something else. */
struct explain_view *document_explain(
    struct span text, char *why, size_t why_size);
void document_explain_free(struct explain_view *v);

#endif
