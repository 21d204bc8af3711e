/* Who is told or asked of a release, and when it may go on. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/address.h"
#include "conf/tables.h"
#include "router/release.h"
#include "strategies/schedule.h"

#define HTTP  "http://"
#define HTTPS "https://"
/* Of a host and a port. */
#define HOST_SIZE 272u

static option_reader read_url, read_phases;

static const char *const wait_words[] = {
    [HOOK_TELL] = "false", [HOOK_ASK] = "true", NULL};

const struct option hook_options[] = {
    {
	.key = "url",
	.read = read_url,
	.type = "a URL such as http://127.0.0.1:9000/hook or "
		"https://hooks.example/shunt",
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

/* What a URL says, and what its scheme does. */
struct url {
	const char *scheme, *port;
	struct span authority;
	const char *path;
	char host[HOST_SIZE]; /* with a port */
	bool localhost;
};

static bool
split_url(const char *text, struct url *u)
{
	const bool secure = strncmp(text, HTTPS, strlen(HTTPS)) == 0;

	u->scheme = secure ? HTTPS : HTTP;
	u->port = secure ? "443" : "80";
	if (strncmp(text, u->scheme, strlen(u->scheme)) != 0)
		return false;
	u->authority.p = text + strlen(u->scheme);
	u->authority.n = strcspn(u->authority.p, "/?");
	u->path = u->authority.p + u->authority.n;
	return u->authority.n < HOST_SIZE - strlen(":65535") &&
	       visible(u->path);
}

static bool
read_numeric(struct url *u)
{
	const struct span host = u->authority;
	struct address a;

	snprintf(u->host, sizeof u->host, "%.*s", SPAN_ARG(host));
	if (!address_parse(span_of(u->host), &a))
		snprintf(u->host, sizeof u->host, "%.*s:%s", SPAN_ARG(host),
		    u->port);
	return address_parse(span_of(u->host), &a) && !address_is_unix(&a);
}

static bool
read_named(struct url *u)
{
	struct span rest = u->authority;
	const struct span name = span_cut(&rest, ':');
	const struct span port = rest.p != NULL ? rest : span_of(u->port);
	size_t used;
	uint64_t n;

	snprintf(u->host, sizeof u->host, "%.*s", SPAN_ARG(name));
	if (!read_host_name(u->host) || !opt_parse(OPT_COUNT, port, &n) ||
	    n < 1 || n > UINT16_MAX)
		return false;
	u->localhost = read_localhost(u->host);
	used = strlen(u->host);
	snprintf(u->host + used, sizeof u->host - used, ":%u", (unsigned)n);
	return true;
}

static void
refuse_localhost(struct errors *e, const struct node *value)
{
	char found[OPT_QUOTE_MAX];

	opt_quote(span_of(value->text), found, sizeof found);
	errors_add(e, value->at,
	    "expected the address 127.0.0.1 or [::1], which no name server "
	    "is asked for, found %s",
	    found);
}

static void
read_url(struct errors *e, const struct option *o, const struct node *value,
    void *field)
{
	const char *text = option_text(e, o, value);
	struct url u = {.localhost = false};

	if (text == NULL)
		return;
	if (!split_url(text, &u) || (!read_numeric(&u) && !read_named(&u))) {
		option_refuse(e, o, value);
		return;
	}
	if (u.localhost) {
		refuse_localhost(e, value);
		return;
	}
	if (asprintf((char **)field, "%s%s%s%s", u.scheme, u.host,
		u.path[0] == '/' ? "" : "/", u.path) < 0) {
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
