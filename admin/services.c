/* Services as the API shows them: versions, what they did, and their pods. */
#include <event2/http.h>
#include <jansson.h>
#include <stdio.h>

#include "admin/call.h"
#include "admin/handlers.h"
#include "admin/names.h"
#include "base/clock.h"
#include "base/opt.h"
#include "control/control.h"
#include "control/launch.h"
#include "control/window.h"
#include "router/budget.h"
#include "router/mirror.h"
#include "router/plan.h"
#include "router/pod.h"
#include "router/tally.h"

/* Why it is in its state, and for how long yet where that is known. */
static json_t *
reason_json(const struct pod *p)
{
	const uint64_t now = clock_now_us(), until = p->record.until_us;
	char words[sizeof p->reason + OPT_TEXT_MAX + 16], left[OPT_TEXT_MAX];

	if (p->state != POD_EJECTED || until <= now)
		return json_string(p->reason);
	opt_format(OPT_DURATION, (until - now + 999999) / 1000000 * 1000, left,
	    sizeof left);
	snprintf(words, sizeof words, "%s, back in %s", p->reason, left);
	return json_string(words);
}

json_t *
pod_json(const struct pod *p)
{
	return json_pack("{s:s, s:s, s:I, s:o}", "address", p->address.text,
	    "state", pod_state_name(p->state), "inflight",
	    (json_int_t)pod_inflight(p), "reason", reason_json(p));
}

static json_t *
pods_json(const struct version *v)
{
	json_t *pods = json_array();

	for (size_t i = 0; i < v->npods; i++)
		json_array_append_new(pods, pod_json(v->pods[i]));
	return pods;
}

/* Null when its pods are not shunt's to run. */
static json_t *
launch_json(
    const struct control *control, const char *service, const char *version)
{
	struct launch_counts c;

	if (!launch_counts(control_launch(control), service, version, &c))
		return json_null();
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:s?}", "replicas",
	    (json_int_t)c.replicas, "wanted", (json_int_t)c.wanted, "pods",
	    (json_int_t)c.pods, "leaving", (json_int_t)c.leaving, "failed",
	    (json_int_t)c.failed, "reason", c.why);
}

/* Counts are since the start; ratio, share and times over the last window. */
static json_t *
version_json(const struct control *control, const struct service *s,
    const struct version *v, uint64_t total_weight)
{
	struct window_view view;
	struct tally_sum sum;
	double weight = 0;

	tally_read(v->tally, &sum);
	windows_read(control_windows(control), s, v->index, &view);
	if (total_weight > 0)
		weight = (double)v->weight / (double)total_weight;
	return json_pack(
	    "{s:s, s:f, s:f, s:I, s:I, s:f, s:f, s:f, s:I, s:b, s:o, s:o, s:o}",
	    "name", v->name, "weight", weight, "share", view.share, "requests",
	    (json_int_t)tally_attempts(&sum), "errors",
	    (json_int_t)tally_errors(&sum), "error_ratio", view.error_ratio,
	    "p50_ms", (double)view.p50_us / 1000.0, "p99_ms",
	    (double)view.p99_us / 1000.0, "queued", (json_int_t)sum.queued,
	    "panic", v->panic, "launch", launch_json(control, s->name, v->name),
	    "pods", pods_json(v), "names",
	    names_json(control, s->name, v->name));
}

/* All since the start. Null without a mirror. */
static json_t *
mirror_json(const struct service *s)
{
	struct tally_sum sum;
	uint64_t differences = 0, skipped = 0;

	if (s->mirror == NULL)
		return json_null();
	tally_read(s->mirror->to.tally, &sum);
	for (int i = 0; i < MIRROR_DIFFERENCES; i++)
		differences +=
		    mirror_differed(s->mirror, (enum mirror_difference)i);
	for (int i = 0; i < MIRROR_SKIPS; i++)
		skipped += mirror_skipped(s->mirror, (enum mirror_skip)i);
	return json_pack("{s:s, s:f, s:I, s:I, s:I, s:I, s:f, s:f}", "version",
	    s->mirror->to.name, "share",
	    (double)s->terms->mirror.share / MIRROR_ALL, "requests",
	    (json_int_t)tally_attempts(&sum), "errors",
	    (json_int_t)tally_errors(&sum), "differences",
	    (json_int_t)differences, "skipped", (json_int_t)skipped, "p50_ms",
	    (double)hist_quantile(sum.buckets, 0.5) / 1000.0, "p99_ms",
	    (double)hist_quantile(sum.buckets, 0.99) / 1000.0);
}

/* Since the start; what is left is null where there is no limit. */
static json_t *
retry_budget_json(const struct service *s, const struct tally_sum *own)
{
	const struct retry_spec *spec = &s->terms->retry;
	const bool any = spec->attempts > 0 && spec->budget > 0;
	json_int_t left = any ? (json_int_t)budget_left(s->own) : 0;

	return json_pack("{s:b, s:o, s:I, s:I}", "spent", s->own->budget.spent,
	    "left",
	    any && !budget_bounds(spec) ? json_null() : json_integer(left),
	    "retries", (json_int_t)own->retries, "refused",
	    (json_int_t)own->refused);
}

json_t *
service_json(struct control *control, const struct service *s)
{
	json_t *versions = json_array();
	struct tally_sum own;
	uint64_t total = 0;

	tally_read(s->own, &own);

	for (size_t i = 0; i < s->nversions; i++)
		total += s->versions[i].weight;
	for (size_t i = 0; i < s->nversions; i++)
		json_array_append_new(
		    versions, version_json(control, s, &s->versions[i], total));
	return json_pack("{s:s, s:s, s:b, s:I, s:b, s:o, s:o, s:o, s:o}",
	    "name", s->name, "stable", s->versions[s->stable].name, "closed",
	    s->closed, "parked", (json_int_t)own.queued, "in_force",
	    control_in_force(control), "versions", versions, "mirror",
	    mirror_json(s), "retry_budget", retry_budget_json(s, &own),
	    "rollout", rollout_json(control, s->name));
}

void
services_get(struct call *c)
{
	struct control *control = call_control(c);
	const struct plan *plan = control_plan(control);
	json_t *services = json_array();

	for (size_t i = 0; i < plan->nservices; i++)
		json_array_append_new(
		    services, service_json(control, plan->services[i]));
	call_json(c, HTTP_OK, json_pack("{s:o}", "services", services));
}

void
service_get(struct call *c)
{
	const struct service *s = service_or_404(c);

	if (s != NULL)
		call_json(c, HTTP_OK, service_json(call_control(c), s));
}
