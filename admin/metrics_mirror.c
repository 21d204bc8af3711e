/* What became of mirrored requests, as metrics. */
#include "admin/metrics_mirror.h"

#include <event2/buffer.h>
#include <inttypes.h>
#include <stdlib.h>

#include "admin/metrics_lines.h"
#include "router/mirror.h"

/* One mirror, read once so that all its metrics are of one moment. */
struct row {
	const struct mirror *mirror;
	char *labels; /* service="...",version="..." */
	struct tally_sum sum;
};

static void
write_codes(struct evbuffer *out, const char *name, const struct row *r)
{
	metrics_codes(out, name, r->labels, &r->sum);
}

static void
write_errors(struct evbuffer *out, const char *name, const struct row *r)
{
	metrics_errors(out, name, r->labels, &r->sum);
}

static void
write_durations(struct evbuffer *out, const char *name, const struct row *r)
{
	metrics_histogram(out, name, r->labels, &r->sum);
}

static void
write_differences(struct evbuffer *out, const char *name, const struct row *r)
{
	for (int i = 0; i < MIRROR_DIFFERENCES; i++) {
		enum mirror_difference d = (enum mirror_difference)i;

		evbuffer_add_printf(out, "%s{%s,kind=\"%s\"} %" PRIu64 "\n",
		    name, r->labels, mirror_difference_name(d),
		    mirror_differed(r->mirror, d));
	}
}

static void
write_skipped(struct evbuffer *out, const char *name, const struct row *r)
{
	for (int i = 0; i < MIRROR_SKIPS; i++) {
		enum mirror_skip why = (enum mirror_skip)i;

		evbuffer_add_printf(out, "%s{%s,reason=\"%s\"} %" PRIu64 "\n",
		    name, r->labels, mirror_skip_name(why),
		    mirror_skipped(r->mirror, why));
	}
}

static const struct family {
	const char *name, *type, *help;
	void (*write)(
	    struct evbuffer *out, const char *name, const struct row *r);
} families[] = {
    {"shunt_mirror_requests_total", "counter",
	"Answers to mirrored requests by status.", write_codes},
    {"shunt_mirror_errors_total", "counter",
	"What would count against the version, were they real.", write_errors},
    {"shunt_mirror_request_duration_seconds", "histogram",
	"From when a mirrored request is begun to the end of its answer.",
	write_durations},
    {"shunt_mirror_differences_total", "counter",
	"Answers that are not the same as the real ones.", write_differences},
    {"shunt_mirror_skipped_total", "counter",
	"Requests that were to be mirrored and are not.", write_skipped},
};

/* Those of all services; how many, or -1 without memory. */
static int
rows_read(struct row *rows, const struct plan *plan)
{
	int n = 0;

	for (size_t i = 0; i < plan->nservices; i++) {
		const struct service *s = plan->services[i];
		struct row *r = &rows[n];

		if (s->mirror == NULL)
			continue;
		r->mirror = s->mirror;
		r->labels = metrics_labels(s->name, s->mirror->to.name);
		if (r->labels == NULL)
			return -1;
		tally_read(s->mirror->to.tally, &r->sum);
		n++;
	}
	return n;
}

bool
metrics_mirror(struct evbuffer *out, const struct plan *plan)
{
	struct row *rows = calloc(plan->nservices + 1, sizeof *rows);
	int n = rows != NULL ? rows_read(rows, plan) : -1;

	for (size_t i = 0; n > 0 && i < sizeof families / sizeof families[0];
	     i++) {
		const struct family *f = &families[i];

		metrics_head(out, f->name, f->type, f->help);
		for (int k = 0; k < n; k++)
			f->write(out, f->name, &rows[k]);
	}
	for (size_t i = 0; rows != NULL && i < plan->nservices; i++)
		free(rows[i].labels);
	free(rows);
	return n >= 0;
}
