/* Putting the threads of a run together. */
#include <stdlib.h>
#include <string.h>

#include "load/count.h"
#include "load/result.h"
#include "load/runner.h"
#include "load/trial.h"

/* The rows that all have, and their names. */
static bool
make_rows(struct result *r)
{
	const struct trial *trial = r->trial;

	r->names = board_new((unsigned)trial->profiles.n);
	r->timeline = timeline_new();
	r->lag = calloc(1, sizeof *r->lag);
	r->total.name = "total";
	r->total.share = 1;
	r->total.score = calloc(1, sizeof *r->total.score);
	if (r->names == NULL || r->timeline == NULL || r->lag == NULL ||
	    r->total.score == NULL)
		return false;
	for (size_t p = 0; p < trial->profiles.n; p++, r->nprofiles++) {
		r->profiles[p].name = trial->profiles.list[p].name;
		r->profiles[p].score = calloc(1, sizeof(struct score));
		if (r->profiles[p].score == NULL)
			return false;
	}
	return true;
}

/* The row of a version by its place on the common board. */
static struct result_row *
version_row(struct result *r, unsigned place)
{
	struct result_row *row;

	for (size_t i = 0; i < r->nversions; i++)
		if (r->places[i] == place)
			return &r->versions[i];
	row = &r->versions[r->nversions];
	row->score = calloc(1, sizeof *row->score);
	if (row->score == NULL)
		return NULL;
	row->name = r->names->names[place];
	r->places[r->nversions++] = place;
	return row;
}

static bool
add_board(struct result *r, const struct board *b, unsigned *places)
{
	for (unsigned v = 0; v < board_versions(b); v++) {
		places[v] = board_version(r->names, span_of(b->names[v]));
		for (unsigned p = 0; p < b->nprofiles; p++) {
			const struct score *s = board_look(b, v, p);
			struct result_row *row;

			if (s == NULL)
				continue;
			row = version_row(r, places[v]);
			if (row == NULL)
				return false;
			score_merge(row->score, s);
			score_merge(r->profiles[p].score, s);
			score_merge(r->total.score, s);
		}
	}
	return true;
}

static bool
add_runner(struct result *r, const struct runner *runner)
{
	unsigned places[BOARD_VERSIONS] = {0};
	struct runner_view view;

	runner_look(runner, &view);
	if (!add_board(r, view.board, places))
		return false;
	timeline_merge(r->timeline, view.timeline, places);
	histogram_merge(r->lag, view.lag);
	for (unsigned i = 0; i < FAILURE_COUNT; i++)
		if (r->reasons[i][0] == '\0')
			memcpy(r->reasons[i], view.reasons[i], REASON_MAX);
	r->flips += view.flips;
	r->opened += view.opened;
	r->http2 += view.http2;
	r->bytes += view.bytes;
	r->issued += view.issued;
	r->waited += view.waited;
	r->resent += view.resent;
	if (view.end_ns > r->elapsed_ns)
		r->elapsed_ns = view.end_ns;
	return true;
}

/* An open loop lasts at least until the next request would have been due. */
static bool
gather_downtime(struct result *r, struct runner *const *runners, size_t n)
{
	const bool closed = r->trial->options.closed;
	struct downtime *parts = calloc(n, sizeof *parts);
	struct runner_view view;
	bool good;

	if (parts == NULL)
		return false;
	for (size_t i = 0; i < n; i++) {
		runner_look(runners[i], &view);
		parts[i] = *view.downtime;
	}
	if (!closed && trial_at(r->trial, r->issued) > r->elapsed_ns)
		r->elapsed_ns = trial_at(r->trial, r->issued);
	good = downtime_gather(&r->downtime, parts, n, closed ? NULL : trial_at,
	    r->trial, r->issued, r->elapsed_ns);
	free(parts);
	return good;
}

static void
set_shares(struct result *r)
{
	double all = (double)count_get(&r->total.score->requests);

	for (size_t i = 0; i < r->nversions && all > 0; i++)
		r->versions[i].share =
		    (double)count_get(&r->versions[i].score->requests) / all;
	for (size_t i = 0; i < r->nprofiles && all > 0; i++)
		r->profiles[i].share =
		    (double)count_get(&r->profiles[i].score->requests) / all;
}

static bool
goes_before(const struct result *r, size_t a, size_t b)
{
	if ((r->places[a] == BOARD_NO_VERSION) !=
	    (r->places[b] == BOARD_NO_VERSION))
		return r->places[b] == BOARD_NO_VERSION;
	return strverscmp(r->versions[a].name, r->versions[b].name) < 0;
}

static void
sort_versions(struct result *r)
{
	for (size_t i = 1; i < r->nversions; i++)
		for (size_t j = i; j > 0 && goes_before(r, j, j - 1); j--) {
			struct result_row row = r->versions[j];
			unsigned place = r->places[j];

			r->versions[j] = r->versions[j - 1];
			r->places[j] = r->places[j - 1];
			r->versions[j - 1] = row;
			r->places[j - 1] = place;
		}
}

struct result *
result_new(const struct trial *trial, struct runner *const *runners, size_t n,
    uint64_t started_us, const struct marks *marks, bool interrupted)
{
	struct result *r = calloc(1, sizeof *r);

	if (r == NULL)
		return NULL;
	r->trial = trial;
	r->started_us = started_us;
	r->marks = marks;
	r->interrupted = interrupted;
	if (!make_rows(r))
		goto fail;
	for (size_t i = 0; i < n; i++)
		if (!add_runner(r, runners[i]))
			goto fail;
	if (!gather_downtime(r, runners, n))
		goto fail;
	set_shares(r);
	sort_versions(r);
	return r;
fail:
	result_free(r);
	return NULL;
}
