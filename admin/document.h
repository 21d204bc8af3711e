/*
 * The API's JSON from the reader's side: what `shunt status` shows. Nobody
 * but the two ends of the API needs to know its JSON. Any thread.
 */
#ifndef ADMIN_DOCUMENT_H
#define ADMIN_DOCUMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "admin/rollout_document.h"
#include "base/span.h"

struct json_t;
struct name_view;
struct weight_change;

/* Strings belong to the document. */
struct pod_view {
	const char *address, *state, *reason;
	uint64_t inflight;
};

struct version_view {
	const char *name;
	double weight, share;	   /* wanted and measured, 0..1 */
	uint64_t requests, errors; /* since the start */
	double error_ratio;
	double p50_ms, p99_ms;
	struct pod_view *pods;
	size_t npods, npods_up;
	bool panic;		 /* all pods are asked, up or not */
	uint64_t failed;	 /* starts of pods that shunt runs, of late */
	const char *failure;	 /* the last one; NULL = none */
	struct name_view *names; /* that pods are resolved from */
	size_t nnames;
};

struct service_view {
	const char *name, *stable;
	bool closed;	 /* no version takes requests, */
	uint64_t parked; /* and so many wait for one */
	struct version_view *versions;
	size_t nversions;
	bool retries_refused;	    /* its retry budget is spent */
	struct rollout_row rollout; /* id 0: none ever was */
};

struct document {
	struct service_view *services;
	size_t nservices;
	struct json_t *json; /* owner of the strings */
};

/*
 * Reads {"services": [...]} or one service. NULL with the reason in why (one
 * line) when it is neither.
 */
struct document *document_read(struct span text, char *why, size_t why_size);
void document_free(struct document *d);

/*
 * Copies the text of {"error": "..."} and returns true; false when it is
 * something else.
 */
bool document_error(struct span text, char *error, size_t size);

/* The same for {"warning": "...", ...}. */
bool document_warning(struct span text, char *warning, size_t size);

/*
 * The body that sets these weights: {"v1": 80, "v2": 0.5}. Weights are in
 * 1/WEIGHT_ONE. The caller frees it; NULL without memory or when a name is
 * not UTF-8.
 */
char *document_weights(const struct weight_change *changes, size_t n);

#endif
