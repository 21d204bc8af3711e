/* The option tables and readers of services, except routes and rules. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "conf/tables.h"
#include "router/release.h"
#include "router/split.h"

#define NAME_BYTES_MAX 63u

static option_reader read_versions, read_error_status, read_error_grpc,
    read_retry_on, read_budget;

const char *const empty_words[] = {"503", "stable", NULL};
static const char *const retry_version_words[] = {
    [RETRY_SAME] = "same",
    [RETRY_STABLE] = "stable",
    [RETRY_ANY] = "any",
    NULL,
};

static const struct option version_options[] = {
    {
	.key = "pods",
	.read = read_pods,
	.type = "a list of addresses",
	.help = "Addresses of the running instances, or names and ports that "
		"resolve to them; may be empty.",
	.absent = "shunt runs them, as launch says",
	.items = pod_options,
    },
    {
	.key = "protocol",
	.read = option_read_later,
	.words = pod_protocol_words,
	.absent = "that of the service",
	.help = "What the pods of this version speak.",
    },
    {
	.key = "tls",
	.read = option_read_later,
	.absent = "that of the service",
	.help = "How connections to the pods of this version are secured.",
	.shape = OPTION_MAP,
	.sub = pod_tls_options,
	.apart = true,
    },
    {
	.key = "launch",
	.read = read_launch,
	.absent = "pods are others' to run",
	.help = "Shunt runs the pods of this version itself, instead of "
		"pods.",
	.shape = OPTION_MAP,
	.sub = launch_options,
	.apart = true,
	OPTION_FIELD(struct version_spec, launch),
    },
    {.key = NULL},
};

static const struct option error_options[] = {
    {
	.key = "status",
	.read = read_error_status,
	.type = "a status such as 500, or a range such as 500-599",
	.min = 100,
	.max = 599,
	.fallback = "500-599",
	.help = "Statuses that count as errors of the version.",
    },
    {
	.key = "grpc",
	.read = read_error_grpc,
	.type = "a list of grpc-status codes from 1 to 16, or ranges such as "
		"13-15",
	.fallback = "[]",
	.help = "Values of grpc-status that count as errors, too.",
	OPTION_FIELD(struct service_spec, terms.error_grpc),
    },
    {
	.key = "body",
	.read = read_body,
	.type = "a Perl-compatible regular expression",
	.fallback = "",
	.help = "Found in the first 64 KiB of the body of any other answer it "
		"makes it an error, too; \"\" = bodies are not looked at.",
	OPTION_FIELD(struct service_spec, terms.error_body),
    },
    {
	.key = "header",
	.read = read_headers,
	.type = "a map from header names to values, or a list of such maps",
	.absent = "headers are not looked at",
	.help = "Answers with these headers are errors, too.",
	OPTION_FIELD(struct service_spec, terms.error_header),
    },
    {.key = NULL},
};

static const struct option retry_options[] = {
    {
	.key = "attempts",
	.read = option_read_value,
	.kind = OPT_COUNT,
	.max = 10,
	.fallback = "1",
	.help = "Additional attempts, each on another pod; 0 = never.",
	OPTION_FIELD(struct retry_spec, attempts),
    },
    {
	.key = "on",
	.read = read_retry_on,
	.type = "a list of connect, reset, timeout and status",
	.fallback = "[connect, reset]",
	.help = "After which failures: the pod did not accept the "
		"connection, closed it before it answered, did not answer "
		"in time, or answered with a status that counts as an error.",
	OPTION_FIELD(struct retry_spec, on),
    },
    {
	.key = "version",
	.read = option_read_word,
	.words = retry_version_words,
	.fallback = "same",
	.help = "Whose pods are tried: those of the version that failed, of "
		"the stable version, or of any other version.",
	OPTION_FIELD(struct retry_spec, version),
    },
    {
	.key = "budget",
	.read = read_budget,
	.type = "a percentage from 0% to 100% with at most two decimals",
	.fallback = "20%",
	.help = "Retries of the service, at most, per hundred requests; 100% "
		"= no limit.",
	OPTION_FIELD(struct retry_spec, budget),
    },
    {
	.key = "body_bytes",
	.read = option_read_value,
	.kind = OPT_SIZE,
	.max = 16u << 20,
	.fallback = "64KiB",
	.help = "Up to this size a request body is kept to be sent again.",
	OPTION_FIELD(struct retry_spec, body_bytes),
    },
    {.key = NULL},
};

const struct option service_options[] = {
    {
	.key = "routes",
	.read = read_routes,
	.type = "a list of routes",
	.absent = "every request",
	.help = "Hosts and paths that lead to the service.",
	.shape = OPTION_LIST,
	.sub = route_options,
    },
    {
	.key = "versions",
	.read = read_versions,
	.type = "a map of versions",
	.help = "Its releases, at least one.",
	.required = true,
	.shape = OPTION_NAMED,
	.sub = version_options,
    },
    {
	.key = "protocol",
	.read = option_read_later,
	.words = pod_protocol_words,
	.fallback = "h1",
	.help = "What pods speak: HTTP/1.1, HTTP/2 over TLS, or HTTP/2 in "
		"clear text.",
    },
    {
	.key = "tls",
	.read = option_read_later,
	.absent = "clear text, or the defaults below with h2",
	.help = "Connections to the pods are secured: whom to trust, and who "
		"we are.",
	.shape = OPTION_MAP,
	.sub = pod_tls_options,
	.apart = true,
    },
    {
	.key = "stable",
	.read = option_read_later,
	.type = "the name of a version",
	.absent = "the first version in the file",
	.help = "The version last promoted, where rollback goes.",
    },
    {
	.key = "weights",
	.read = option_read_later,
	.type = "a map from versions to weights",
	.absent = "stable 100, the others 0",
	.help = "Shares of what no rule decides, from 0 to 1000000 with at "
		"most four decimals; a version that is not named has 0.",
    },
    {
	.key = "rules",
	.read = read_rules,
	.type = "a list of rules",
	.absent = "no rules",
	.help = "Requests that go to a certain version; the first match "
		"wins, before the weights.",
	.shape = OPTION_LIST,
	.sub = rule_options,
    },
    {
	.key = "cohort",
	.read = read_cohort,
	.type = "request, client_ip or a map with one of the keys header, "
		"cookie",
	.fallback = "request",
	.help = "What is given a version by weight: each request by itself, "
		"or all of a client's address, or all with the same value of "
		"a key below.",
	.shape = OPTION_MAP,
	.sub = cohort_options,
	.apart = true,
	OPTION_FIELD(struct service_spec, terms.cohort),
    },
    {
	.key = "sticky",
	.read = read_sticky,
	.absent = "off",
	.help = "Clients keep the version that the weights gave them, by a "
		"signed cookie.",
	.shape = OPTION_MAP,
	.sub = sticky_options,
	.apart = true,
	OPTION_FIELD(struct service_spec, terms.sticky),
    },
    {
	.key = "balance",
	.read = read_balance,
	.type = "a balance policy",
	.fallback = "least_request",
	.help = "How a pod of the version is picked: round_robin, random, "
		"least_request, ewma, or by a hash.",
	.shape = OPTION_MAP,
	.sub = balance_options,
	.apart = true,
    },
    {
	.key = "health",
	.read = read_health,
	.absent = "no checks: pods are up at once",
	.help = "Checks of the pods.",
	.shape = OPTION_MAP,
	.sub = health_options,
	OPTION_FIELD(struct service_spec, terms.health),
    },
    {
	.key = "outlier",
	.read = read_outlier,
	.absent = "no pod is ejected",
	.help = "Pods that fail on live traffic get none for a while.",
	.shape = OPTION_MAP,
	.sub = outlier_options,
	OPTION_FIELD(struct service_spec, terms.outlier),
    },
    {
	.key = "panic",
	.read = option_read_value,
	.kind = OPT_PERCENT,
	.max = OPT_PERCENT_MAX,
	.fallback = "0%",
	.help = "When less than this share of a version's pods is up, all of "
		"them are asked; 0% = never.",
	OPTION_FIELD(struct service_spec, terms.panic),
    },
    {
	.key = "slow_start",
	.read = option_read_value,
	.kind = OPT_DURATION,
	.max = 24 * HOUR,
	.fallback = "0s",
	.help = "Over this time a pod that comes up grows into its share.",
	OPTION_FIELD(struct service_spec, terms.slow_start_ms),
    },
    {
	.key = "ramp",
	.read = option_read_value,
	.kind = OPT_DURATION,
	.max = 24 * HOUR,
	.fallback = "0s",
	.help = "Over this time a version whose first pod comes up grows into "
		"its share; the rest goes to the stable version.",
	OPTION_FIELD(struct service_spec, terms.ramp_ms),
    },
    {
	.key = "errors",
	.read = option_read_map,
	.absent = "the defaults below",
	.help = "What counts against a version.",
	.shape = OPTION_MAP,
	.sub = error_options,
    },
    {
	.key = "retry",
	.read = option_read_map,
	.absent = "the defaults below",
	.help = "When a request is sent again.",
	.shape = OPTION_MAP,
	.sub = retry_options,
	OPTION_FIELD(struct service_spec, terms.retry),
    },
    {
	.key = "limits",
	.read = read_load,
	.absent = "no limits",
	.help = "How much the versions and their pods get at a time.",
	.shape = OPTION_MAP,
	.sub = load_options,
	OPTION_FIELD(struct service_spec, terms.limits),
    },
    {
	.key = "mirror",
	.read = read_mirror,
	.absent = "nothing is mirrored",
	.help = "A version that gets a share of the requests once more, as "
		"copies whose answers are discarded and counted.",
	.shape = OPTION_MAP,
	.sub = mirror_options,
	OPTION_FIELD(struct service_spec, terms.mirror),
    },
    {
	.key = "empty",
	.read = option_read_word,
	.words = empty_words,
	.fallback = "stable",
	.help = "Who answers for a version without a pod that is up: the "
		"stable version, or the proxy with 503.",
	OPTION_FIELD(struct service_spec, terms.empty_stable),
    },
    {
	.key = "release",
	.read = read_release,
	.absent = "the defaults below",
	.help = "How `shunt rollout start` proceeds.",
	.shape = OPTION_MAP,
	.sub = release_options,
	.apart = true,
	OPTION_FIELD(struct service_spec, terms.release),
    },
    {.key = NULL},
};

/* A copy of the key of a service or version; NULL when it is no name. */
static char *
read_name(struct errors *e, const struct node *key)
{
	char found[OPT_QUOTE_MAX];
	size_t n = 0;

	while (n <= NAME_BYTES_MAX && key->text[n] != '\0' &&
	       (isalnum((unsigned char)key->text[n]) ||
		   strchr("_.-", key->text[n]) != NULL))
		n++;
	if (n > 0 && n <= NAME_BYTES_MAX && key->text[n] == '\0')
		return read_copy(e, key->text);
	opt_quote(span_of(key->text), found, sizeof found);
	errors_add(e, key->at,
	    "expected a name of 1 to %u letters, digits, \"_\", \".\" or "
	    "\"-\", found %s",
	    NAME_BYTES_MAX, found);
	return NULL;
}

/* Its pods are those of the file, or run by shunt. */
static void
check_source(struct errors *e, const struct node *version, size_t before)
{
	const struct node *pods = node_get(version, "pods");
	const struct node *launch = node_get(version, "launch");

	if (pods != NULL && launch != NULL)
		errors_add(e, launch->key->at,
		    "expected either \"pods\" or \"launch\", found both");
	else if (pods == NULL && launch == NULL && e->n == before)
		errors_add(
		    e, version->at, "missing key \"pods\" or \"launch\"");
}

static void
read_version(struct errors *e, const struct option *o,
    const struct node *version, struct version_spec *v)
{
	static const struct option self = {
	    .type = "a map with the key pods or launch"};
	const size_t before = e->n;

	if (!option_kind(e, &self, version, NODE_MAP))
		return;
	option_walk(e, o->sub, version, v);
	check_source(e, version, before);
}

static void
read_versions(struct errors *e, const struct option *o,
    const struct node *value, void *field)
{
	struct service_spec *s = field;

	if (!option_kind(e, o, value, NODE_MAP))
		return;
	if (value->n == 0 || value->n > SPLIT_VERSIONS_MAX) {
		errors_add(e, value->at, "expected 1 to %u versions, found %zu",
		    SPLIT_VERSIONS_MAX, value->n);
		return;
	}
	s->versions = read_alloc(e, value, sizeof *s->versions);
	if (s->versions == NULL)
		return;
	for (const struct node *m = value->first; m != NULL; m = m->next) {
		struct version_spec *v = &s->versions[s->nversions++];

		v->name = read_name(e, m->key);
		read_version(e, o, m, v);
	}
}

static void
read_error_status(struct errors *e, const struct option *o,
    const struct node *value, void *field)
{
	struct service_spec *s = field;

	read_range(e, o, value, &s->terms.error_min, &s->terms.error_max);
}

static void
read_error_grpc(struct errors *e, const struct option *o,
    const struct node *value, void *field)
{
	const struct option item = {
	    .type = "a grpc-status from 1 to 16, or a range such as 13-15",
	    .min = 1,
	    .max = 16,
	};
	uint32_t *codes = field;
	int first, last;

	if (!option_kind(e, o, value, NODE_LIST))
		return;
	for (const struct node *m = value->first; m != NULL; m = m->next)
		if (read_range(e, &item, m, &first, &last))
			for (int i = first; i <= last; i++)
				*codes |= 1u << i;
}

static void
read_retry_on(struct errors *e, const struct option *o,
    const struct node *value, void *field)
{
	const struct option item = {
	    .type = "connect, reset, timeout or status"};
	static const struct {
		const char *word;
		unsigned bit;
	} words[] = {{"connect", RETRY_CONNECT}, {"reset", RETRY_RESET},
	    {"timeout", RETRY_TIMEOUT}, {"status", RETRY_STATUS}, {NULL, 0}};
	unsigned *on = field;
	size_t n;

	if (!option_kind(e, o, value, NODE_LIST))
		return;
	*on = 0;
	for (const struct node *m = value->first; m != NULL; m = m->next) {
		const char *text = option_text(e, &item, m);

		if (text == NULL)
			continue;
		n = 0;
		while (
		    words[n].word != NULL && strcmp(text, words[n].word) != 0)
			n++;
		if (words[n].word != NULL)
			*on |= words[n].bit;
		else
			option_refuse(e, &item, m);
	}
}

/* In hundredths of a percent. */
static void
read_budget(struct errors *e, const struct option *o, const struct node *value,
    void *field)
{
	const unsigned unit = OPT_DECIMALS / 100;
	const char *text = option_text(e, o, value);
	uint64_t n;

	if (text == NULL)
		return;
	if (!opt_parse(OPT_PERCENT, span_of(text), &n) || n > OPT_PERCENT_MAX ||
	    n % unit != 0)
		option_refuse(e, o, value);
	else
		*(unsigned *)field = (unsigned)(n / unit);
}

/* A service without routes takes every request. */
static void
add_default_route(struct errors *e, struct service_spec *s)
{
	s->routes = calloc(1, sizeof *s->routes);
	if (s->routes == NULL) {
		errors_no_memory(e);
		return;
	}
	s->nroutes = 1;
	s->routes[0].kind = PATH_PREFIX;
	s->routes[0].path = read_copy(e, "/");
}

static void
read_service(struct errors *e, const struct option *o, const struct node *value,
    struct service_spec *s)
{
	s->name = read_name(e, value->key);
	option_defaults(e, o->sub, s);
	s->terms.retry.on = RETRY_CONNECT | RETRY_RESET;
	s->terms.release = release_new();
	if (s->terms.release == NULL)
		errors_no_memory(e);
	option_walk(e, o->sub, value, s);
	if (node_get(value, "routes") == NULL)
		add_default_route(e, s);
	resolve_versions(e, value, s);
	resolve_links(e, value, s);
	check_health(e, value, s);
}

void
read_services(struct errors *e, const struct option *o,
    const struct node *value, void *field)
{
	struct spec *spec = *(struct spec **)field;

	if (!option_kind(e, o, value, NODE_MAP))
		return;
	if (value->n == 0)
		errors_add(e, value->at, "expected at least one service");
	spec->services = read_alloc(e, value, sizeof *spec->services);
	if (spec->services == NULL)
		return;
	for (const struct node *m = value->first; m != NULL; m = m->next)
		read_service(e, o, m, &spec->services[spec->nservices++]);
}
