/* The report for people. */
#include <inttypes.h>
#include <string.h>

#include "load/count.h"
#include "load/report.h"
#include "load/result.h"
#include "load/trial.h"

/* As many of the windows are listed: the longest. */
#define WINDOWS_SHOWN 10u
#define MARKS_SHOWN   20u

static void
print_ms(FILE *out, const struct score *s, double q)
{
	double ms = result_ms(histogram_quantile(&s->latency, q));

	if (count_get(&s->latency.n) == 0)
		fprintf(out, " %9s", "-");
	else
		fprintf(out, " %9.*f", ms < 10 ? 3 : ms < 100 ? 2 : 1, ms);
}

static void
print_row(FILE *out, const struct result *r, const struct result_row *row)
{
	const struct score *s = row->score;

	fprintf(out, "  %-16s %9" PRIu64 " %7.3f%% %8" PRIu64 " %7.3f%%",
	    row->name, count_get(&s->requests), 100 * row->share,
	    score_failures(s), 100 * result_error_ratio(s));
	print_ms(out, s, 0.5);
	print_ms(out, s, 0.9);
	print_ms(out, s, 0.99);
	print_ms(out, s, 0.999);
	print_ms(out, s, 1);
	fprintf(out, " %9.1f\n", result_rate(r, s));
}

static void
print_rows(FILE *out, const struct result *r, const char *title,
    const struct result_row *rows, size_t n)
{
	fprintf(out, "\n%-18s %9s %8s %8s %8s %9s %9s %9s %9s %9s %9s\n", title,
	    "requests", "share", "errors", "ratio", "p50 ms", "p90 ms",
	    "p99 ms", "p99.9 ms", "max ms", "per s");
	for (size_t i = 0; i < n; i++)
		print_row(out, r, &rows[i]);
}

static void
print_failures(FILE *out, const struct result *r)
{
	const struct score *s = r->total.score;
	const char *gap = "";

	if (score_failures(s) == 0)
		return;
	fprintf(out, "\nerrors by kind: ");
	for (unsigned i = 0; i < FAILURE_COUNT; i++) {
		if (count_get(&s->failures[i]) == 0)
			continue;
		fprintf(out, "%s%s %" PRIu64, gap, failure_words[i],
		    count_get(&s->failures[i]));
		gap = ", ";
	}
	for (unsigned i = 0; i < FAILURE_COUNT; i++)
		if (r->reasons[i][0] != '\0')
			fprintf(
			    out, "\n  %s: %s", failure_words[i], r->reasons[i]);
	gap = "\nstatuses: ";
	for (int i = 0; i <= BOARD_STATUS_MAX - BOARD_STATUS_MIN; i++) {
		if (count_get(&s->statuses[i]) == 0)
			continue;
		fprintf(out, "%s%d %" PRIu64, gap, i + BOARD_STATUS_MIN,
		    count_get(&s->statuses[i]));
		gap = ", ";
	}
	fprintf(out, "\n");
}

static uint64_t
length(const struct downtime_window *w)
{
	return w->end_ns - w->start_ns;
}

/* The longest `max` windows, still in order of time; how many. */
static size_t
pick_longest(const struct downtime_list *list,
    const struct downtime_window *picked[], size_t max)
{
	size_t n = 0;

	for (size_t i = 0; i < list->n; i++) {
		const struct downtime_window *w = &list->windows[i];
		size_t shortest = 0;

		if (n == max) {
			for (size_t j = 1; j < n; j++)
				if (length(picked[j]) <
				    length(picked[shortest]))
					shortest = j;
			if (length(w) <= length(picked[shortest]))
				continue;
			memmove(&picked[shortest], &picked[shortest + 1],
			    (n - shortest - 1) * sizeof picked[0]);
			n--;
		}
		picked[n++] = w;
	}
	return n;
}

static void
print_downtime(FILE *out, const struct result *r)
{
	const struct downtime_window *picked[WINDOWS_SHOWN];
	size_t n = pick_longest(&r->downtime, picked, WINDOWS_SHOWN);

	if (r->downtime.n == 0) {
		fprintf(out, "\nno downtime\n");
		return;
	}
	fprintf(out, "\ndowntime: %zu window%s, %.3f s in all\n", r->downtime.n,
	    r->downtime.n == 1 ? "" : "s",
	    result_seconds(downtime_length(&r->downtime)));
	for (size_t i = 0; i < n; i++)
		fprintf(out, "  at %9.3f s, for %8.3f s: %" PRIu64 " failed\n",
		    result_seconds(picked[i]->start_ns),
		    result_seconds(length(picked[i])), picked[i]->failed);
	if (n < r->downtime.n)
		fprintf(
		    out, "  and %zu that were not longer\n", r->downtime.n - n);
}

static void
print_marks(FILE *out, const struct marks *marks)
{
	if (marks == NULL)
		return;
	fprintf(out, "\nevents: %zu\n", marks->n);
	for (size_t i = 0; i < marks->n && i < MARKS_SHOWN; i++)
		fprintf(out, "  at %9.3f s: %s %s\n",
		    result_seconds(marks->list[i].at_ns), marks->list[i].kind,
		    marks->list[i].text);
	if (marks->n > MARKS_SHOWN)
		fprintf(out, "  and %zu more\n", marks->n - MARKS_SHOWN);
	if (marks->why[0] != '\0')
		fprintf(out, "  (%s)\n", marks->why);
}

/* How well the generator did itself. */
static void
print_schedule(FILE *out, const struct result *r)
{
	if (r->trial->options.closed)
		return;
	fprintf(out,
	    "schedule: %" PRIu64 " requests, taken up at most %.3f ms late "
	    "(p99 %.3f ms)",
	    r->issued, result_ms(count_get(&r->lag->max_ns)),
	    result_ms(histogram_quantile(r->lag, 0.99)));
	if (r->waited > 0)
		fprintf(out,
		    "; %" PRIu64 " waited for a connection for more than 1 ms",
		    r->waited);
	fprintf(out, "\n");
}

void
report_text(const struct result *r, FILE *out)
{
	fprintf(out, "%s: %" PRIu64 " requests in %.3f s, %s loop%s\n",
	    r->trial->options.url, count_get(&r->total.score->requests),
	    result_seconds(r->elapsed_ns),
	    r->trial->options.closed ? "closed" : "open",
	    r->interrupted ? ", interrupted" : "");
	print_rows(out, r, "VERSION", r->versions, r->nversions);
	print_rows(out, r, "PROFILE", r->profiles, r->nprofiles);
	print_rows(out, r, "", &r->total, 1);
	print_failures(out, r);
	print_downtime(out, r);
	print_marks(out, r->marks);
	if (r->trial->options.users > 0)
		fprintf(out, "\nusers: %" PRIu64 ", flips: %" PRIu64 "\n",
		    r->trial->options.users, r->flips);
	fprintf(out,
	    "\nconnections: %" PRIu64 " opened, %" PRIu64
	    " of them HTTP/2; received %.1f MiB\n",
	    r->opened, r->http2, (double)r->bytes / (1 << 20));
	if (r->resent > 0)
		fprintf(out,
		    "sent again, as their connections had ended: %" PRIu64 "\n",
		    r->resent);
	print_schedule(out, r);
}
