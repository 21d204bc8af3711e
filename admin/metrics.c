/* What happened so far, in Prometheus' text format 0.0.4. */
#include <event2/buffer.h>
#include <event2/http.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "admin/call.h"
#include "admin/handlers.h"
#include "admin/label.h"
#include "admin/metrics_dns.h"
#include "admin/metrics_lines.h"
#include "admin/metrics_mirror.h"
#include "admin/metrics_park.h"
#include "admin/metrics_rollout.h"
#include "control/control.h"
#include "control/launch.h"
#include "control/window.h"
#include "proxy/h2_guard.h"
#include "router/plan.h"
#include "router/pod.h"
#include "router/tally.h"

#define METRICS_TYPE "text/plain; version=0.0.4; charset=utf-8"

/* One version, read once so that all its metrics are of one moment. */
struct row {
	const char *service;
	const struct version *version;
	char *labels; /* service="...",version="..." */
	double weight;
	struct tally_sum sum;
	struct window_view view;
};

struct scrape {
	struct evbuffer *out;
	const struct control *control;
	const struct plan *plan;
	struct row *rows;
	size_t nrows;
};

/* Answers that the proxy made itself are no version's. */
static void
write_own_codes(
    struct scrape *m, const char *name, const struct service *service)
{
	char *labels = metrics_labels(service->name, "");
	struct tally_sum sum;

	if (labels == NULL)
		return;
	tally_read(service->own, &sum);
	metrics_codes(m->out, name, labels, &sum);
	free(labels);
}

static void
write_requests(struct scrape *m, const char *name)
{
	for (size_t i = 0; i < m->nrows; i++)
		metrics_codes(m->out, name, m->rows[i].labels, &m->rows[i].sum);
	for (size_t i = 0; i < m->plan->nservices; i++)
		write_own_codes(m, name, m->plan->services[i]);
}

static void
write_errors(struct scrape *m, const char *name)
{
	for (size_t i = 0; i < m->nrows; i++)
		metrics_errors(
		    m->out, name, m->rows[i].labels, &m->rows[i].sum);
}

static void
write_error_ratio(struct scrape *m, const char *name)
{
	for (size_t i = 0; i < m->nrows; i++)
		evbuffer_add_printf(m->out, "%s{%s} %.10g\n", name,
		    m->rows[i].labels, m->rows[i].view.error_ratio);
}

static void
write_durations(struct scrape *m, const char *name)
{
	for (size_t i = 0; i < m->nrows; i++)
		metrics_histogram(
		    m->out, name, m->rows[i].labels, &m->rows[i].sum);
}

static void
write_retries(struct scrape *m, const char *name)
{
	for (size_t i = 0; i < m->nrows; i++)
		evbuffer_add_printf(m->out, "%s{%s} %" PRIu64 "\n", name,
		    m->rows[i].labels, m->rows[i].sum.retries);
}

static void
write_retries_refused(struct scrape *m, const char *name)
{
	for (size_t i = 0; i < m->nrows; i++)
		evbuffer_add_printf(m->out, "%s{%s} %" PRIu64 "\n", name,
		    m->rows[i].labels, m->rows[i].sum.refused);
}

static void
write_retry_budgets(struct scrape *m, const char *name)
{
	for (size_t i = 0; i < m->plan->nservices; i++) {
		const struct service *s = m->plan->services[i];
		char *service = label_escape(s->name);

		if (service != NULL)
			evbuffer_add_printf(m->out, "%s{service=\"%s\"} %d\n",
			    name, service, s->own->budget.spent);
		free(service);
	}
}

static void
write_queue_lengths(struct scrape *m, const char *name)
{
	for (size_t i = 0; i < m->nrows; i++)
		evbuffer_add_printf(m->out, "%s{%s} %" PRIu64 "\n", name,
		    m->rows[i].labels, m->rows[i].sum.queued);
}

static void
write_waits(struct scrape *m, const char *name)
{
	for (size_t i = 0; i < m->nrows; i++)
		metrics_waits(m->out, name, m->rows[i].labels, &m->rows[i].sum);
}

static void
write_queue_rejected(struct scrape *m, const char *name)
{
	for (size_t i = 0; i < m->nrows; i++) {
		const uint64_t *errors = m->rows[i].sum.errors;

		evbuffer_add_printf(m->out,
		    "%s{%s,reason=\"full\"} %" PRIu64 "\n"
		    "%s{%s,reason=\"timeout\"} %" PRIu64 "\n",
		    name, m->rows[i].labels, errors[REASON_QUEUE_FULL], name,
		    m->rows[i].labels, errors[REASON_QUEUE_TIMEOUT]);
	}
}

static void
write_weights(struct scrape *m, const char *name)
{
	for (size_t i = 0; i < m->nrows; i++)
		evbuffer_add_printf(m->out, "%s{%s} %.10g\n", name,
		    m->rows[i].labels, m->rows[i].weight);
}

static void
write_shares(struct scrape *m, const char *name)
{
	for (size_t i = 0; i < m->nrows; i++)
		evbuffer_add_printf(m->out, "%s{%s} %.10g\n", name,
		    m->rows[i].labels, m->rows[i].view.share);
}

static void
write_pods_up(struct scrape *m, const char *name)
{
	for (size_t i = 0; i < m->nrows; i++) {
		const struct version *v = m->rows[i].version;

		for (size_t k = 0; k < v->npods; k++)
			evbuffer_add_printf(m->out, "%s{%s,pod=\"%s\"} %d\n",
			    name, m->rows[i].labels, v->pods[k]->address.text,
			    v->pods[k]->state == POD_UP);
	}
}

static void
write_pods_state(struct scrape *m, const char *name)
{
	for (size_t i = 0; i < m->nrows; i++) {
		const struct version *v = m->rows[i].version;

		for (size_t k = 0; k < v->npods; k++)
			for (int s = 0; s < POD_STATE_COUNT; s++)
				evbuffer_add_printf(m->out,
				    "%s{%s,pod=\"%s\",state=\"%s\"} %d\n", name,
				    m->rows[i].labels, v->pods[k]->address.text,
				    pod_state_name((enum pod_state)s),
				    (int)v->pods[k]->state == s);
	}
}

static void
write_state_changes(struct scrape *m, const char *name)
{
	for (size_t i = 0; i < m->nrows; i++)
		for (int s = 0; s < POD_STATE_COUNT; s++)
			evbuffer_add_printf(m->out,
			    "%s{%s,state=\"%s\"} %" PRIu64 "\n", name,
			    m->rows[i].labels,
			    pod_state_name((enum pod_state)s),
			    m->rows[i].version->tally->moves[s]);
}

static void
write_ejections(struct scrape *m, const char *name)
{
	for (size_t i = 0; i < m->nrows; i++)
		evbuffer_add_printf(m->out, "%s{%s} %" PRIu64 "\n", name,
		    m->rows[i].labels, m->rows[i].version->tally->ejections);
}

static void
write_panic(struct scrape *m, const char *name)
{
	for (size_t i = 0; i < m->nrows; i++)
		evbuffer_add_printf(m->out, "%s{%s} %d\n", name,
		    m->rows[i].labels, m->rows[i].version->panic);
}

static void
write_pods_inflight(struct scrape *m, const char *name)
{
	for (size_t i = 0; i < m->nrows; i++) {
		const struct version *v = m->rows[i].version;

		for (size_t k = 0; k < v->npods; k++)
			evbuffer_add_printf(m->out, "%s{%s,pod=\"%s\"} %u\n",
			    name, m->rows[i].labels, v->pods[k]->address.text,
			    pod_inflight(v->pods[k]));
	}
}

/* What the launcher has of a version, by row; none of others' pods. */
static void
write_launch(struct scrape *m, const char *name,
    uint64_t (*number)(
	const struct launch_counts *c, const struct launch_totals *t))
{
	const struct launch *launch = control_launch(m->control);

	for (size_t i = 0; i < m->nrows; i++) {
		const struct row *r = &m->rows[i];
		struct launch_counts counts;
		struct launch_totals totals;

		if (launch_counts(
			launch, r->service, r->version->name, &counts) &&
		    launch_totals(
			launch, r->service, r->version->name, &totals))
			evbuffer_add_printf(m->out, "%s{%s} %" PRIu64 "\n",
			    name, r->labels, number(&counts, &totals));
	}
}

static uint64_t
launch_wanted(const struct launch_counts *c, const struct launch_totals *t)
{
	(void)t;
	return c->wanted;
}

static uint64_t
launch_starts(const struct launch_counts *c, const struct launch_totals *t)
{
	(void)c;
	return t->starts;
}

static uint64_t
launch_exits(const struct launch_counts *c, const struct launch_totals *t)
{
	(void)c;
	return t->exits;
}

static void
write_launch_wanted(struct scrape *m, const char *name)
{
	write_launch(m, name, launch_wanted);
}

static void
write_launch_starts(struct scrape *m, const char *name)
{
	write_launch(m, name, launch_starts);
}

static void
write_launch_exits(struct scrape *m, const char *name)
{
	write_launch(m, name, launch_exits);
}

static void
write_connections(struct scrape *m, const char *name)
{
	const char *address;
	unsigned connections;

	for (size_t i = 0;
	     control_listener(m->control, i, &address, &connections); i++)
		evbuffer_add_printf(m->out, "%s{listener=\"%s\"} %u\n", name,
		    address, connections);
}

static void
write_log_dropped(struct scrape *m, const char *name)
{
	evbuffer_add_printf(
	    m->out, "%s %" PRIu64 "\n", name, control_log_dropped(m->control));
}

static void
write_h2_floods(struct scrape *m, const char *name)
{
	for (int f = 0; f < H2_FLOOD_COUNT; f++)
		evbuffer_add_printf(m->out, "%s{kind=\"%s\"} %" PRIu64 "\n",
		    name, h2_flood_name((enum h2_flood)f),
		    control_h2_floods(m->control, (enum h2_flood)f));
}

static void
write_build(struct scrape *m, const char *name)
{
	evbuffer_add_printf(
	    m->out, "%s{version=\"" SHUNT_VERSION "\"} 1\n", name);
}

static const struct family {
	const char *name, *type, *help;
	void (*write)(struct scrape *m, const char *name);
} families[] = {
    {"shunt_requests_total", "counter",
	"Answers by status; version is empty where the proxy itself answered.",
	write_requests},
    {"shunt_errors_total", "counter", "What counts against a version.",
	write_errors},
    {"shunt_error_ratio", "gauge",
	"Errors per request of a version over the last window.",
	write_error_ratio},
    {"shunt_request_duration_seconds", "histogram",
	"From a request's first byte to the end of its answer.",
	write_durations},
    {"shunt_retries_total", "counter",
	"Requests tried again after this version failed them.", write_retries},
    {"shunt_retries_refused_total", "counter",
	"Requests not tried again after this version failed them because the "
	"service's retry budget was spent.",
	write_retries_refused},
    {"shunt_retry_budget_spent", "gauge",
	"1 while retries of a service are refused.", write_retry_budgets},
    {"shunt_queue_length", "gauge",
	"Requests that wait for a pod of a version to have room.",
	write_queue_lengths},
    {"shunt_queue_wait_seconds", "histogram",
	"How long requests have waited, whatever came of it.", write_waits},
    {"shunt_queue_rejected_total", "counter",
	"Requests answered with 503 because the queue was full, or they had "
	"waited too long.",
	write_queue_rejected},
    {"shunt_version_weight", "gauge", "Wanted share of a version, 0 to 1.",
	write_weights},
    {"shunt_version_share", "gauge",
	"Measured share of a version over the last window, 0 to 1.",
	write_shares},
    {"shunt_pod_up", "gauge", "1 when a pod takes requests.", write_pods_up},
    {"shunt_pod_state", "gauge", "1 for the state that a pod is in.",
	write_pods_state},
    {"shunt_pod_state_changes_total", "counter",
	"How often a pod of the version came into the state.",
	write_state_changes},
    {"shunt_pod_ejections_total", "counter",
	"Pods ejected because they failed on live traffic.", write_ejections},
    {"shunt_version_panic", "gauge",
	"1 while so few pods are up that all are asked.", write_panic},
    {"shunt_pod_inflight", "gauge", "Requests a pod is working on.",
	write_pods_inflight},
    {"shunt_launch_wanted", "gauge",
	"Pods of the version that shunt is to run.", write_launch_wanted},
    {"shunt_launch_starts_total", "counter",
	"Processes started for the version.", write_launch_starts},
    {"shunt_launch_exits_total", "counter",
	"Processes that ended, or never ran, without being asked to.",
	write_launch_exits},
    {"shunt_connections", "gauge", "Open client connections.",
	write_connections},
    {"shunt_http2_floods_total", "counter",
	"HTTP/2 clients sent away for too much of something.", write_h2_floods},
    {"shunt_access_log_dropped_total", "counter",
	"Requests that the access log lacks.", write_log_dropped},
    {"shunt_build_info", "gauge", "Always 1; the version of shunt.",
	write_build},
};

static void
rows_free(struct scrape *m)
{
	for (size_t i = 0; i < m->nrows; i++)
		free(m->rows[i].labels);
	free(m->rows);
}

static bool
row_read(struct row *row, const struct control *control,
    const struct service *s, const struct version *v, uint64_t total_weight)
{
	row->service = s->name;
	row->version = v;
	row->labels = metrics_labels(s->name, v->name);
	if (total_weight > 0)
		row->weight = (double)v->weight / (double)total_weight;
	tally_read(v->tally, &row->sum);
	windows_read(control_windows(control), s, v->index, &row->view);
	return row->labels != NULL;
}

static bool
rows_read(struct scrape *m)
{
	size_t n = 0;

	for (size_t i = 0; i < m->plan->nservices; i++)
		n += m->plan->services[i]->nversions;
	m->rows = calloc(n > 0 ? n : 1, sizeof *m->rows);
	if (m->rows == NULL)
		return false;
	for (size_t i = 0; i < m->plan->nservices; i++) {
		const struct service *s = m->plan->services[i];
		uint64_t total = 0;

		for (size_t k = 0; k < s->nversions; k++)
			total += s->versions[k].weight;
		for (size_t k = 0; k < s->nversions; k++)
			if (!row_read(&m->rows[m->nrows++], m->control, s,
				&s->versions[k], total))
				return false;
	}
	return true;
}

void
metrics_get(struct call *c)
{
	const struct control *control = call_control(c);
	struct scrape m = {
	    .out = evbuffer_new(),
	    .control = control,
	    .plan = control_plan(control),
	};

	if (m.out != NULL &&
	    !(rows_read(&m) && metrics_mirror(m.out, m.plan) &&
		metrics_dns(m.out, m.control) && metrics_park(m.out, m.plan) &&
		metrics_rollout(m.out, call_control(c)))) {
		evbuffer_free(m.out);
		m.out = NULL;
	}
	for (size_t i = 0;
	     m.out != NULL && i < sizeof families / sizeof families[0]; i++) {
		const struct family *f = &families[i];

		metrics_head(m.out, f->name, f->type, f->help);
		f->write(&m, f->name);
	}
	rows_free(&m);
	call_reply(c, HTTP_OK, METRICS_TYPE, m.out);
}
