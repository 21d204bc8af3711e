/* The option table and readers of gates, the conditions on a candidate. */
#include <string.h>

#include "conf/tables.h"
#include "strategies/gates.h"

#define GATE(field) OPTION_FIELD(struct gates, field)

static option_reader read_fraction;

const struct option gate_options[] = {
    {
	.key = "window",
	.read = read_micros,
	.kind = OPT_DURATION,
	.min = 1000,
	.max = HOUR,
	.fallback = "1m",
	.help = "How far back is looked at most.",
	GATE(window_us),
    },
    {
	.key = "min_requests",
	.read = option_read_value,
	.kind = OPT_COUNT,
	.min = 1,
	.max = 1000000000,
	.fallback = "100",
	.help = "Requests of the candidate in the window before it may "
		"pass.",
	GATE(min_requests),
    },
    {
	.key = "max_error_rate",
	.read = read_fraction,
	.kind = OPT_PERCENT,
	.max = OPT_PERCENT_MAX,
	.absent = "no limit",
	.help = "Share of the candidate's requests that are errors.",
	GATE(max_error_rate),
    },
    {
	.key = "max_error_increase",
	.read = read_fraction,
	.kind = OPT_PERCENT,
	.max = OPT_PERCENT_MAX,
	.absent = "no limit",
	.help = "Percentage points of errors above the stable version's at "
		"the same time.",
	GATE(max_error_increase),
    },
    {
	.key = "max_p99",
	.read = read_micros,
	.kind = OPT_DURATION,
	.min = 1,
	.max = HOUR,
	.absent = "no limit",
	.help = "99 of 100 requests of the candidate are answered in that.",
	GATE(max_p99_us),
    },
    {
	.key = "max_p99_increase",
	.read = read_fraction,
	.kind = OPT_PERCENT,
	.max = 100 * (uint64_t)OPT_PERCENT_MAX,
	.absent = "no limit",
	.help = "How much longer that takes than with the stable version at "
		"the same time.",
	GATE(max_p99_increase),
    },
    {
	.key = "confidence",
	.read = read_fraction,
	.kind = OPT_PERCENT,
	.min = OPT_PERCENT_MAX / 2,
	.max = OPT_PERCENT_MAX - 1,
	.fallback = "95%",
	.help = "That no version is failed for its errors by chance, ever.",
	GATE(confidence),
    },
    {.key = NULL},
};

/* By the row, without its field; false when it was reported. */
static bool
read_number(struct errors *e, const struct option *o, const struct node *value,
    uint64_t *number)
{
	struct option plain = *o;
	const size_t before = e->n;

	plain.size = sizeof *number;
	option_read_value(e, &plain, value, number);
	return e->n == before && value->kind == NODE_SCALAR;
}

void
read_micros(struct errors *e, const struct option *o, const struct node *value,
    void *field)
{
	uint64_t ms;

	if (read_number(e, o, value, &ms))
		*(uint64_t *)field = ms * 1000;
}

/* 1 for 100 % */
static void
read_fraction(struct errors *e, const struct option *o,
    const struct node *value, void *field)
{
	uint64_t n;

	if (read_number(e, o, value, &n))
		*(double *)field = (double)n / OPT_PERCENT_MAX;
}

static void
no_limits(struct gates *g)
{
	g->max_error_rate = g->max_error_increase = g->max_p99_increase = -1;
	g->max_p99_us = 0;
}

/* What is written replaces a default as a whole, so that a limit can go. */
void
read_gates(struct errors *e, const struct option *o, const struct node *value,
    void *field)
{
	const size_t before = e->n;
	struct gates *g = field;

	no_limits(g);
	if (value->kind == NODE_SCALAR && strcmp(value->text, "off") == 0)
		return;
	option_defaults(e, o->sub, g);
	option_read_map(e, o, value, g);
	if (e->n == before && value->kind == NODE_MAP && !gates_any(g))
		errors_add(e, value->at,
		    "expected at least one of max_error_rate, "
		    "max_error_increase, max_p99, max_p99_increase, or off "
		    "instead of the map");
}
