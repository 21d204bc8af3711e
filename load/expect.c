/* Expectations, as a table of what can be measured. */
#include "load/expect.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/opt.h"
#include "load/count.h"
#include "load/load.h"
#include "load/result.h"

/* Shares are quotients: what differs by less is the same. */
#define NEARLY 1e-9

enum unit {
	UNIT_NUMBER,
	UNIT_PERCENT,
	UNIT_MS,
};

/* NaN: nothing was measured. */
typedef double measure_of(
    const struct result *r, const struct result_row *row, double q);

struct measure {
	const char *name;
	enum unit unit;
	bool of_version, needs_version;
	measure_of *get;
	double q; /* of a percentile */
};

static double
get_requests(const struct result *r, const struct result_row *row, double q)
{
	(void)r;
	(void)q;
	return row != NULL ? (double)count_get(&row->score->requests) : 0;
}

static double
get_failures(const struct result *r, const struct result_row *row, double q)
{
	(void)r;
	(void)q;
	return row != NULL ? (double)score_failures(row->score) : 0;
}

static double
get_error_rate(const struct result *r, const struct result_row *row, double q)
{
	(void)r;
	(void)q;
	if (row == NULL || count_get(&row->score->requests) == 0)
		return NAN;
	return 100 * result_error_ratio(row->score);
}

static double
get_share(const struct result *r, const struct result_row *row, double q)
{
	(void)r;
	(void)q;
	return row != NULL ? 100 * row->share : 0;
}

static double
get_rate(const struct result *r, const struct result_row *row, double q)
{
	(void)q;
	return row != NULL ? result_rate(r, row->score) : 0;
}

static double
get_quantile(const struct result *r, const struct result_row *row, double q)
{
	(void)r;
	if (row == NULL || count_get(&row->score->latency.n) == 0)
		return NAN;
	return result_ms(histogram_quantile(&row->score->latency, q));
}

static double
get_mean(const struct result *r, const struct result_row *row, double q)
{
	(void)r;
	(void)q;
	if (row == NULL || count_get(&row->score->latency.n) == 0)
		return NAN;
	return histogram_mean(&row->score->latency) / 1e6;
}

static double
get_flips(const struct result *r, const struct result_row *row, double q)
{
	(void)row;
	(void)q;
	return (double)r->flips;
}

static double
get_resent(const struct result *r, const struct result_row *row, double q)
{
	(void)row;
	(void)q;
	return (double)r->resent;
}

static double
get_downtime(const struct result *r, const struct result_row *row, double q)
{
	(void)row;
	(void)q;
	return result_ms(downtime_length(&r->downtime));
}

static double
get_windows(const struct result *r, const struct result_row *row, double q)
{
	(void)row;
	(void)q;
	return (double)r->downtime.n;
}

static double
get_versions(const struct result *r, const struct result_row *row, double q)
{
	(void)row;
	(void)q;
	return (double)(r->nversions -
			(result_version(r, SPAN(BOARD_NO_NAME)) != NULL));
}

static double
get_lag(const struct result *r, const struct result_row *row, double q)
{
	(void)row;
	return result_ms(histogram_quantile(r->lag, q));
}

static const struct measure measures[] = {
    {"requests", UNIT_NUMBER, true, false, get_requests, 0},
    {"failures", UNIT_NUMBER, true, false, get_failures, 0},
    {"error_rate", UNIT_PERCENT, true, false, get_error_rate, 0},
    {"share", UNIT_PERCENT, true, true, get_share, 0},
    {"rate", UNIT_NUMBER, true, false, get_rate, 0},
    {"mean", UNIT_MS, true, false, get_mean, 0},
    {"p50", UNIT_MS, true, false, get_quantile, 0.5},
    {"p90", UNIT_MS, true, false, get_quantile, 0.9},
    {"p99", UNIT_MS, true, false, get_quantile, 0.99},
    {"p999", UNIT_MS, true, false, get_quantile, 0.999},
    {"max", UNIT_MS, true, false, get_quantile, 1},
    {"flips", UNIT_NUMBER, false, false, get_flips, 0},
    {"downtime", UNIT_MS, false, false, get_downtime, 0},
    {"windows", UNIT_NUMBER, false, false, get_windows, 0},
    {"resent", UNIT_NUMBER, false, false, get_resent, 0},
    {"versions", UNIT_NUMBER, false, false, get_versions, 0},
    {"lag", UNIT_MS, false, false, get_lag, 0.99},
};

#define MEASURES (sizeof measures / sizeof measures[0])

static const struct {
	const char *sign;
	enum expect_relation relation;
} relations[] = {
    {"!=", EXPECT_NOT_EQUAL},
    {"<=", EXPECT_AT_MOST},
    {">=", EXPECT_AT_LEAST},
    {"=", EXPECT_EQUAL},
    {"<", EXPECT_LESS},
    {">", EXPECT_MORE},
};

#define RELATIONS (sizeof relations / sizeof relations[0])

/* "20", "20%", "1.5ms"; the unit is what follows the digits. */
static bool
read_number(struct span text, double *number, struct span *unit)
{
	char digits[32], *end;
	size_t n = 0;

	while (n < text.n && n < sizeof digits - 1 &&
	       ((text.p[n] >= '0' && text.p[n] <= '9') || text.p[n] == '.'))
		n++;
	*span_put(digits, (struct span){text.p, n}) = '\0';
	*number = strtod(digits, &end);
	*unit = (struct span){text.p + n, text.n - n};
	return n > 0 && *end == '\0';
}

static bool
read_value(enum unit unit, struct span text, double *value)
{
	static const struct {
		const char *word;
		double ms;
	} times[] = {{"us", 0.001}, {"ms", 1}, {"s", 1000}, {"m", 60000},
	    {"h", 3600000}};
	struct span word;

	if (!read_number(text, value, &word))
		return false;
	switch (unit) {
	case UNIT_NUMBER:
		return word.n == 0;
	case UNIT_PERCENT:
		return span_eq(word, SPAN("%"));
	case UNIT_MS:
		for (size_t i = 0; i < sizeof times / sizeof times[0]; i++)
			if (span_eq(word, span_of(times[i].word))) {
				*value *= times[i].ms;
				return true;
			}
		return word.n == 0 && *value == 0;
	}
	return false;
}

/* A tolerance has the value's unit, or is a part of the value in per cent. */
static bool
read_tolerance(
    enum unit unit, struct span text, double value, double *tolerance)
{
	if (read_value(unit, text, tolerance))
		return true;
	if (!read_value(UNIT_PERCENT, text, tolerance))
		return false;
	*tolerance *= value / 100;
	return true;
}

static bool
read_right(struct expectation *e, struct span text)
{
	static const struct span signs[] = {
	    SPAN("\xc2\xb1"), SPAN("+-"), SPAN("+/-")};
	enum unit unit = measures[e->measure].unit;

	for (size_t i = 0; i < sizeof signs / sizeof signs[0]; i++) {
		const char *at = span_find(text, signs[i]);
		struct span value, rest;

		if (at == NULL)
			continue;
		value = (struct span){text.p, (size_t)(at - text.p)};
		rest = (struct span){
		    at + signs[i].n, text.n - value.n - signs[i].n};
		return e->relation == EXPECT_EQUAL &&
		       read_value(unit, value, &e->value) &&
		       read_tolerance(unit, rest, e->value, &e->tolerance);
	}
	return read_value(unit, text, &e->value);
}

static bool
read_one(struct expectation *e, const char *text)
{
	struct span left = {text, strcspn(text, "=<>!")}, name;
	const char *right = text + left.n;
	size_t i = 0;

	*e = (struct expectation){.text = text};
	e->version = left;
	name = span_cut(&e->version, ':');
	while (e->measure < MEASURES &&
	       !span_eq(name, span_of(measures[e->measure].name)))
		e->measure++;
	while (i < RELATIONS && strncmp(right, relations[i].sign,
				    strlen(relations[i].sign)) != 0)
		i++;
	if (e->measure == MEASURES || i == RELATIONS)
		return false;
	e->relation = relations[i].relation;
	if (e->version.p == NULL
		? measures[e->measure].needs_version
		: !measures[e->measure].of_version || e->version.n == 0)
		return false;
	return read_right(e, span_of(right + strlen(relations[i].sign)));
}

bool
expect_read(struct expectations *e, const struct load_words *words, char *why,
    size_t why_size)
{
	char quoted[OPT_QUOTE_MAX];

	e->n = 0;
	for (size_t i = 0; i < words->n; i++) {
		if (e->n < EXPECT_MAX &&
		    read_one(&e->list[e->n], words->list[i])) {
			e->n++;
			continue;
		}
		opt_quote(span_of(words->list[i]), quoted, sizeof quoted);
		snprintf(why, why_size,
		    "--expect: expected as failures=0, share:v2=20%%+-1%%, "
		    "p99:v1<=50ms or flips=0, at most %u, found %s",
		    EXPECT_MAX, quoted);
		return false;
	}
	return true;
}

static bool
holds(const struct expectation *e, double found)
{
	double off = fabs(found - e->value);

	switch (e->relation) {
	case EXPECT_EQUAL:
		return off <= e->tolerance + NEARLY;
	case EXPECT_NOT_EQUAL:
		return off > NEARLY;
	case EXPECT_LESS:
		return found < e->value;
	case EXPECT_AT_MOST:
		return found <= e->value + NEARLY;
	case EXPECT_MORE:
		return found > e->value;
	case EXPECT_AT_LEAST:
		return found >= e->value - NEARLY;
	}
	return false;
}

bool
expect_met(const struct expectation *e, const struct result *r,
    char found[EXPECT_FOUND_MAX])
{
	const struct measure *m = &measures[e->measure];
	const struct result_row *row =
	    e->version.p != NULL ? result_version(r, e->version) : &r->total;
	double value = m->get(r, row, m->q);

	if (isnan(value)) {
		snprintf(found, EXPECT_FOUND_MAX, "no answer");
		return false;
	}
	switch (m->unit) {
	case UNIT_NUMBER:
		snprintf(found, EXPECT_FOUND_MAX, "%.10g", value);
		break;
	case UNIT_PERCENT:
		snprintf(found, EXPECT_FOUND_MAX, "%.4g%%", value);
		break;
	case UNIT_MS:
		snprintf(found, EXPECT_FOUND_MAX, "%.4gms", value);
		break;
	}
	return holds(e, value);
}
