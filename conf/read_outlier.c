/* How a service ejects pods, panics, and lets new pods begin slowly. */
#include "conf/tables.h"

#define SECOND 1000u
#define OUTLIER(field, least, most)                               \
	.read = option_read_value, .min = (least), .max = (most), \
	OPTION_FIELD(struct outlier_rules, field)

_Static_assert(OPT_PERCENT_MAX == OUTLIER_WHOLE,
    "percentages are read in the router's unit");

const struct option outlier_options[] = {
    {
	.key = "consecutive_errors",
	OUTLIER(consecutive_errors, 0, 1000),
	.kind = OPT_COUNT,
	.fallback = "5",
	.help = "Errors in a row that eject a pod; 0 = any number is fine.",
    },
    {
	.key = "connect_failures",
	OUTLIER(connect_failures, 0, 1000),
	.kind = OPT_COUNT,
	.fallback = "3",
	.help = "Connections in a row that it did not accept; 0 = any.",
    },
    {
	.key = "error_ratio",
	OUTLIER(error_ratio, 0, OPT_PERCENT_MAX),
	.kind = OPT_PERCENT,
	.fallback = "20%",
	.help = "A pod is ejected whose share of errors over the window is "
		"so much above the mean of the version's other pods; 0% = "
		"none is.",
    },
    {
	.key = "window",
	OUTLIER(window_ms, SECOND, HOUR),
	.kind = OPT_DURATION,
	.fallback = "10s",
	.help = "Over how long error_ratio looks back.",
    },
    {
	.key = "min_requests",
	OUTLIER(min_requests, 1, 1000000),
	.kind = OPT_COUNT,
	.fallback = "100",
	.help = "With fewer in the window a pod is neither judged by "
		"error_ratio nor compared with.",
    },
    {
	.key = "eject",
	OUTLIER(eject_ms, 1, 24 * HOUR),
	.kind = OPT_DURATION,
	.fallback = "10s",
	.help = "For how long a pod is ejected the first time; each next "
		"time it is twice as long.",
    },
    {
	.key = "max_eject",
	OUTLIER(max_eject_ms, 1, 24 * HOUR),
	.kind = OPT_DURATION,
	.fallback = "5m",
	.help = "For how long at most.",
    },
    {
	.key = "max_ejected",
	OUTLIER(max_ejected, OPT_DECIMALS, OPT_PERCENT_MAX),
	.kind = OPT_PERCENT,
	.fallback = "50%",
	.help = "Pods of a version that may be ejected at one time; one may, "
		"but never the last one that is up.",
    },
    {.key = NULL},
};

/* The limit of a default is no error of the file: a long eject raises it. */
static void
check_times(
    struct errors *e, const struct node *value, struct outlier_rules *rules)
{
	const struct node *max = node_get(value, "max_eject");

	if (rules->max_eject_ms >= rules->eject_ms)
		return;
	if (max != NULL)
		errors_add(e, max->at,
		    "expected at least what \"eject\" says, found \"%s\"",
		    max->text);
	rules->max_eject_ms = rules->eject_ms;
}

void
read_outlier(struct errors *e, const struct option *o, const struct node *value,
    void *field)
{
	struct outlier_rules *rules = field;
	const size_t before = e->n;

	rules->enabled = true;
	option_read_map(e, o, value, field);
	if (value->kind == NODE_MAP && e->n == before)
		check_times(e, value, rules);
	rules->window_ms -= rules->window_ms % OUTLIER_SLICES;
}
