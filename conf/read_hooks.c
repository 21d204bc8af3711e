/* Who is told or asked of a release, and when it may go on. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/address.h"
#include "conf/tables.h"
#include "router/release.h"
#include "strategies/schedule.h"

#define HTTP "http://"

static option_reader read_url, read_phases;

static const char *const wait_words[] = {
    [HOOK_TELL] = "false", [HOOK_ASK] = "true", NULL};

const struct option hook_options[] = {
    {
	.key = "url",
	.read = read_url,
	.type = "a URL with a numeric IP address, such as "
		"http://127.0.0.1:9000/hook",
	.help = "Where a POST is sent to.",
	.required = true,
	OPTION_FIELD(struct hook, url),
    },
    {
	.key = "phases",
	.read = read_phases,
	.type = "a list of phases",
	.absent = "all phases",
	.help = "Which phases of a rollout are told: starting, progressing, "
		"paused, promoting, rolling_back, done, rolled_back, failed.",
	OPTION_FIELD(struct hook, phases),
    },
    {
	.key = "wait",
	.read = option_read_word,
	.words = wait_words,
	.type = "true or false",
	.fallback = "false",
	.help = "Whether the phase waits for the answer: 2xx goes on, 4xx "
		"ends the rollout, anything else is asked again.",
	OPTION_FIELD(struct hook, kind),
    },
    {
	.key = "timeout",
	.read = option_read_value,
	.kind = OPT_DURATION,
	.min = 1,
	.max = HOUR,
	.fallback = "5s",
	.help = "How long a call may take.",
	OPTION_FIELD(struct hook, timeout_ms),
    },
    {
	.key = "retry",
	.read = option_read_value,
	.kind = OPT_DURATION,
	.min = 100,
	.max = HOUR,
	.fallback = "10s",
	.help = "From one call without an answer, or with one that says "
		"neither yes nor no, to the next.",
	OPTION_FIELD(struct hook, retry_ms),
    },
    {.key = NULL},
};

static bool
visible(const char *s)
{
	for (; *s != '\0'; s++)
		if (*s <= ' ' || *s > '~' || *s == '#')
			return false;
	return true;
}

/* A host and perhaps a port: with one, in either case. */
static bool
read_host(struct span host, char *buf, size_t size)
{
	struct address a;

	snprintf(buf, size, "%.*s", SPAN_ARG(host));
	if (!address_parse(span_of(buf), &a))
		snprintf(buf, size, "%.*s:80", SPAN_ARG(host));
	return host.n < size - 3 && address_parse(span_of(buf), &a) &&
	       !address_is_unix(&a);
}

static void
read_url(struct errors *e, const struct option *o, const struct node *value,
    void *field)
{
	const char *text = option_text(e, o, value), *path;
	char host[ADDRESS_TEXT_MAX];
	struct span rest;

	if (text == NULL)
		return;
	rest = span_of(text);
	if (strncmp(text, HTTP, strlen(HTTP)) == 0) {
		rest.p += strlen(HTTP);
		rest.n -= strlen(HTTP);
	}
	path = rest.p + strcspn(rest.p, "/?");
	if (rest.p == text || !visible(path) ||
	    !read_host((struct span){rest.p, (size_t)(path - rest.p)}, host,
		sizeof host)) {
		option_refuse(e, o, value);
		return;
	}
	if (asprintf((char **)field, HTTP "%s%s%s", host,
		path[0] == '/' ? "" : "/", path) < 0) {
		*(char **)field = NULL;
		errors_no_memory(e);
	}
}

static void
read_phases(struct errors *e, const struct option *o, const struct node *value,
    void *field)
{
	const struct option item = {
	    .type = "one of starting, progressing, paused, promoting, "
		    "rolling_back, done, rolled_back, failed",
	};
	uint32_t *phases = field;

	if (!option_kind(e, o, value, NODE_LIST))
		return;
	if (value->n == 0)
		errors_add(e, value->at, "expected at least one phase");
	*phases = 0;
	for (const struct node *m = value->first; m != NULL; m = m->next) {
		const char *text = option_text(e, &item, m);
		enum rollout_phase phase;

		if (text == NULL)
			continue;
		phase = rollout_phase_find(text);
		if (phase == ROLLOUT_PHASE_COUNT)
			option_refuse(e, &item, m);
		else
			*phases |= 1u << phase;
	}
}

void
read_hooks(struct errors *e, const struct option *o, const struct node *value,
    void *field)
{
	struct release *r = field;

	if (!option_kind(e, o, value, NODE_LIST))
		return;
	r->hooks = read_alloc(e, value, sizeof *r->hooks);
	if (r->hooks == NULL)
		return;
	for (const struct node *m = value->first; m != NULL; m = m->next) {
		struct hook *h = &r->hooks[r->nhooks++];

		h->phases = (1u << ROLLOUT_PHASE_COUNT) - 1;
		option_defaults(e, o->sub, h);
		option_walk(e, o->sub, m, h);
	}
}

static void
add_window(struct errors *e, const struct option *o, const struct node *value,
    struct schedule *s)
{
	char why[128], found[OPT_QUOTE_MAX];
	const char *text = option_text(e, o, value);

	if (text == NULL || schedule_add(s, text, why, sizeof why))
		return;
	opt_quote(span_of(text), found, sizeof found);
	errors_add(e, value->at, "%s, found %s", why, found);
}

void
read_schedule(struct errors *e, const struct option *o,
    const struct node *value, void *field)
{
	struct schedule *s = schedule_new();

	*(struct schedule **)field = s;
	if (s == NULL) {
		errors_no_memory(e);
		return;
	}
	if (value->kind != NODE_LIST) {
		add_window(e, o, value, s);
		return;
	}
	if (value->n == 0)
		errors_add(e, value->at, "expected at least one window");
	for (const struct node *m = value->first; m != NULL; m = m->next)
		add_window(e, o, m, s);
}
