/*
 * Where what is in force differs from the config file as it was loaded: what
 * people and rollouts have changed since. Pure; main thread only.
 */
#ifndef CONTROL_DIFF_H
#define CONTROL_DIFF_H

#include <stdbool.h>
#include <stddef.h>

struct plan;
struct pod_set;
struct rollout_view;
struct spec;

enum diff_kind {
	DIFF_STABLE,	  /* another version is */
	DIFF_WEIGHT,	  /* another share of the traffic */
	DIFF_POD_ADDED,	  /* by people */
	DIFF_POD_REMOVED, /* by people */
	DIFF_POD_ORDER,	  /* told to drain, or in maint */
	DIFF_ROLLOUT,	  /* under way */
	DIFF_KIND_COUNT,
};

/* "stable", "weight", "pod_added", ... */
const char *diff_kind_name(enum diff_kind kind);

/* Texts are its own; NULL where something plays no part, or is not there. */
struct difference {
	enum diff_kind kind;
	const char *service, *version, *pod;
	const char *filed, *running;
};

struct diff {
	struct difference *rows; /* by service, in the order of the plan */
	size_t n;
};

/* What is compared. */
struct diff_parts {
	const struct spec *file; /* with the file's own stable and weights */
	const struct plan *plan;
	/* the pods of a version; NULL: just those of the file */
	const struct pod_set *(*pods)(
	    void *arg, const char *service, const char *version);
	/* what is under way; false: nothing */
	bool (*rollout)(
	    void *arg, const char *service, struct rollout_view *view);
	void *arg;
};

/* NULL without memory. */
struct diff *diff_new(const struct diff_parts *parts);
/* NULL is fine. */
void diff_free(struct diff *d);

#endif
