/* Windows of the week: read from words, and asked for a moment. */
#include "strategies/schedule.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/span.h"

#define DAY_MINUTES 1440u
#define WEEK	    7u
#define ALL_DAYS    0x7fu
#define MINUTE_US   60000000u
/* Clocks jump at quarters of an hour only. */
#define QUARTER 15u

static const char *const day_names[WEEK] = {
    "sun", "mon", "tue", "wed", "thu", "fri", "sat"};

struct window {
	unsigned days; /* bit n: it begins on day n, Sunday being 0 */
	/* minutes of the day; an end beyond it is on the next one */
	unsigned start, end;
	bool utc;
};

struct schedule {
	size_t n;
	struct window *windows;
};

/* What a clock on the wall shows. */
struct shown {
	unsigned day, minute;
};

struct schedule *
schedule_new(void)
{
	return calloc(1, sizeof(struct schedule));
}

void
schedule_free(struct schedule *s)
{
	if (s == NULL)
		return;
	free(s->windows);
	free(s);
}

/* WEEK when it is none. */
static unsigned
find_day(struct span word)
{
	unsigned day = 0;

	while (day < WEEK && !span_eq_nocase(word, span_of(day_names[day])))
		day++;
	return day;
}

/* "mon-fri,sun" */
static bool
read_days(struct span rest, unsigned *days)
{
	*days = 0;
	while (rest.p != NULL) {
		struct span last = span_cut(&rest, ',');
		unsigned from = find_day(span_cut(&last, '-')), to = from;

		if (last.p != NULL)
			to = find_day(last);
		if (from == WEEK || to == WEEK)
			return false;
		*days |= 1u << to;
		for (; from != to; from = (from + 1) % WEEK)
			*days |= 1u << from;
	}
	return true;
}

/* "HH:MM", up to 24:00 */
static bool
read_minute(struct span text, unsigned *minute)
{
	struct span hours = span_cut(&text, ':');
	uint64_t h, m;

	if (hours.n != 2 || text.n != 2 || !span_to_u64(hours, &h) ||
	    !span_to_u64(text, &m) || m > 59 || h * 60 + m > DAY_MINUTES)
		return false;
	*minute = (unsigned)(h * 60 + m);
	return true;
}

static bool
read_times(struct span end, struct window *w)
{
	struct span start = span_cut(&end, '-');

	if (!read_minute(start, &w->start) || !read_minute(end, &w->end) ||
	    w->start == DAY_MINUTES || w->start == w->end)
		return false;
	if (w->end < w->start)
		w->end += DAY_MINUTES;
	return true;
}

/* NULL, or what was expected instead of the words. */
static const char *
read_words(struct span rest, struct window *w)
{
	struct span word = span_cut(&rest, ' ');

	*w = (struct window){.days = ALL_DAYS, .end = DAY_MINUTES};
	if (word.n == 0)
		return "days, times or both, such as mon-fri 09:00-17:00";
	if (word.p[0] < '0' || word.p[0] > '9') {
		if (!read_days(word, &w->days))
			return "days such as mon-fri or sat,sun";
		word = span_cut(&rest, ' ');
	}
	if (word.p != NULL && !span_eq(word, SPAN("UTC"))) {
		if (!read_times(word, w))
			return "times such as 09:00-17:00";
		word = span_cut(&rest, ' ');
	}
	w->utc = word.p != NULL;
	if (w->utc && (!span_eq(word, SPAN("UTC")) || rest.p != NULL))
		return "nothing behind the times but UTC";
	return NULL;
}

bool
schedule_add(struct schedule *s, const char *text, char *why, size_t why_size)
{
	struct window w, *windows;
	const char *expected = read_words(span_of(text), &w);

	if (expected != NULL) {
		snprintf(why, why_size, "expected %s", expected);
		return false;
	}
	windows = reallocarray(s->windows, s->n + 1, sizeof *windows);
	if (windows == NULL) {
		snprintf(why, why_size, "out of memory");
		return false;
	}
	s->windows = windows;
	s->windows[s->n++] = w;
	return true;
}

static struct shown
clock_shows(uint64_t wall_us, bool utc)
{
	const time_t now = (time_t)(wall_us / 1000000);
	struct tm tm = {0};

	if (utc)
		gmtime_r(&now, &tm);
	else
		localtime_r(&now, &tm);
	return (struct shown){(unsigned)tm.tm_wday,
	    (unsigned)tm.tm_hour * 60 + (unsigned)tm.tm_min};
}

static bool
day_in(const struct window *w, unsigned day)
{
	return (w->days >> (day % WEEK) & 1) != 0;
}

/* Begun today, or yesterday and going on. */
static bool
window_open(const struct window *w, struct shown c)
{
	if (day_in(w, c.day) && c.minute >= w->start && c.minute < w->end)
		return true;
	return day_in(w, c.day + WEEK - 1) && c.minute + DAY_MINUTES < w->end;
}

bool
schedule_open(const struct schedule *s, uint64_t wall_us)
{
	struct shown clocks[2];

	for (int utc = 0; utc < 2; utc++)
		clocks[utc] = clock_shows(wall_us, utc != 0);
	for (size_t i = 0; i < s->n; i++)
		if (window_open(&s->windows[i], clocks[s->windows[i].utc]))
			return true;
	return false;
}

/*
 * How many minutes on it is worth to look again: at a start, if the clock
 * goes on evenly, or at the next quarter, where it may jump.
 */
static unsigned
minutes_on(const struct schedule *s, uint64_t wall_us)
{
	unsigned least = QUARTER - (unsigned)(wall_us / MINUTE_US % QUARTER);

	for (size_t i = 0; i < s->n; i++) {
		const struct window *w = &s->windows[i];
		const struct shown c = clock_shows(wall_us, w->utc);

		if (w->start > c.minute && w->start - c.minute < least)
			least = w->start - c.minute;
	}
	return least;
}

uint64_t
schedule_next(const struct schedule *s, uint64_t wall_us)
{
	const uint64_t end =
	    wall_us + (uint64_t)SCHEDULE_DAYS_MAX * DAY_MINUTES * MINUTE_US;

	if (schedule_open(s, wall_us))
		return wall_us;
	wall_us -= wall_us % MINUTE_US;
	while (wall_us < end && !schedule_open(s, wall_us))
		wall_us += (uint64_t)minutes_on(s, wall_us) * MINUTE_US;
	return wall_us < end ? wall_us : end;
}

void
schedule_say(uint64_t wall_us, char *buf, size_t size)
{
	const time_t now = (time_t)(wall_us / 1000000);
	struct tm tm = {0};

	localtime_r(&now, &tm);
	if (strftime(buf, size, "%Y-%m-%d %H:%M %Z", &tm) == 0 && size > 0)
		buf[0] = '\0';
}
