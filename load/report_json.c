/* The report for programs. */
#include <jansson.h>

#include "base/clock.h"
#include "load/count.h"
#include "load/report.h"
#include "load/result.h"
#include "load/trial.h"

static json_t *
count(uint64_t n)
{
	return json_integer((json_int_t)n);
}

/* To a microsecond: more would be noise. */
static json_t *
rounded(double value)
{
	return json_real((double)(long long)(value * 1e6 + 0.5) / 1e6);
}

/* Names are the user's own bytes, and need not be UTF-8. */
static json_t *
text(const char *s)
{
	json_t *string = json_string(s);

	return string != NULL ? string : json_string("(not UTF-8)");
}

static json_t *
failures(const struct score *s)
{
	json_t *object = json_object();

	for (unsigned i = 0; i < FAILURE_COUNT; i++)
		if (count_get(&s->failures[i]) > 0)
			json_object_set_new(object, failure_words[i],
			    count(count_get(&s->failures[i])));
	return object;
}

static json_t *
reasons(const struct result *r)
{
	json_t *object = json_object();

	for (unsigned i = 0; i < FAILURE_COUNT; i++)
		if (r->reasons[i][0] != '\0')
			json_object_set_new(
			    object, failure_words[i], text(r->reasons[i]));
	return object;
}

static json_t *
statuses(const struct score *s)
{
	json_t *object = json_object();
	char status[16];

	for (int i = 0; i <= BOARD_STATUS_MAX - BOARD_STATUS_MIN; i++) {
		if (count_get(&s->statuses[i]) == 0)
			continue;
		snprintf(status, sizeof status, "%d", i + BOARD_STATUS_MIN);
		json_object_set_new(
		    object, status, count(count_get(&s->statuses[i])));
	}
	return object;
}

static void
set_latency(json_t *object, const struct score *s)
{
	static const struct {
		const char *key;
		double q;
	} quantiles[] = {{"p50_ms", 0.5}, {"p90_ms", 0.9}, {"p99_ms", 0.99},
	    {"p999_ms", 0.999}, {"max_ms", 1}};

	for (size_t i = 0; i < sizeof quantiles / sizeof quantiles[0]; i++)
		json_object_set_new(object, quantiles[i].key,
		    rounded(result_ms(
			histogram_quantile(&s->latency, quantiles[i].q))));
	json_object_set_new(
	    object, "mean_ms", rounded(histogram_mean(&s->latency) / 1e6));
}

static json_t *
row(const struct result *r, const char *key, const struct result_row *from)
{
	const struct score *s = from->score;
	json_t *object = json_object();

	if (key != NULL)
		json_object_set_new(object, key, text(from->name));
	json_object_set_new(object, "requests", count(count_get(&s->requests)));
	json_object_set_new(object, "errors", count(score_failures(s)));
	json_object_set_new(
	    object, "error_ratio", rounded(result_error_ratio(s)));
	json_object_set_new(object, "errors_by_kind", failures(s));
	json_object_set_new(object, "statuses", statuses(s));
	set_latency(object, s);
	json_object_set_new(object, "share", rounded(from->share));
	json_object_set_new(object, "throughput", rounded(result_rate(r, s)));
	return object;
}

static json_t *
rows(const struct result *r, const char *key, const struct result_row *from,
    size_t n)
{
	json_t *array = json_array();

	for (size_t i = 0; i < n; i++)
		json_array_append_new(array, row(r, key, &from[i]));
	return array;
}

static json_t *
downtime(const struct downtime_list *list)
{
	json_t *array = json_array();

	for (size_t i = 0; i < list->n; i++) {
		const struct downtime_window *w = &list->windows[i];

		json_array_append_new(
		    array, json_pack("{s:o, s:o, s:o}", "start_s",
			       rounded(result_seconds(w->start_ns)), "length_s",
			       rounded(result_seconds(w->end_ns - w->start_ns)),
			       "failed", count(w->failed)));
	}
	return array;
}

static json_t *
totals(const struct result *r)
{
	json_t *object = row(r, NULL, &r->total);

	json_object_set_new(
	    object, "duration_s", rounded(result_seconds(r->elapsed_ns)));
	json_object_set_new(object, "downtime_s",
	    rounded(result_seconds(downtime_length(&r->downtime))));
	json_object_set_new(object, "users", count(r->trial->options.users));
	json_object_set_new(object, "flips", count(r->flips));
	json_object_set_new(object, "connections", count(r->opened));
	json_object_set_new(object, "http2_connections", count(r->http2));
	json_object_set_new(object, "received_bytes", count(r->bytes));
	json_object_set_new(object, "waited", count(r->waited));
	json_object_set_new(object, "resent", count(r->resent));
	json_object_set_new(object, "lag_p99_ms",
	    rounded(result_ms(histogram_quantile(r->lag, 0.99))));
	json_object_set_new(object, "lag_max_ms",
	    rounded(result_ms(count_get(&r->lag->max_ns))));
	return object;
}

static json_t *
marks(const struct marks *from)
{
	json_t *array = json_array();

	for (size_t i = 0; from != NULL && i < from->n; i++) {
		const struct mark *m = &from->list[i];

		json_array_append_new(
		    array, json_pack("{s:o, s:o, s:o}", "at_s",
			       rounded(result_seconds(m->at_ns)), "kind",
			       text(m->kind), "text", text(m->text)));
	}
	return array;
}

static json_t *
expectations(const struct result *r)
{
	const struct expectations *all = &r->trial->expectations;
	json_t *array = json_array();

	for (size_t i = 0; i < all->n; i++) {
		char found[EXPECT_FOUND_MAX];
		bool met = expect_met(&all->list[i], r, found);

		json_array_append_new(array,
		    json_pack("{s:o, s:s, s:b}", "expect",
			text(all->list[i].text), "found", found, "met", met));
	}
	return array;
}

static json_t *
slot(const struct result *r, unsigned i)
{
	const struct timeline_slot *s = &r->timeline->slots[i];
	json_t *versions = json_object();

	for (size_t v = 0; v < r->nversions; v++) {
		unsigned at = r->places[v];

		if (s->requests[at] > 0)
			json_object_set_new(versions, r->versions[v].name,
			    json_pack("{s:o, s:o}", "requests",
				count(s->requests[at]), "errors",
				count(s->errors[at])));
	}
	return json_pack("{s:o, s:o, s:o, s:o, s:o}", "at_s",
	    rounded(result_seconds(i * r->timeline->width_ns)), "versions",
	    versions, "p50_ms", rounded(result_ms(timeline_quantile(s, 0.5))),
	    "p99_ms", rounded(result_ms(timeline_quantile(s, 0.99))), "max_ms",
	    rounded(result_ms(s->max_ns)));
}

static json_t *
timeline(const struct result *r)
{
	json_t *slots = json_array();

	for (unsigned i = 0; i < r->timeline->n; i++)
		json_array_append_new(slots, slot(r, i));
	return json_pack("{s:o, s:o}", "width_s",
	    rounded(result_seconds(r->timeline->width_ns)), "slots", slots);
}

bool
report_json(const struct result *r, FILE *out)
{
	json_t *object = json_object();
	char started[32];
	bool good;

	clock_format(r->started_us, started, sizeof started);
	json_object_set_new(object, "url", text(r->trial->options.url));
	json_object_set_new(object, "started", json_string(started));
	json_object_set_new(object, "loop",
	    json_string(r->trial->options.closed ? "closed" : "open"));
	json_object_set_new(
	    object, "interrupted", json_boolean(r->interrupted));
	json_object_set_new(
	    object, "versions", rows(r, "version", r->versions, r->nversions));
	json_object_set_new(
	    object, "profiles", rows(r, "profile", r->profiles, r->nprofiles));
	json_object_set_new(object, "downtime", downtime(&r->downtime));
	json_object_set_new(object, "totals", totals(r));
	json_object_set_new(object, "reasons", reasons(r));
	json_object_set_new(object, "marks", marks(r->marks));
	json_object_set_new(object, "expectations", expectations(r));
	json_object_set_new(object, "timeline", timeline(r));
	good = json_dumpf(
		   object, out, JSON_INDENT(1) | JSON_REAL_PRECISION(15)) == 0;
	fputc('\n', out);
	json_decref(object);
	return good;
}
