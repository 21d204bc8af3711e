/* The option tables and readers of health checks, and what goes together. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "conf/tables.h"

#define PATH_BYTES_MAX 2048u
#define WHY_MAX	       256u
#define HEALTH(field, least, most)                                \
	.read = option_read_value, .min = (least), .max = (most), \
	OPTION_FIELD(struct health_rules, field)

static option_reader read_health_path, read_grpc_service, read_good_statuses;

static const char *const initial_words[] = {"starting", "up", NULL};
static const char *const type_words[] = {
    [HEALTH_HTTP] = "http",
    [HEALTH_TCP] = "tcp",
    [HEALTH_GRPC] = "grpc",
    NULL,
};

static const struct option expect_options[] = {
    {
	.key = "status",
	.read = read_good_statuses,
	.type = "a status such as 200, a range such as 200-299, or a list of "
		"them",
	.min = HEALTH_STATUS_MIN,
	.max = HEALTH_STATUS_MAX,
	.fallback = "200-299",
	.help = "Statuses of a good answer.",
    },
    {
	.key = "body",
	.read = read_body,
	.type = "a Perl-compatible regular expression",
	.fallback = "",
	.help = "Found in the first 64 KiB of the body; \"\" = anything.",
	OPTION_FIELD(struct health_rules, body),
    },
    {.key = NULL},
};

const struct option health_options[] = {
    {
	.key = "type",
	.read = option_read_word,
	.words = type_words,
	.fallback = "http",
	.help = "A request, a connection, or a call of gRPC's health service.",
	OPTION_FIELD(struct health_rules, type),
    },
    {
	.key = "path",
	.read = read_health_path,
	.type = "a path that begins with /",
	.fallback = "/healthz",
	.help = "What is asked of the pod.",
	OPTION_FIELD(struct health_rules, path),
    },
    {
	.key = "host",
	.read = read_authority,
	.type = "a host such as shop.example.com, perhaps with a port",
	.absent = "the pod's address, localhost for a Unix socket",
	.help = "Host that is asked for.",
	OPTION_FIELD(struct health_rules, host),
    },
    {
	.key = "method",
	.read = option_read_word,
	.words = health_methods,
	.fallback = "GET",
	.help = "Method of the request.",
	OPTION_FIELD(struct health_rules, method),
    },
    {
	.key = "headers",
	.read = read_fields,
	.type = "a map from header names to values",
	.absent = "User-Agent and Accept",
	.help = "Headers of the request, besides or instead of ours.",
	OPTION_FIELD(struct health_rules, headers),
    },
    {
	.key = "port",
	HEALTH(port, 1, 65535),
	.kind = OPT_COUNT,
	.absent = "that of the pod",
	.help = "Port that is checked.",
    },
    {
	.key = "grpc_service",
	.read = read_grpc_service,
	.type = "the name of a gRPC service, or \"\"",
	.fallback = "",
	.help = "Service whose health is asked for; \"\" = that of the server.",
	OPTION_FIELD(struct health_rules, grpc_service),
    },
    {
	.key = "interval",
	HEALTH(interval_ms, 1, 24 * HOUR),
	.kind = OPT_DURATION,
	.fallback = "2s",
	.help = "From one check of a pod to the next.",
    },
    {
	.key = "fast_interval",
	HEALTH(fast_interval_ms, 1, 24 * HOUR),
	.kind = OPT_DURATION,
	.absent = "interval",
	.help = "The same while the pod starts, or checks begin to differ "
		"from its state.",
    },
    {
	.key = "timeout",
	HEALTH(timeout_ms, 1, 24 * HOUR),
	.kind = OPT_DURATION,
	.fallback = "1s",
	.help = "How long a pod may take to answer a check.",
    },
    {
	.key = "rise",
	HEALTH(rise, 1, 1000),
	.kind = OPT_COUNT,
	.fallback = "2",
	.help = "Good checks in a row until a pod is up.",
    },
    {
	.key = "fall",
	HEALTH(fall, 1, 1000),
	.kind = OPT_COUNT,
	.fallback = "3",
	.help = "Bad checks in a row until a pod is down.",
    },
    {
	.key = "start_period",
	HEALTH(start_period_ms, 0, 24 * HOUR),
	.kind = OPT_DURATION,
	.fallback = "0s",
	.help = "How long bad checks of a starting pod do not count, until "
		"the first good one.",
    },
    {
	.key = "initial",
	.read = option_read_word,
	.words = initial_words,
	.fallback = "starting",
	.help = "State in which a pod joins.",
	OPTION_FIELD(struct health_rules, initial_up),
    },
    {
	.key = "expect",
	.read = option_read_map,
	.absent = "the defaults below",
	.help = "What makes an answer a good one.",
	.shape = OPTION_MAP,
	.sub = expect_options,
    },
    {.key = NULL},
};

/* What is of use with which types; the other keys are with all of them. */
static const struct {
	const char *key;
	unsigned types; /* bits */
} uses[] = {
    {"path", 1u << HEALTH_HTTP},
    {"host", 1u << HEALTH_HTTP | 1u << HEALTH_GRPC},
    {"method", 1u << HEALTH_HTTP},
    {"headers", 1u << HEALTH_HTTP | 1u << HEALTH_GRPC},
    {"grpc_service", 1u << HEALTH_GRPC},
    {"expect", 1u << HEALTH_HTTP},
};

void
read_health(struct errors *e, const struct option *o, const struct node *value,
    void *field)
{
	struct health_rules *h = field;

	h->enabled = true;
	option_read_map(e, o, value, field);
}

static void
read_health_path(struct errors *e, const struct option *o,
    const struct node *value, void *field)
{
	char **path = field;
	const char *text = option_text(e, o, value);
	size_t n = 0;

	if (text == NULL)
		return;
	while (isgraph((unsigned char)text[n]) && text[n] != '#')
		n++;
	if (text[0] != '/' || text[n] != '\0') {
		option_refuse(e, o, value);
	} else if (n > PATH_BYTES_MAX) {
		errors_add(e, value->at, "expected at most %u bytes, found %zu",
		    PATH_BYTES_MAX, n);
	} else {
		free(*path);
		*path = read_copy(e, text);
	}
}

static void
read_grpc_service(struct errors *e, const struct option *o,
    const struct node *value, void *field)
{
	char **name = field;
	const char *text = option_text(e, o, value);
	size_t n = 0;

	if (text == NULL)
		return;
	while (isgraph((unsigned char)text[n]))
		n++;
	if (text[n] != '\0' || n > HEALTH_GRPC_SERVICE_MAX) {
		option_refuse(e, o, value);
	} else {
		free(*name);
		*name = read_copy(e, text);
	}
}

/* In place of the default. */
static void
read_good_statuses(struct errors *e, const struct option *o,
    const struct node *value, void *field)
{
	const struct option item = {
	    .type = "a status such as 200, or a range such as 200-299",
	    .min = o->min,
	    .max = o->max,
	};
	const bool list = value->kind == NODE_LIST;
	struct health_rules *h = field;
	const struct node *m = list ? value->first : value;
	int first, last;

	memset(h->statuses, 0, sizeof h->statuses);
	if (list && value->n == 0)
		errors_add(e, value->at, "expected at least one status");
	for (; m != NULL; m = list ? m->next : NULL)
		if (read_range(e, list ? &item : o, m, &first, &last))
			health_add_statuses(h, first, last);
}

void
read_body(struct errors *e, const struct option *o, const struct node *value,
    void *field)
{
	struct pattern **body = field;
	const char *text = option_text(e, o, value);
	char why[WHY_MAX] = "out of memory";

	if (text == NULL || text[0] == '\0')
		return;
	*body = pattern_new(PATTERN_REGEX, text, why, sizeof why);
	if (*body == NULL)
		errors_add(e, value->at, "%s", why);
}

/* Keys that would be without effect are slips. */
static void
check_uses(
    struct errors *e, const struct node *health, const struct health_rules *h)
{
	const struct node *m;

	for (size_t i = 0; i < sizeof uses / sizeof uses[0]; i++) {
		m = node_get(health, uses[i].key);
		if (m != NULL && (uses[i].types >> h->type & 1) == 0)
			errors_add(e, m->key->at,
			    "\"%s\" is of no use with type %s", uses[i].key,
			    type_words[h->type]);
	}
}

/* A call has fields of its own (gRPC over HTTP/2, "Requests"). */
static void
check_grpc_headers(struct errors *e, const struct node *headers)
{
	static const char *const own[] = {"content-type", "grpc-timeout"};

	if (headers == NULL || headers->kind != NODE_MAP)
		return;
	for (const struct node *m = headers->first; m != NULL; m = m->next)
		for (size_t i = 0; i < sizeof own / sizeof own[0]; i++)
			if (strcasecmp(m->key->text, own[i]) == 0)
				errors_add(e, m->key->at,
				    "header \"%s\" is the check's own to write",
				    m->key->text);
}

static void
check_values(
    struct errors *e, const struct node *health, const struct health_rules *h)
{
	const struct node *fast = node_get(health, "fast_interval");
	const struct node *expect = node_get(health, "expect");
	char interval[OPT_TEXT_MAX];

	opt_format(OPT_DURATION, h->interval_ms, interval, sizeof interval);
	if (fast != NULL && h->fast_interval_ms > h->interval_ms)
		errors_add(e, fast->at,
		    "expected at most the interval, which is %s", interval);
	if (h->type == HEALTH_HTTP && h->method == HEALTH_HEAD &&
	    h->body != NULL)
		errors_add(e, node_get(expect, "body")->key->at,
		    "\"body\" is of no use with method HEAD");
	if (h->type == HEALTH_GRPC)
		check_grpc_headers(e, node_get(health, "headers"));
}

static void
check_pods(struct errors *e, const struct node *health,
    const struct health_rules *h, const struct version_spec *v)
{
	const struct node *port = node_get(health, "port");

	if (h->type == HEALTH_GRPC && v->protocol == POD_HTTP1 &&
	    v->name != NULL)
		errors_add(e, node_get(health, "type")->at,
		    "grpc needs pods that speak HTTP/2: the protocol of "
		    "version \"%s\" is h1, expected h2 or h2c",
		    v->name);
	for (size_t i = 0; port != NULL && i < v->npods; i++) {
		if (!address_is_unix(&v->pods[i]))
			continue;
		errors_add(
		    e, port->at, "pod \"%s\" has no ports", v->pods[i].text);
		break;
	}
}

void
check_health(
    struct errors *e, const struct node *service, const struct service_spec *s)
{
	const struct node *health = node_get(service, "health");
	const struct health_rules *h = &s->terms.health;

	if (health == NULL || health->kind != NODE_MAP)
		return;
	check_uses(e, health, h);
	check_values(e, health, h);
	for (size_t i = 0; i < s->nversions; i++)
		check_pods(e, health, h, &s->versions[i]);
}
