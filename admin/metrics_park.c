/* What became of requests to closed services, as metrics. */
#include "admin/metrics_park.h"

#include <event2/buffer.h>
#include <inttypes.h>
#include <stdlib.h>

#include "admin/metrics_lines.h"
#include "router/plan.h"
#include "router/tally.h"

/* A service's own tally, read once so that all its metrics are of one moment.
 */
struct row {
	char *labels; /* service="..." */
	struct tally_sum sum;
};

static void
write_parked(struct evbuffer *out, const char *name, const struct row *r)
{
	evbuffer_add_printf(
	    out, "%s{%s} %" PRIu64 "\n", name, r->labels, r->sum.queued);
}

static void
write_waits(struct evbuffer *out, const char *name, const struct row *r)
{
	metrics_waits(out, name, r->labels, &r->sum);
}

static void
write_rejected(struct evbuffer *out, const char *name, const struct row *r)
{
	static const struct {
		const char *word;
		enum reason reason;
	} reasons[] = {
	    {"closed", REASON_NO_POD},
	    {"full", REASON_QUEUE_FULL},
	    {"timeout", REASON_QUEUE_TIMEOUT},
	};

	for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++)
		evbuffer_add_printf(out, "%s{%s,reason=\"%s\"} %" PRIu64 "\n",
		    name, r->labels, reasons[i].word,
		    r->sum.errors[reasons[i].reason]);
}

static const struct family {
	const char *name, *type, *help;
	void (*write)(
	    struct evbuffer *out, const char *name, const struct row *r);
} families[] = {
    {"shunt_parked", "gauge",
	"Requests that wait while no version of the service takes any.",
	write_parked},
    {"shunt_park_wait_seconds", "histogram",
	"How long requests were parked, whatever came of it.", write_waits},
    {"shunt_park_rejected_total", "counter",
	"Requests answered with 503 while no version took any: none are "
	"parked, as many as may be were, or it had been too long.",
	write_rejected},
};

/* False without memory. */
static bool
rows_read(struct row *rows, const struct plan *plan)
{
	for (size_t i = 0; i < plan->nservices; i++) {
		const struct service *s = plan->services[i];

		rows[i].labels = metrics_labels(s->name, NULL);
		if (rows[i].labels == NULL)
			return false;
		tally_read(s->own, &rows[i].sum);
	}
	return true;
}

bool
metrics_park(struct evbuffer *out, const struct plan *plan)
{
	struct row *rows = calloc(plan->nservices + 1, sizeof *rows);
	const bool ok = rows != NULL && rows_read(rows, plan);

	for (size_t i = 0; ok && i < sizeof families / sizeof families[0];
	     i++) {
		const struct family *f = &families[i];

		metrics_head(out, f->name, f->type, f->help);
		for (size_t k = 0; k < plan->nservices; k++)
			f->write(out, f->name, &rows[k]);
	}
	for (size_t i = 0; rows != NULL && i < plan->nservices; i++)
		free(rows[i].labels);
	free(rows);
	return ok;
}
