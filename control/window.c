/*
 * Sliding windows over the tallies: per version the counts as they were
 * WINDOW_SECONDS ago, and what each second since has added. A second in
 * which nothing happened costs nothing.
 */
#include "control/window.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/hist.h"
#include "router/plan.h"

#define WINDOWS_MAGIC 0x31d00001u

/* The part of a tally that a window needs. */
struct counts {
	uint64_t requests, errors;
	uint64_t buckets[HIST_BUCKETS];
};

struct added {
	uint32_t bucket;
	uint32_t n;
};

/* What one second added; n buckets that are not 0. */
struct second {
	uint64_t requests, errors;
	struct added *added;
	unsigned n;
};

struct window {
	struct tally *tally; /* held */
	bool seen;	     /* in the plan of this tick */
	unsigned filled;     /* seconds in the ring */
	unsigned oldest;
	struct counts start; /* before the oldest second of the ring */
	struct counts last;  /* as of the last tick */
	struct second ring[WINDOW_SECONDS];
};

struct windows {
	unsigned magic;
	struct window **list; /* by address of the tally */
	size_t n, size;
};

struct windows *
windows_new(void)
{
	struct windows *w = calloc(1, sizeof(*w));

	if (w != NULL)
		w->magic = WINDOWS_MAGIC;
	return w;
}

static void
window_free(struct window *win)
{
	for (unsigned i = 0; i < WINDOW_SECONDS; i++)
		free(win->ring[i].added);
	tally_drop(win->tally);
	free(win);
}

void
windows_free(struct windows *w)
{
	if (w == NULL)
		return;
	CHECK_OBJ(w, WINDOWS_MAGIC);
	for (size_t i = 0; i < w->n; i++)
		window_free(w->list[i]);
	free(w->list);
	w->magic = 0;
	free(w);
}

/* Where the tally is, or would have to be inserted. */
static size_t
windows_place(const struct windows *w, const struct tally *t)
{
	size_t low = 0, high = w->n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if ((uintptr_t)w->list[mid]->tally < (uintptr_t)t)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static struct window *
windows_find(const struct windows *w, const struct tally *t)
{
	size_t i = windows_place(w, t);

	return i < w->n && w->list[i]->tally == t ? w->list[i] : NULL;
}

/* NULL without memory: then the next tick tries again. */
static struct window *
windows_add(struct windows *w, struct tally *t)
{
	size_t place = windows_place(w, t);
	struct window *win;

	if (w->n == w->size) {
		size_t size = w->size == 0 ? 16 : w->size * 2;
		struct window **list;

		list = realloc(w->list, size * sizeof(struct window *));
		if (list == NULL)
			return NULL;
		w->list = list;
		w->size = size;
	}
	win = calloc(1, sizeof(*win));
	if (win == NULL)
		return NULL;
	win->tally = tally_hold(t);
	memmove(&w->list[place + 1], &w->list[place],
	    (w->n - place) * sizeof(struct window *));
	w->list[place] = win;
	w->n++;
	return win;
}

static void
counts_read(struct counts *c, const struct tally *t)
{
	struct tally_sum sum;

	tally_read(t, &sum);
	c->requests = tally_attempts(&sum);
	c->errors = tally_errors(&sum);
	memcpy(c->buckets, sum.buckets, sizeof(c->buckets));
}

/* Moves the start past the oldest second and takes that out of the ring. */
static void
window_shift(struct window *win)
{
	struct second *s = &win->ring[win->oldest];

	win->start.requests += s->requests;
	win->start.errors += s->errors;
	for (unsigned i = 0; i < s->n; i++)
		win->start.buckets[s->added[i].bucket] += s->added[i].n;
	free(s->added);
	memset(s, 0, sizeof(*s));
	win->oldest = (win->oldest + 1) % WINDOW_SECONDS;
	win->filled--;
}

/*
 * Puts what happened since the last tick into the ring. Without memory for
 * it the second stays empty and its counts fall to the next one.
 */
static void
window_tick(struct window *win)
{
	struct counts now;
	struct second *s;
	unsigned n = 0;

	if (win->filled == WINDOW_SECONDS)
		window_shift(win);
	s = &win->ring[(win->oldest + win->filled) % WINDOW_SECONDS];
	win->filled++;

	counts_read(&now, win->tally);
	for (unsigned b = 0; b < HIST_BUCKETS; b++)
		n += now.buckets[b] != win->last.buckets[b];
	if (n > 0) {
		s->added = malloc(n * sizeof(*s->added));
		if (s->added == NULL)
			return;
		for (unsigned b = 0; b < HIST_BUCKETS; b++) {
			uint64_t more = now.buckets[b] - win->last.buckets[b];

			if (more > UINT32_MAX)
				more = UINT32_MAX;
			if (more > 0)
				s->added[s->n++] =
				    (struct added){b, (uint32_t)more};
			now.buckets[b] = win->last.buckets[b] + more;
		}
	}
	s->requests = now.requests - win->last.requests;
	s->errors = now.errors - win->last.errors;
	win->last = now;
}

void
windows_tick(struct windows *w, const struct plan *plan)
{
	size_t kept = 0;

	CHECK_OBJ(w, WINDOWS_MAGIC);
	for (size_t i = 0; i < plan->nservices; i++) {
		const struct service *s = plan->services[i];

		for (size_t v = 0; v < s->nversions; v++) {
			struct tally *t = s->versions[v].tally;
			struct window *win = windows_find(w, t);

			if (win == NULL)
				win = windows_add(w, t);
			if (win != NULL)
				win->seen = true;
		}
	}
	for (size_t i = 0; i < w->n; i++) {
		struct window *win = w->list[i];

		if (!win->seen) {
			window_free(win);
			continue;
		}
		window_tick(win);
		win->seen = false;
		w->list[kept++] = win;
	}
	w->n = kept;
}

/* What happened from the window's start to this moment. */
static void
windows_counts(const struct windows *w, const struct tally *t, struct counts *c)
{
	const struct window *win = windows_find(w, t);

	counts_read(c, t);
	if (win == NULL)
		return;
	c->requests -= win->start.requests;
	c->errors -= win->start.errors;
	for (unsigned b = 0; b < HIST_BUCKETS; b++)
		c->buckets[b] -= win->start.buckets[b];
}

void
windows_read(const struct windows *w, const struct service *s, size_t version,
    struct window_view *view)
{
	struct counts c, other;
	uint64_t all;

	CHECK_OBJ(w, WINDOWS_MAGIC);
	CHECK(version < s->nversions);
	windows_counts(w, s->versions[version].tally, &c);
	all = c.requests;
	for (size_t v = 0; v < s->nversions; v++) {
		if (v == version)
			continue;
		windows_counts(w, s->versions[v].tally, &other);
		all += other.requests;
	}

	view->requests = c.requests;
	/* Workers count on while we read: an error may be there before its
	 * answer. */
	view->errors = c.errors < c.requests ? c.errors : c.requests;
	view->error_ratio =
	    c.requests == 0 ? 0 : (double)view->errors / (double)c.requests;
	view->share = all == 0 ? 0 : (double)c.requests / (double)all;
	view->p50_us = hist_quantile(c.buckets, 0.5);
	view->p99_us = hist_quantile(c.buckets, 0.99);
}
