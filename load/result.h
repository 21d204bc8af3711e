/* What a run has found: all threads put together, once it is over. */
#ifndef LOAD_RESULT_H
#define LOAD_RESULT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "load/board.h"
#include "load/downtime.h"
#include "load/histogram.h"
#include "load/marks.h"
#include "load/timeline.h"

struct runner;
struct trial;

/* One line of a report. */
struct result_row {
	const char *name;
	struct score *score; /* never NULL */
	double share;	     /* of all requests, 0..1 */
};

struct result {
	const struct trial *trial;
	uint64_t started_us; /* wall clock */
	uint64_t elapsed_ns;
	bool interrupted;
	/* those with requests, by name, that of no version last */
	struct result_row versions[BOARD_VERSIONS];
	size_t nversions;
	/* its place in timeline slots, of each row of versions */
	unsigned places[BOARD_VERSIONS];
	struct result_row profiles[BOARD_PROFILES]; /* as in the trial */
	size_t nprofiles;
	struct result_row total;
	struct timeline *timeline;
	struct downtime_list downtime;
	struct histogram *lag;
	uint64_t flips, opened, http2, bytes, issued, waited, resent;
	/* of failures, as the system tells them; "": it says nothing */
	char reasons[FAILURE_COUNT][REASON_MAX];
	const struct marks *marks;
	struct board *names; /* of versions */
};

/* Runners are over. NULL without memory. */
struct result *result_new(const struct trial *trial,
    struct runner *const *runners, size_t n, uint64_t started_us,
    const struct marks *marks, bool interrupted);
void result_free(struct result *r);

/* The row of that version, or NULL. */
const struct result_row *result_version(
    const struct result *r, struct span name);

static inline double
result_ms(uint64_t ns)
{
	return (double)ns / 1e6;
}

static inline double
result_seconds(uint64_t ns)
{
	return (double)ns / 1e9;
}

/* Errors to requests, 0..1. */
double result_error_ratio(const struct score *s);
/* Requests per second. */
double result_rate(const struct result *r, const struct score *s);

#endif
