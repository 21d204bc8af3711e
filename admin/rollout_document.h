/*
 * The API's JSON of rollouts from the reader's side: what `shunt rollout`
 * sends and shows. Any thread.
 */
#ifndef ADMIN_ROLLOUT_DOCUMENT_H
#define ADMIN_ROLLOUT_DOCUMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/span.h"
#include "strategies/phase.h"

struct json_t;

/* Strings belong to the document. */
struct decision_row {
	const char *time, *action, *reason;
};

struct rollout_row {
	uint64_t id;
	const char *strategy, *from, *to, *reason;
	const char *verdict; /* "": no gate judges */
	enum rollout_phase phase;
	uint64_t step, steps; /* 0 of 0: it has none */
	/* from here on empty in the document of a service */
	const char *started, *ended; /* "" while it is not */
	uint64_t took_ms, paused_ms;
	struct decision_row *decisions; /* oldest first */
	size_t ndecisions;
	struct json_t *json; /* borrowed */
};

struct rollout_document {
	struct rollout_row *rows; /* newest first */
	size_t n;
	const char *warning; /* NULL where there is none */
	struct json_t *json; /* owner of the strings */
};

/*
 * Reads {"rollouts": [...]}, one rollout, or null, which has no row. NULL with
 * the reason in why (one line) when it is none of these.
 */
struct rollout_document *rollout_document_read(
    struct span text, char *why, size_t why_size);
/* NULL is fine. */
void rollout_document_free(struct rollout_document *d);

/*
 * One rollout from a piece of a larger document, whose strings it borrows,
 * without its decisions. -1 when it is none.
 */
int rollout_row_read(struct json_t *json, struct rollout_row *r);

/* Its JSON as a line without an end; the caller frees. NULL without memory. */
char *rollout_row_text(const struct rollout_row *r);

/* Bodies of requests; the caller frees. NULL: no memory, or no UTF-8. */
char *rollout_document_start(const char *to, const char *strategy);
char *rollout_document_promote(bool full);

#endif
