/* Labels, counts by status and reason, histograms. */
#include "admin/metrics_lines.h"

#include <event2/buffer.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "admin/label.h"
#include "base/hist.h"
#include "router/tally.h"

/*
 * The histogram's bounds are 2^8 .. 2^24 microseconds (0.000256 s to about
 * 16.8 s): powers of two are where buckets of base/hist end, so no count is
 * an estimate.
 */
#define BOUND_MIN 8u
#define BOUND_MAX 24u

void
metrics_head(
    struct evbuffer *out, const char *name, const char *type, const char *help)
{
	evbuffer_add_printf(
	    out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

char *
metrics_labels(const char *service, const char *version)
{
	char *s = label_escape(service), *v = NULL;
	char *labels = NULL;
	int n = -1;

	if (version != NULL)
		v = label_escape(version);
	if (s != NULL && version == NULL)
		n = asprintf(&labels, "service=\"%s\"", s);
	else if (s != NULL && v != NULL)
		n = asprintf(&labels, "service=\"%s\",version=\"%s\"", s, v);
	if (n < 0)
		labels = NULL;
	free(s);
	free(v);
	return labels;
}

void
metrics_codes(struct evbuffer *out, const char *name, const char *labels,
    const struct tally_sum *sum)
{
	for (int code = TALLY_CODE_MIN; code <= TALLY_CODE_MAX; code++) {
		uint64_t n = sum->codes[code - TALLY_CODE_MIN];

		if (n > 0)
			evbuffer_add_printf(out,
			    "%s{%s,code=\"%d\"} %" PRIu64 "\n", name, labels,
			    code, n);
	}
}

void
metrics_errors(struct evbuffer *out, const char *name, const char *labels,
    const struct tally_sum *sum)
{
	for (int r = REASON_NONE + 1; r < REASON_COUNT; r++)
		evbuffer_add_printf(out, "%s{%s,reason=\"%s\"} %" PRIu64 "\n",
		    name, labels, reason_name((enum reason)r), sum->errors[r]);
}

/* How many took less than 2^bound microseconds. */
static void
bucket_line(struct evbuffer *out, const char *name, const char *labels,
    unsigned bound, uint64_t below)
{
	const uint64_t us = 1ull << bound;

	evbuffer_add_printf(out,
	    "%s_bucket{%s,le=\"%" PRIu64 ".%06" PRIu64 "\"} %" PRIu64 "\n",
	    name, labels, us / 1000000, us % 1000000, below);
}

/* All, and their sum. */
static void
last_lines(struct evbuffer *out, const char *name, const char *labels,
    uint64_t all, uint64_t sum_us)
{
	evbuffer_add_printf(out,
	    "%s_bucket{%s,le=\"+Inf\"} %" PRIu64 "\n"
	    "%s_sum{%s} %" PRIu64 ".%06" PRIu64 "\n"
	    "%s_count{%s} %" PRIu64 "\n",
	    name, labels, all, name, labels, sum_us / 1000000, sum_us % 1000000,
	    name, labels, all);
}

void
metrics_histogram(struct evbuffer *out, const char *name, const char *labels,
    const struct tally_sum *sum)
{
	uint64_t below = 0;
	unsigned bucket = 0;

	for (unsigned bound = BOUND_MIN; bound <= BOUND_MAX; bound++) {
		for (; bucket < HIST_BUCKETS &&
		       hist_upper(bucket) <= 1ull << bound;
		     bucket++)
			below += sum->buckets[bucket];
		bucket_line(out, name, labels, bound, below);
	}
	for (; bucket < HIST_BUCKETS; bucket++)
		below += sum->buckets[bucket];
	last_lines(out, name, labels, below, sum->duration_us);
}

void
metrics_waits(struct evbuffer *out, const char *name, const char *labels,
    const struct tally_sum *sum)
{
	uint64_t below = 0;
	unsigned n = 0;

	for (unsigned bound = BOUND_MIN; bound <= BOUND_MAX; bound++) {
		for (; n <= bound; n++)
			below += sum->waits[n];
		bucket_line(out, name, labels, bound, below);
	}
	for (; n < TALLY_WAITS; n++)
		below += sum->waits[n];
	last_lines(out, name, labels, below, sum->wait_us);
}
