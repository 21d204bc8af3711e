/*
 * Ejecting pods that fail on live traffic: the rules by which a pod is found
 * out, for how long it goes, and how many may go. Workers count what their
 * attempts came to, main judges and writes the outcome down in the pod
 * (router/pod_state.h). Pure: the clock is an argument.
 */
#ifndef ROUTER_OUTLIER_H
#define ROUTER_OUTLIER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pod;
struct version;

/* All of something: 100 %. */
#define OUTLIER_WHOLE 1000000u
/* Parts that a window is counted in. */
#define OUTLIER_SLICES 10u

struct outlier_rules {
	bool enabled;
	unsigned consecutive_errors; /* in a row; 0 = any */
	unsigned connect_failures;   /* in a row; 0 = any */
	uint32_t error_ratio;	     /* above the others', of WHOLE; 0 = any */
	uint32_t window_ms;	     /* of error_ratio, a multiple of SLICES */
	unsigned min_requests;	     /* in a window, or it says nothing */
	uint32_t eject_ms;     /* the first time; each next twice as long */
	uint32_t max_eject_ms; /* at most */
	uint32_t max_ejected;  /* pods of a version, of WHOLE */
};

/* What workers and main think of a pod. */
enum outlier_standing {
	OUTLIER_TRUSTED,
	/* found out by a worker: all pass it over until main has judged, and
	 * those with an older plan while it is ejected */
	OUTLIER_ERRORS,
	OUTLIER_CONNECTS,
	OUTLIER_KEPT, /* main found no room to eject it: it is not told again */
};

/*
 * Of a pod, by all workers together. Written when an attempt fails, and by
 * the first one after it that does not.
 */
struct outlier_row {
	_Atomic uint32_t errors;   /* of all time; wraps */
	_Atomic uint32_t in_row;   /* errors since the last good answer */
	_Atomic uint32_t connects; /* failed since the last answer */
	_Atomic unsigned standing; /* enum outlier_standing */
};

/* Main's own record of a pod. */
struct outlier_record {
	unsigned times;	   /* ejected and not forgiven yet */
	uint64_t until_us; /* the last ejection's end; 0 = there was none */
	unsigned judged;   /* the standing by which it was judged last */
	/* as of the last look, and what came since, by parts of the window */
	uint32_t seen_requests, seen_errors;
	struct {
		uint64_t number; /* of the part since the clock's start */
		uint32_t requests, errors;
	} slices[OUTLIER_SLICES];
};

/* Workers. */

/*
 * An attempt has failed, at connecting or later. True when main is to be
 * told: once until it has judged.
 */
bool outlier_failed(
    const struct outlier_rules *rules, struct outlier_row *row, bool connect);

/* The pod has answered, and it was no error. Writes only after a failure. */
static inline void
outlier_answered(struct outlier_row *row)
{
	if (atomic_load_explicit(&row->in_row, memory_order_relaxed) != 0)
		atomic_store_explicit(&row->in_row, 0, memory_order_relaxed);
	if (atomic_load_explicit(&row->connects, memory_order_relaxed) != 0)
		atomic_store_explicit(&row->connects, 0, memory_order_relaxed);
}

/* Is to be passed over, where there is another. */
static inline bool
outlier_suspect(const struct outlier_row *row)
{
	const unsigned standing =
	    atomic_load_explicit(&row->standing, memory_order_relaxed);

	return standing == OUTLIER_ERRORS || standing == OUTLIER_CONNECTS;
}

/* Main. */

/* The pod is up anew: nothing that was counted counts. */
void outlier_restart(struct pod *p);

/* A version's pods at one moment, in one look. */
struct outlier_crowd {
	uint64_t left;	/* that people have not ordered away */
	uint64_t known; /* of these, no longer starting */
	uint64_t up;
	uint64_t ejected;
	/* up, with enough requests in the window; the sum of their errors per
	 * request, each of WHOLE */
	uint64_t compared, ratios;
};

/*
 * Samples and counts them; to be called a few times per part of the window,
 * or errors come late.
 */
void outlier_survey(const struct outlier_rules *rules, const struct version *v,
    uint64_t now_us, struct outlier_crowd *crowd);

/*
 * Why the pod, which is up and one of the crowd of this moment, should go:
 * words for people; NULL when it should not.
 */
const char *outlier_cause(const struct outlier_rules *rules,
    const struct outlier_crowd *crowd, struct pod *p, uint64_t now_us,
    char *buf, size_t size);

/*
 * Whether one more of the crowd may go: never the last one that is up, never
 * so many that panic (of WHOLE) would begin, and at most max_ejected of those
 * that people left in, but one.
 */
bool outlier_has_room(const struct outlier_rules *rules, uint32_t panic,
    const struct outlier_crowd *crowd);

/* Marks one of the crowd ejected and says for how many milliseconds. */
uint32_t outlier_eject(const struct outlier_rules *rules,
    struct outlier_crowd *crowd, struct pod *p, uint64_t now_us);

/* Main has judged by outlier_cause() and lets it stay. */
void outlier_keep(struct pod *p, bool suspected);

#endif
