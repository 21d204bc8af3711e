/*
 * A window is a ring of marks, what the counters were at some moments: it
 * begins at the oldest that it still covers.
 */
#include "control/rollout_sample.h"

#include <stdbool.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/hist.h"
#include "router/tally.h"

#define SAMPLE_MAGIC 0x5a3b1e01u
#define MARKS	     64u
/* At most so many in a window, so the ring has room for it and some more. */
#define MARKS_WINDOW 60u

/* Counters as they were then; buckets wrap, as only differences count. */
struct mark {
	uint64_t at_us;
	struct tries tries;
	uint32_t buckets[HIST_BUCKETS];
};

struct series {
	struct tally *tally; /* held */
	struct mark now;
	struct tries step, epoch; /* as they began */
	struct mark marks[MARKS];
	unsigned oldest, n;
};

struct rollout_sample {
	unsigned magic;
	uint64_t window_us, begin_us;
	bool begun;
	unsigned epoch;
	struct series candidate, stable;
};

struct rollout_sample *
rollout_sample_new(void)
{
	struct rollout_sample *s = calloc(1, sizeof *s);

	if (s != NULL)
		s->magic = SAMPLE_MAGIC;
	return s;
}

void
rollout_sample_free(struct rollout_sample *s)
{
	if (s == NULL)
		return;
	CHECK_OBJ(s, SAMPLE_MAGIC);
	tally_drop(s->candidate.tally);
	tally_drop(s->stable.tally);
	s->magic = 0;
	free(s);
}

void
rollout_sample_begin(struct rollout_sample *s, uint64_t window_us)
{
	CHECK_OBJ(s, SAMPLE_MAGIC);
	s->window_us = window_us;
	s->begun = false;
}

static void
mark_read(struct mark *m, const struct tally *t, uint64_t now_us)
{
	struct tally_sum sum;

	tally_read(t, &sum);
	m->at_us = now_us;
	m->tries.n = tally_attempts(&sum);
	m->tries.errors = tally_errors(&sum);
	for (unsigned i = 0; i < HIST_BUCKETS; i++)
		m->buckets[i] = (uint32_t)sum.buckets[i];
}

static void
series_begin(struct series *s)
{
	s->step = s->epoch = s->now.tries;
	s->marks[0] = s->now;
	s->oldest = 0;
	s->n = 1;
}

static struct mark *
series_mark(struct series *s, unsigned i)
{
	return &s->marks[(s->oldest + i) % MARKS];
}

/* One more mark when it is time; those that the window has left go. */
static void
series_slide(struct series *s, uint64_t window_us)
{
	const uint64_t now = s->now.at_us;
	const uint64_t from = now > window_us ? now - window_us : 0;

	if (window_us == 0)
		return;
	while (s->n > 1 && series_mark(s, 0)->at_us < from) {
		s->oldest = (s->oldest + 1) % MARKS;
		s->n--;
	}
	if (s->n < MARKS &&
	    now - series_mark(s, s->n - 1)->at_us >= window_us / MARKS_WINDOW)
		*series_mark(s, s->n++) = s->now;
}

static void
series_look(
    struct series *s, struct tally *t, bool anew, uint64_t window, uint64_t now)
{
	if (s->tally != t) {
		tally_drop(s->tally);
		s->tally = tally_hold(t);
		anew = true;
	}
	mark_read(&s->now, t, now);
	if (anew)
		series_begin(s);
	else
		series_slide(s, window);
}

void
rollout_sample_look(struct rollout_sample *s, struct tally *candidate,
    struct tally *stable, uint64_t now_us)
{
	const bool anew = !s->begun;
	unsigned epoch = 0;

	CHECK_OBJ(s, SAMPLE_MAGIC);
	if (anew) {
		s->begin_us = now_us;
		s->epoch = 0;
		s->begun = true;
	}
	if (s->window_us > 0)
		epoch = (unsigned)((now_us - s->begin_us) / s->window_us);
	series_look(&s->candidate, candidate, anew, s->window_us, now_us);
	series_look(&s->stable, stable, anew, s->window_us, now_us);
	if (epoch == s->epoch)
		return;
	s->epoch = epoch;
	s->candidate.epoch = s->candidate.now.tries;
	s->stable.epoch = s->stable.now.tries;
}

/* Workers count on while we read: an error may be there before its answer. */
static struct tries
tries_since(struct tries now, struct tries then)
{
	struct tries t = {now.n - then.n, now.errors - then.errors};

	if (t.errors > t.n)
		t.errors = t.n;
	return t;
}

static void
series_read(const struct series *s, struct sample *sample)
{
	const struct mark *from = &s->marks[s->oldest];
	uint64_t buckets[HIST_BUCKETS];

	*sample = (struct sample){0};
	if (s->n == 0)
		return;
	for (unsigned i = 0; i < HIST_BUCKETS; i++)
		buckets[i] = (uint32_t)(s->now.buckets[i] - from->buckets[i]);
	sample->window = tries_since(s->now.tries, from->tries);
	sample->step = tries_since(s->now.tries, s->step);
	sample->epoch = tries_since(s->now.tries, s->epoch);
	sample->p99_us = hist_quantile(buckets, 0.99);
}

void
rollout_sample_read(const struct rollout_sample *s, struct sample *candidate,
    struct sample *stable, unsigned *epoch)
{
	CHECK_OBJ(s, SAMPLE_MAGIC);
	series_read(&s->candidate, candidate);
	series_read(&s->stable, stable);
	*epoch = s->epoch;
}
