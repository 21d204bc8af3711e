/* The plots of the report, from the timeline. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "load/plot.h"
#include "load/report.h"
#include "load/result.h"

/* So many points at most, of so many requests each at least. */
#define POINTS_MAX   150u
#define REQUESTS_MIN 10u
#define CLASSES	     8u
#define BANDS_MAX    300u
#define MARKS_DRAWN  200u

/* What the plots are drawn from: slots, some of them put together. */
struct points {
	const struct result *result;
	struct timeline_slot *list;
	size_t n;
	double width, seconds;
	double *low, *high, *p50, *p99, *max; /* n each, one piece of memory */
};

static bool
points_make(struct points *p, const struct result *r)
{
	const struct timeline *t = r->timeline;
	uint64_t requests = r->total.score->requests;
	unsigned group = (t->n + POINTS_MAX - 1) / POINTS_MAX, wide;

	wide = requests > 0
		   ? (unsigned)((REQUESTS_MIN * t->n + requests - 1) / requests)
		   : 1;
	group = wide > group ? wide : group;
	p->result = r;
	p->n = (t->n + group - 1) / group;
	p->width = result_seconds(t->width_ns) * group;
	p->seconds = p->width * (double)p->n;
	p->list = calloc(p->n + 1, sizeof *p->list);
	p->low = calloc(5 * (p->n + 1), sizeof *p->low);
	if (p->list == NULL || p->low == NULL)
		return false;
	p->high = p->low + p->n;
	p->p50 = p->high + p->n;
	p->p99 = p->p50 + p->n;
	p->max = p->p99 + p->n;
	for (unsigned i = 0; i < t->n; i++)
		timeline_add_slot(&p->list[i / group], &t->slots[i], NULL);
	return true;
}

static uint64_t
sum_requests(const struct points *p, size_t i)
{
	uint64_t n = 0;

	for (size_t v = 0; v < p->result->nversions; v++)
		n += p->list[i].requests[p->result->places[v]];
	return n;
}

static const char *
class_of(const struct result *r, size_t version)
{
	static const char *const classes[CLASSES] = {
	    "c0", "c1", "c2", "c3", "c4", "c5", "c6", "c7"};

	return r->places[version] == BOARD_NO_VERSION
		   ? "none"
		   : classes[version % CLASSES];
}

static void
draw_bands(const struct points *p, struct plot *plot)
{
	const struct downtime_list *down = &p->result->downtime;
	char words[128];

	for (size_t i = 0; i < down->n && i < BANDS_MAX; i++) {
		double from = result_seconds(down->windows[i].start_ns);
		double to = result_seconds(down->windows[i].end_ns);

		snprintf(words, sizeof words,
		    "at %.3f s for %.3f s: %llu failed", from, to - from,
		    (unsigned long long)down->windows[i].failed);
		plot_band(plot, from, to, words);
	}
}

static void
draw_marks(const struct points *p, struct plot *plot)
{
	const struct marks *marks = p->result->marks;
	char words[512];

	for (size_t i = 0; marks != NULL && i < marks->n && i < MARKS_DRAWN;
	     i++) {
		const struct mark *m = &marks->list[i];

		snprintf(words, sizeof words, "%.3f s: %s %s",
		    result_seconds(m->at_ns), m->kind, m->text);
		plot_mark(plot, result_seconds(m->at_ns), i + 1, words);
	}
}

/* One area for each version, on top of each other. */
static void
draw_stack(const struct points *p, struct plot *plot, bool share)
{
	memset(p->high, 0, p->n * sizeof *p->high);
	for (size_t v = 0; v < p->result->nversions; v++) {
		unsigned at = p->result->places[v];

		memcpy(p->low, p->high, p->n * sizeof *p->low);
		for (size_t i = 0; i < p->n; i++) {
			uint64_t all = sum_requests(p, i);
			double part = (double)p->list[i].requests[at];

			if (!share)
				p->high[i] += part / p->width;
			else if (all > 0)
				p->high[i] += 100 * part / (double)all;
		}
		plot_area(plot, class_of(p->result, v), p->low, p->high, p->n,
		    p->width);
	}
}

static void
draw_traffic(const struct points *p, struct buffer *out, bool share)
{
	struct plot plot = {.out = out, .seconds = p->seconds, .high = 100};

	if (!share) {
		plot.high = 0;
		for (size_t i = 0; i < p->n; i++)
			if ((double)sum_requests(p, i) / p->width > plot.high)
				plot.high =
				    (double)sum_requests(p, i) / p->width;
	}
	plot_begin(&plot, share ? "share" : "rate",
	    share ? "Traffic share of each version" : "Requests per second",
	    share ? "%" : "");
	draw_stack(p, &plot, share);
	draw_bands(p, &plot);
	draw_marks(p, &plot);
	plot_end(&plot);
}

static void
draw_errors(const struct points *p, struct buffer *out)
{
	struct plot plot = {.out = out, .seconds = p->seconds, .high = 1};

	for (size_t v = 0; v < p->result->nversions; v++)
		for (size_t i = 0; i < p->n; i++) {
			unsigned at = p->result->places[v];
			double n = (double)p->list[i].requests[at];
			double bad = (double)p->list[i].errors[at];

			if (n > 0 && 100 * bad / n > plot.high)
				plot.high = 100 * bad / n;
		}
	plot_begin(&plot, "errors", "Error rate of each version", "%");
	draw_bands(p, &plot);
	for (size_t v = 0; v < p->result->nversions; v++) {
		unsigned at = p->result->places[v];

		for (size_t i = 0; i < p->n; i++) {
			double n = (double)p->list[i].requests[at];

			p->high[i] =
			    n > 0 ? 100 * (double)p->list[i].errors[at] / n
				  : NAN;
		}
		plot_line(
		    &plot, class_of(p->result, v), p->high, p->n, p->width);
	}
	draw_marks(p, &plot);
	plot_end(&plot);
}

static void
draw_latency(const struct points *p, struct buffer *out)
{
	struct plot plot = {
	    .out = out, .seconds = p->seconds, .low = INFINITY, .log = true};

	for (size_t i = 0; i < p->n; i++) {
		const struct timeline_slot *s = &p->list[i];
		bool any = s->answered > 0;

		p->p50[i] = any ? result_ms(timeline_quantile(s, 0.5)) : NAN;
		p->p99[i] = any ? result_ms(timeline_quantile(s, 0.99)) : NAN;
		p->max[i] = any ? result_ms(s->max_ns) : NAN;
		if (p->p50[i] < plot.low)
			plot.low = p->p50[i];
		if (p->max[i] > plot.high)
			plot.high = p->max[i];
	}
	/* nothing was answered, or below a microsecond */
	if (!(plot.low < INFINITY) || plot.low < 0.001)
		plot.low = 0.001;
	if (plot.high < plot.low)
		plot.high = plot.low;
	plot_begin(&plot, "latency", "Latency from the intended time", "ms");
	draw_bands(p, &plot);
	plot_line(&plot, "lmax", p->max, p->n, p->width);
	plot_line(&plot, "l99", p->p99, p->n, p->width);
	plot_line(&plot, "l50", p->p50, p->n, p->width);
	draw_marks(p, &plot);
	plot_end(&plot);
}

static void
legend_item(struct buffer *out, const char *class, const char *name)
{
	buffer_print(out, "<span class=\"key\"><i class=\"%s\"></i>", class);
	plot_escape(out, name);
	buffer_print(out, "</span>");
}

static void
legend(const struct result *r, struct buffer *out)
{
	buffer_print(out, "<p class=\"legend\">");
	for (size_t v = 0; v < r->nversions; v++)
		legend_item(out, class_of(r, v),
		    r->places[v] == BOARD_NO_VERSION ? "no version"
						     : r->versions[v].name);
	legend_item(out, "down", "downtime");
	buffer_print(out, "</p>");
}

/* For the few lines of script that show numbers under the pointer. */
static void
write_points(const struct points *p, struct buffer *out)
{
	buffer_print(out,
	    "<script type=\"application/json\" id=\"points\">"
	    "{\"width\":%.6f,\"seconds\":%.6f,\"list\":[",
	    p->width, p->seconds);
	for (size_t i = 0; i < p->n; i++) {
		buffer_print(out, "%s[%.1f", i > 0 ? "," : "",
		    (double)sum_requests(p, i) / p->width);
		buffer_print(out, ",%.3f,%.3f,%.3f",
		    p->list[i].answered > 0 ? p->p50[i] : 0,
		    p->list[i].answered > 0 ? p->p99[i] : 0,
		    p->list[i].answered > 0 ? p->max[i] : 0);
		for (size_t v = 0; v < p->result->nversions; v++)
			buffer_print(out, ",%llu,%llu",
			    (unsigned long long)p->list[i]
				.requests[p->result->places[v]],
			    (unsigned long long)p->list[i]
				.errors[p->result->places[v]]);
		buffer_print(out, "]");
	}
	buffer_print(out, "]}</script>\n");
}

void
report_plots(const struct result *r, struct buffer *out)
{
	struct points p = {0};

	if (!points_make(&p, r)) {
		out->failed = true;
	} else {
		legend(r, out);
		draw_traffic(&p, out, false);
		draw_traffic(&p, out, true);
		draw_errors(&p, out);
		draw_latency(&p, out);
		buffer_print(out, "<p class=\"legend\">");
		legend_item(out, "l50", "p50");
		legend_item(out, "l99", "p99");
		legend_item(out, "lmax", "max");
		buffer_print(out, "</p>");
		write_points(&p, out);
	}
	free(p.list);
	free(p.low);
}
