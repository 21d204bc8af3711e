/* The option tables and readers of `release`, and what it needs together. */
#include <stdlib.h>

#include "conf/tables.h"
#include "router/release.h"

#define STEPS_MAX 100u
#define PODS_MAX  1000u
#define DAY	  (24ull * HOUR)
#define MATCH	  "a map of tests as in rules, or a list of such maps"

/* All tables but that of steps have the release as their target. */
#define RELEASE(field) OPTION_FIELD(struct release, field)
#define TERM(strategy, field) \
	OPTION_FIELD(struct release, terms[RELEASE_##strategy].field)
#define PORTION(strategy, field)                                         \
	.read = read_portion, .max = PODS_MAX,                           \
	.type = "an integer from 0 to 1000, or a percentage up to 100%", \
	TERM(strategy, field)
#define TIME(strategy, field, most)                               \
	.read = read_micros, .kind = OPT_DURATION, .max = (most), \
	TERM(strategy, field)
#define GATES(strategy)                                                        \
	.key = "gates", .read = read_gates, .type = "a map of limits, or off", \
	.help = "What the candidate must keep to.", .shape = OPTION_MAP,       \
	.sub = gate_options, .apart = true, TERM(strategy, gates)
#define ON_FAIL(strategy)                                                   \
	.key = "on_fail", .read = option_read_word, .words = on_fail_words, \
	.fallback = "rollback", .help = "What failed gates lead to.",       \
	TERM(strategy, on_fail)
#define ON_NO_DATA(strategy)                                                   \
	.key = "on_no_data", .read = option_read_word,                         \
	.words = on_no_data_words, .fallback = "hold",                         \
	.help = "What too few requests lead to, when the time to pass comes.", \
	TERM(strategy, on_no_data)

_Static_assert(100 * OPT_DECIMALS == SHARE_ALL,
    "steps and percentages are read in the strategies' unit");

static option_reader read_strategy, read_steps, read_release_match,
    read_portion;

static const char *const on_fail_words[] = {
    [ON_FAIL_ROLLBACK] = "rollback", [ON_FAIL_PAUSE] = "pause", NULL};
static const char *const on_no_data_words[] = {[ON_NO_DATA_HOLD] = "hold",
    [ON_NO_DATA_ADVANCE] = "advance",
    [ON_NO_DATA_ROLLBACK] = "rollback",
    NULL};
static const char *const order_words[] = {
    [ROLL_START_FIRST] = "start_first", [ROLL_STOP_FIRST] = "stop_first", NULL};
static const char *const on_restart_words[] = {
    [ON_RESTART_CONTINUE] = "continue",
    [ON_RESTART_ROLLBACK] = "rollback",
    [ON_RESTART_PAUSE] = "pause",
    NULL};
static const char *const strategy_words[] = {[RELEASE_RECREATE] = "recreate",
    [RELEASE_ROLLING] = "rolling",
    [RELEASE_BLUE_GREEN] = "blue_green",
    [RELEASE_CANARY] = "canary",
    [RELEASE_AB] = "ab",
    NULL};

static const struct option step_options[] = {
    {
	.key = "weight",
	.read = option_read_value,
	.kind = OPT_WEIGHT,
	.min = 1,
	.max = SHARE_ALL,
	.help = "The candidate's share of the traffic, in percent.",
	.required = true,
	OPTION_FIELD(struct canary_step, share),
    },
    {
	.key = "hold",
	.read = read_micros,
	.kind = OPT_DURATION,
	.max = 365 * DAY,
	.fallback = "0s",
	.help = "It has it at least so long, and until the gates pass.",
	OPTION_FIELD(struct canary_step, hold_us),
    },
    {
	.key = "pause",
	.read = option_read_value,
	.kind = OPT_BOOL,
	.max = 1,
	.fallback = "false",
	.help = "Whether the step then waits to be promoted.",
	OPTION_FIELD(struct canary_step, pause),
    },
    {
	.key = "ramp",
	.read = option_read_value,
	.kind = OPT_BOOL,
	.max = 1,
	.fallback = "false",
	.help = "Whether the share grows evenly over `hold`.",
	OPTION_FIELD(struct canary_step, ramp),
    },
    {.key = NULL},
};

static const struct option canary_options[] = {
    {
	.key = "steps",
	.read = read_steps,
	.type = "a list of steps",
	.fallback = "[{ weight: 5, hold: 2m }, { weight: 20, hold: 5m }, "
		    "{ weight: 50, hold: 5m }]",
	.help = "Shares that the candidate gets one after the other, before "
		"it gets all.",
	.shape = OPTION_LIST,
	.sub = step_options,
    },
    {
	GATES(CANARY),
	.absent = "max_error_rate 1%, max_error_increase 0.5%",
    },
    {ON_FAIL(CANARY)},
    {ON_NO_DATA(CANARY)},
    {.key = NULL},
};

static const struct option rolling_options[] = {
    {
	.key = "max_surge",
	PORTION(ROLLING, max_surge),
	.fallback = "1",
	.help = "Pods that may be there beyond the number that is wanted, or "
		"their share of it, rounded up.",
    },
    {
	.key = "max_unavailable",
	PORTION(ROLLING, max_unavailable),
	.fallback = "0",
	.help = "Pods that may be missing from the number that is wanted, or "
		"their share of it, rounded down.",
    },
    {
	.key = "min_ready",
	TIME(ROLLING, min_ready_us, DAY),
	.fallback = "10s",
	.help = "A new pod counts when it has been up so long.",
    },
    {
	.key = "order",
	.read = option_read_word,
	.words = order_words,
	.fallback = "start_first",
	.help = "Whether new pods start before old ones stop, where both "
		"may.",
	TERM(ROLLING, order),
    },
    {
	.key = "parallelism",
	.read = option_read_value,
	.kind = OPT_COUNT,
	.min = 1,
	.max = PODS_MAX,
	.absent = "max_surge + max_unavailable",
	.help = "Pods that are replaced at a time.",
	TERM(ROLLING, parallelism),
    },
    {
	.key = "max_failed",
	PORTION(ROLLING, max_failed),
	.fallback = "0",
	.help = "Starts of new pods that may fail, or their share of the "
		"number that is wanted, rounded down; one more fails the "
		"rollout.",
    },
    {GATES(ROLLING), .fallback = "off"},
    {ON_FAIL(ROLLING)},
    {.key = NULL},
};

static const struct option blue_green_options[] = {
    {
	.key = "preview",
	.read = read_release_match,
	.type = MATCH,
	.absent = "nobody reaches it",
	.help = "Requests that lead to the candidate before it is switched "
		"to.",
	RELEASE(preview),
    },
    {
	.key = "auto_promote",
	.read = option_read_value,
	.kind = OPT_BOOL,
	.max = 1,
	.fallback = "true",
	.help = "Whether it is switched to as soon as it is ready and the "
		"gates pass; else it waits to be promoted.",
	TERM(BLUE_GREEN, auto_promote),
    },
    {
	.key = "keep_old",
	TIME(BLUE_GREEN, keep_old_us, 365 * DAY),
	.fallback = "5m",
	.help = "How long the old pods are kept after that, to switch back.",
    },
    {GATES(BLUE_GREEN), .fallback = "off"},
    {ON_FAIL(BLUE_GREEN)},
    {ON_NO_DATA(BLUE_GREEN)},
    {.key = NULL},
};

static const struct option recreate_options[] = {
    {
	.key = "park",
	.read = option_read_value,
	.kind = OPT_DURATION,
	.max = HOUR,
	.fallback = "0s",
	.help = "How long a request waits while no version takes any; 0s = "
		"not at all.",
	RELEASE(park_ms),
    },
    {
	.key = "park_limit",
	.read = option_read_value,
	.kind = OPT_COUNT,
	.min = 1,
	.max = 1000000,
	.fallback = "1000",
	.help = "Requests that wait at one time.",
	RELEASE(park_limit),
    },
    {.key = NULL},
};

static const struct option ab_options[] = {
    {
	.key = "match",
	.read = read_release_match,
	.type = MATCH,
	.absent = "needed for ab",
	.help = "Requests that lead to the candidate.",
	RELEASE(ab_match),
    },
    {
	.key = "duration",
	TIME(AB, duration_us, 365 * DAY),
	.min = 1000,
	.fallback = "14d",
	.help = "How long they are compared.",
    },
    {GATES(AB), .fallback = "off"},
    {ON_FAIL(AB)},
    {.key = NULL},
};

#define STRATEGY(word)                                                         \
	.key = #word, .read = option_read_map, .absent = "the defaults below", \
	.shape = OPTION_MAP, .sub = word##_options

const struct option release_options[] = {
    {
	.key = "strategy",
	.read = read_strategy,
	.words = strategy_words,
	.fallback = "canary",
	.help = "How, unless a rollout is started with another one.",
	RELEASE(strategy),
    },
    {STRATEGY(canary), .help = "A growing share of the traffic."},
    {STRATEGY(rolling), .help = "Pod by pod."},
    {STRATEGY(blue_green), .help = "All pods beside the old, then all."},
    {STRATEGY(recreate), .help = "All old pods go, then new ones come."},
    {STRATEGY(ab), .help = "Some clients get it, to compare."},
    {
	.key = "progress_deadline",
	TIME(RECREATE, progress_deadline_us, 7 * DAY),
	.fallback = "10m",
	.help = "Pods of the candidate that are not ready after so long "
		"have failed; 0s = they are waited for.",
    },
    {
	.key = "on_restart",
	.read = option_read_word,
	.words = on_restart_words,
	.fallback = "continue",
	.help = "What a rollout does that was under way when the process "
		"ended.",
	RELEASE(on_restart),
    },
    {
	.key = "only",
	.read = read_schedule,
	.type = "a window such as mon-fri 09:00-17:00, or a list of them",
	.absent = "at any time",
	.help = "A rollout goes forward only then; back at any time.",
	RELEASE(only),
    },
    {
	.key = "webhooks",
	.read = read_hooks,
	.type = "a list of webhooks",
	.fallback = "[]",
	.help = "Who is told, or asked, when a rollout enters a phase.",
	.shape = OPTION_LIST,
	.sub = hook_options,
    },
    {.key = NULL},
};

static void
read_strategy(struct errors *e, const struct option *o,
    const struct node *value, void *field)
{
	const char *text = option_text(e, o, value);
	const struct strategy_ops *ops;

	if (text == NULL)
		return;
	ops = strategy_find(text);
	if (ops == NULL)
		option_refuse(e, o, value);
	else
		*(const struct strategy_ops **)field = ops;
}

static void
read_portion(struct errors *e, const struct option *o, const struct node *value,
    void *field)
{
	const char *text = option_text(e, o, value);
	struct portion *p = field;
	uint64_t n;

	if (text == NULL)
		return;
	if (opt_parse(OPT_COUNT, span_of(text), &n) && n <= o->max)
		*p = (struct portion){.count = (unsigned)n};
	else if (opt_parse(OPT_PERCENT, span_of(text), &n) && n <= SHARE_ALL)
		*p = (struct portion){.share = (uint32_t)n};
	else
		option_refuse(e, o, value);
}

static void
read_release_match(struct errors *e, const struct option *o,
    const struct node *value, void *field)
{
	struct option test = *o;

	test.sub = match_options;
	read_match(e, &test, value, field);
}

static void
check_step(struct errors *e, const struct node *value,
    const struct canary_step *step, const struct canary_step *before)
{
	const struct node *weight = node_get(value, "weight");

	if (step->ramp && step->hold_us == 0)
		errors_add(e, node_get(value, "ramp")->at,
		    "\"ramp\" needs \"hold\": over what time the share grows");
	if (before != NULL && before->share > 0 &&
	    step->share <= before->share) {
		char was[OPT_TEXT_MAX];

		opt_format(OPT_WEIGHT, before->share, was, sizeof was);
		errors_add(e, weight->at,
		    "expected more than the step before has, which is %s, "
		    "found \"%s\"",
		    was, weight->text);
	}
}

static void
read_steps(struct errors *e, const struct option *o, const struct node *value,
    void *field)
{
	struct canary_step *steps;
	size_t n = 0;

	if (!option_kind(e, o, value, NODE_LIST))
		return;
	if (value->n == 0 || value->n > STEPS_MAX) {
		errors_add(e, value->at, "expected 1 to %u steps, found %zu",
		    STEPS_MAX, value->n);
		return;
	}
	steps = read_alloc(e, value, sizeof *steps);
	if (steps == NULL)
		return;
	for (const struct node *m = value->first; m != NULL; m = m->next, n++) {
		const size_t before = e->n;

		option_walk(e, o->sub, m, &steps[n]);
		if (e->n == before)
			check_step(
			    e, m, &steps[n], n > 0 ? &steps[n - 1] : NULL);
	}
	release_set_steps(field, steps, n);
}

static void
check_rolling(
    struct errors *e, const struct node *value, struct strategy_terms *t)
{
	const struct node *rolling = node_get(value, "rolling");
	const struct node *ready = node_get(rolling, "min_ready");

	if (portion_none(t->max_surge) && portion_none(t->max_unavailable))
		errors_add(e, node_get(rolling, "max_surge")->at,
		    "expected \"max_surge\" or \"max_unavailable\" to be "
		    "above 0");
	if (t->progress_deadline_us == 0 ||
	    t->min_ready_us < t->progress_deadline_us)
		return;
	if (ready == NULL) /* the default gives way */
		t->min_ready_us = t->progress_deadline_us / 2;
	else
		errors_add(e, ready->at,
		    "expected \"min_ready\" to be less than "
		    "\"progress_deadline\"");
}

static void
check_release(struct errors *e, const struct node *value, struct release *r)
{
	for (size_t i = 0; i < RELEASE_STRATEGIES; i++)
		r->terms[i].progress_deadline_us =
		    r->terms[RELEASE_RECREATE].progress_deadline_us;
	check_rolling(e, value, &r->terms[RELEASE_ROLLING]);
	if (r->strategy == &strategy_ab && r->ab_match == NULL)
		errors_add(e, node_get(value, "strategy")->at,
		    "strategy ab needs \"match\" in \"ab\": who gets the "
		    "candidate");
}

void
read_release(struct errors *e, const struct option *o, const struct node *value,
    void *field)
{
	struct release *r = *(struct release **)field;
	const size_t before = e->n;

	if (r == NULL)
		return;
	option_defaults(e, o->sub, r);
	option_read_map(e, o, value, r);
	if (e->n == before && value->kind == NODE_MAP)
		check_release(e, value, r);
}
