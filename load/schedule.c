/* Times of an arrival rate. */
#include "load/schedule.h"

#include <math.h>
#include <stdio.h>

#include "base/opt.h"

#define SECOND_NS 1000000000ull

static bool
read_one(
    struct span text, uint64_t min, uint64_t *rate, char *why, size_t why_size)
{
	char quoted[OPT_QUOTE_MAX];

	if (opt_parse(OPT_WEIGHT, text, rate) && *rate >= min &&
	    *rate <= SCHEDULE_RATE_MAX)
		return true;
	opt_quote(text, quoted, sizeof quoted);
	snprintf(why, why_size,
	    "expected requests per second, as 200, 0.5 or 100..2000, at most "
	    "10000000, found %s",
	    quoted);
	return false;
}

bool
schedule_read_rate(
    struct span text, struct schedule *s, char *why, size_t why_size)
{
	const char *dots = span_find(text, SPAN(".."));
	struct span from = text, to = text;

	if (dots != NULL) {
		from.n = (size_t)(dots - text.p);
		to = (struct span){dots + 2, text.n - from.n - 2};
	}
	return read_one(from, dots == NULL, &s->from, why, why_size) &&
	       read_one(to, 1, &s->to, why, why_size);
}

/* Requests per nanosecond. */
static double
per_ns(uint64_t rate)
{
	return (double)rate / ((double)OPT_DECIMALS * (double)SECOND_NS);
}

/* How many are due while the rate changes. */
static double
ramped(const struct schedule *s)
{
	return (per_ns(s->from) + per_ns(s->to)) / 2 * (double)s->ramp_ns;
}

/* t such that from*t + (to-from)*t^2/(2*ramp) is k. */
static double
ramp_at(const struct schedule *s, double k)
{
	double from = per_ns(s->from);
	double slope = (per_ns(s->to) - from) / (double)s->ramp_ns;
	double square = from * from + 2 * slope * k;

	if (k <= 0)
		return 0;
	return 2 * k / (from + sqrt(square > 0 ? square : 0));
}

uint64_t
schedule_at(const struct schedule *s, uint64_t k)
{
	double during;

	if (s->ramp_ns == 0)
		return (uint64_t)((unsigned __int128)k * SECOND_NS *
				  OPT_DECIMALS / s->to);
	during = ramped(s);
	if ((double)k < during)
		return (uint64_t)ramp_at(s, (double)k);
	return s->ramp_ns + (uint64_t)(((double)k - during) / per_ns(s->to));
}

void
schedule_settle(struct schedule *s, uint64_t ramp_ns, uint64_t duration_ns,
    uint64_t requests)
{
	uint64_t low = 0, high = requests;

	s->ramp_ns = s->from != s->to ? ramp_ns : 0;
	if (high == UINT64_MAX)
		high = (uint64_t)(per_ns(s->from > s->to ? s->from : s->to) *
				  (double)duration_ns) +
		       2;
	/* The first one that is not due any more. */
	while (low < high) {
		uint64_t middle = low + (high - low) / 2;

		if (schedule_at(s, middle) < duration_ns)
			low = middle + 1;
		else
			high = middle;
	}
	s->total = low > 0 ? low : 1;
}
