/* Asking the data path's own functions about a request, and telling it. */
#include "control/explain.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/check.h"
#include "base/opt.h"
#include "conf/settings.h"
#include "control/question.h"
#include "proxy/admit.h"
#include "proxy/h1_parse.h"
#include "router/balance.h"
#include "router/choose.h"
#include "router/cohort.h"
#include "router/pod.h"
#include "router/release.h"
#include "router/route.h"
#include "router/route_table.h"
#include "router/split.h"
#include "router/sticky_find.h"

/* What a transaction has, and more. */
#define ARENA_MAX(header_bytes) ((size_t)8 * (header_bytes) + (64u << 10))
/* Of a text that is told: a Location, a match. */
#define TEXT_MAX 1024u
/* Versions of which the weights are told. */
#define WEIGHTS_TOLD 8u

/* Bytes of the text without the character that its end cuts. */
static size_t
whole_characters(const char *text, size_t n)
{
	size_t start = n;

	while (start > 0 && ((unsigned char)text[start - 1] & 0xc0) == 0x80)
		start--;
	if (start == 0 || (unsigned char)text[start - 1] < 0xc0)
		return n;
	start--; /* the first byte says how many there are */
	for (unsigned char first = (unsigned char)text[start], bytes = 1;
	     (first & 0x40) != 0; first = (unsigned char)(first << 1))
		if (start + ++bytes > n)
			return start;
	return n;
}

static void __attribute__((format(printf, 2, 3)))
tell(struct explanation *e, const char *fmt, ...)
{
	size_t used = strlen(e->reason), room = sizeof e->reason - used;
	va_list args;
	int n;

	va_start(args, fmt);
	n = vsnprintf(e->reason + used, room, fmt, args);
	va_end(args);
	if (n >= 0 && (size_t)n >= room)
		e->reason[whole_characters(e->reason, strlen(e->reason))] =
		    '\0';
}

static void
tell_text(struct explanation *e, struct span text)
{
	size_t n = text.n;

	if (n > TEXT_MAX)
		n = whole_characters(text.p, TEXT_MAX);
	tell(e, "%.*s%s", (int)n, text.p, n < text.n ? "..." : "");
}

/* " v1 70, v2 30" */
static void
tell_weights(
    struct explanation *e, const struct service *s, const uint64_t *weights)
{
	for (size_t i = 0; i < s->nversions && i < WEIGHTS_TOLD; i++) {
		char number[OPT_TEXT_MAX];

		opt_format(OPT_WEIGHT, weights[i], number, sizeof number);
		tell(e, "%s %s %s", i > 0 ? "," : "", s->versions[i].name,
		    number);
	}
	if (s->nversions > WEIGHTS_TOLD)
		tell(e, ", ...");
}

/* The listener's redirect or the route's, or the refusal. */
static void
tell_answer(struct explanation *e, const struct admission *a)
{
	const char *who = "The proxy answers";

	if (a->location.n > 0) {
		who = e->route != NULL ? "The route redirects"
				       : "The listener redirects to https";
		tell(e, "%s: the client gets %d with Location ", who,
		    err_status(e->answer));
		tell_text(e, a->location);
		tell(e, ".");
		return;
	}
	tell(e, "%s %d itself: %s.", who, err_status(e->answer),
	    err_words(e->answer));
}

static void
tell_no_route(struct explanation *e, const struct request *r)
{
	char host[OPT_QUOTE_MAX], path[OPT_QUOTE_MAX], method[OPT_QUOTE_MAX];

	opt_quote(r->host, host, sizeof host);
	opt_quote(r->path, path, sizeof path);
	opt_quote(r->method, method, sizeof method);
	tell(e,
	    "No route takes host %s, path %s and method %s, so the client "
	    "gets 404.",
	    host, path, method);
}

static void
tell_route(struct explanation *e)
{
	static const char *const kinds[] = {
	    [PATH_PREFIX] = "prefix",
	    [PATH_EXACT] = "exact path",
	    [PATH_REGEX] = "regex",
	};
	const struct route *route = e->route;

	tell(e, "The most special route that takes the request, %s%s and %s ",
	    route->host != NULL ? "host " : "any host",
	    route->host != NULL ? route->host : "", kinds[route->kind]);
	tell_text(e, span_of(route->path));
	tell(e, ", leads to service %s.", e->service->name);
	if (route->action != NULL && route->action->redirect != 0)
		tell(e, " It redirects, but to where the request is already.");
}

/* What users are known by: "cookie uid". */
static void
tell_key(struct explanation *e)
{
	const struct hash_key *key = &e->service->terms->cohort.key;

	switch (key->on) {
	case HASH_ON_NOTHING:
	case HASH_ON_URI:
		break;
	case HASH_ON_CLIENT:
		tell(e, "client address");
		return;
	case HASH_ON_HEADER:
		tell(e, "header %s", key->name);
		return;
	case HASH_ON_COOKIE:
		tell(e, "cookie %s", key->name);
		return;
	}
	WRONG("key of a cohort");
}

/* What by weights is decided, by the place of a user or by turns. */
struct share {
	const uint64_t *weights; /* NULL: nothing is */
	bool open; /* by an id that a newcomer is about to be given */
};

static void
tell_share(
    struct explanation *e, const struct choice *c, const struct share *share)
{
	const struct service *s = e->service;

	tell(e, " by the weights");
	tell_weights(e, s, share->weights);
	if (c->hashed) {
		tell(e, " the place of its ");
		tell_key(e);
		tell(e, ", 0.%06u, is that of version %s.",
		    (unsigned)(((c->bucket >> 32) * 1000000) >> 32),
		    c->wanted->name);
		return;
	}
	if (share->open) {
		tell(e, " chance will tell: it is given a ");
		tell_key(e);
		tell(e, " of its own.");
		return;
	}
	tell(e, " the next request");
	if (s->terms->cohort.key.on != HASH_ON_NOTHING) {
		tell(e, " without ");
		tell_key(e);
	}
	tell(e, " gets version %s.", c->wanted->name);
}

static void
tell_rule(
    struct explanation *e, const struct choice *c, const struct share *share)
{
	tell(e, " Rule %d (", c->rule);
	tell_text(e, span_of(e->match));
	tell(e, ") is the first that matches, so the service's weights play "
		"no part:");
	if (share->weights == NULL)
		tell(e, " it names version %s.", c->wanted->name);
	else
		tell_share(e, c, share);
}

/* Where no rule decides: the sticky cookie does, or the weights. */
static void
tell_no_rule(
    struct explanation *e, const struct choice *c, const struct share *share)
{
	const size_t rules = ruleset_size(e->service->rules);

	if (rules == 0)
		tell(e, " There are no rules");
	else if (rules == 1)
		tell(e, " The only rule does not match");
	else
		tell(e, " None of the %zu rules matches", rules);
	if (share->weights == NULL) {
		tell(e,
		    ", but cookie %s holds, so weights play no part: it "
		    "names version %s.",
		    e->service->terms->sticky.name, c->wanted->name);
		return;
	}
	if (sticky_is_on(e->service))
		tell(e, ", and no cookie %s holds",
		    e->service->terms->sticky.name);
	tell(e, ":");
	tell_share(e, c, share);
}

static void
tell_lead(struct explanation *e, const struct choice *c)
{
	tell(e,
	    " The %s of the release leads to version %s, before rules, "
	    "cookies and weights.",
	    e->service->leads == LEAD_PREVIEW ? "preview" : "match",
	    c->wanted->name);
}

static void
tell_closed(struct explanation *e)
{
	const struct service *s = e->service;
	const struct release *release = s->terms->release;
	char patience[OPT_TEXT_MAX];

	tell(e, " No version takes requests: the release");
	if (s->candidate < s->nversions)
		tell(e, " of %s", s->versions[s->candidate].name);
	if (release == NULL || release->park_ms == 0) {
		tell(e, " parks none, so the client gets 503.");
		e->answer = ERR_CLOSED;
		return;
	}
	opt_format(OPT_DURATION, release->park_ms, patience, sizeof patience);
	tell(e, " parks them for up to %s, %" PRIu32 " at a time.", patience,
	    release->park_limit);
}

/* Why nobody stands in for a version without a pod that is up. */
static void
tell_nobody(struct explanation *e, const struct choice *c)
{
	const struct service *s = e->service;
	const struct version *stable = &s->versions[s->stable];
	bool stands_in = s->terms->empty_stable;

	if (c->rule >= 0)
		stands_in = ruleset_empty_stable(s->rules, c->rule, stands_in);
	if (!stands_in)
		tell(e, ", and with empty: 503 no other stands in");
	else if (stable == c->version)
		tell(e, ", and it is the stable version itself");
	else
		tell(e, ", and neither has stable %s", stable->name);
	tell(e, ": the client gets 503.");
}

static void
tell_pods(struct explanation *e, const struct choice *c)
{
	const struct version *v = c->version, *wanted = c->wanted;

	if (wanted->npods == 0)
		tell(e, " %s has no pods", wanted->name);
	else if (wanted->nup == 0)
		tell(e, " Of %zu pods of %s none is up", wanted->npods,
		    wanted->name);
	if (v->nready == 0) {
		tell_nobody(e, c);
		return;
	}
	if (v != wanted)
		tell(e, ", so stable %s stands in.", v->name);
	else if (v->nup == 0)
		tell(e, ".");
	tell(e, " %zu of %zu pods of %s %s up; ", v->nup, v->npods, v->name,
	    v->nup == 1 ? "is" : "are");
	if (v->panic)
		tell(e, "in panic all %zu that are not new are asked; ",
		    v->nready);
	if (e->pod != NULL)
		tell(e, "the cookie picks %s.", e->pod->address.text);
	else
		tell(e, "%s picks.", e->service->terms->balance->name);
}

/* Whether the id that a newcomer is about to be given makes the choice. */
static bool
is_open(
    const struct service *s, const struct request *r, const uint64_t *weights)
{
	size_t shares = 0;

	if (weights == NULL || !cohort_lacks_cookie(&s->terms->cohort, r))
		return false;
	for (size_t i = 0; i < s->nversions; i++)
		shares += weights[i] > 0;
	return shares > 1;
}

/* `room` is for the service's weights. */
static struct share
find_share(const struct service *s, const struct request *r,
    const struct choice *c, uint64_t room[SPLIT_VERSIONS_MAX])
{
	struct share share = {0};

	if (c->rule >= 0) {
		share.weights = ruleset_weights(s->rules, c->rule);
	} else if (!c->stuck && !c->led) {
		for (size_t i = 0; i < s->nversions; i++)
			room[i] = ramp_weight(s, i);
		share.weights = room;
	}
	share.open = is_open(s, r, share.weights);
	return share;
}

/* From here on it is a pod that answers, if one is up. */
static void
explain_choice(struct explanation *e, const struct request *r, uint64_t now_s)
{
	uint64_t room[SPLIT_VERSIONS_MAX];
	struct share share;
	struct choice c;

	if (e->service->closed) {
		tell_route(e);
		tell_closed(e);
		return;
	}
	choose_foresee(e->service, r, now_s, &c);
	share = find_share(e->service, r, &c, room);
	e->rule = c.rule;
	e->hashed = c.hashed;
	e->bucket = c.bucket;
	tell_route(e);
	if (c.led) {
		tell_lead(e, &c);
	} else if (c.rule >= 0) {
		ruleset_describe(
		    e->service->rules, c.rule, e->match, sizeof e->match);
		e->match[whole_characters(e->match, strlen(e->match))] = '\0';
		tell_rule(e, &c, &share);
	} else {
		tell_no_rule(e, &c, &share);
	}
	if (share.open)
		return;
	e->version = c.version;
	e->pod = c.pod;
	tell_pods(e, &c);
	if (c.version->nready == 0)
		e->answer = ERR_NO_POD;
}

/*
 * Where the URL leads: those listeners that speak what it says, of them those
 * at its port, or all of them, as something in front may know other ports.
 * Port of the redirect, 0 unless all of these do it.
 */
static uint16_t
redirect_port(const struct settings *s, bool tls, unsigned port)
{
	uint16_t found = 0, there = 0;
	bool at_port = false, all = true;

	for (size_t i = 0; i < s->nlisteners; i++) {
		const struct listen_settings *l = &s->listeners[i];

		if ((l->tls != NULL) != tls)
			continue;
		if (address_port(&l->address) == port) {
			at_port = true;
			there = l->redirect_port;
		}
		all = all && l->redirect_port != 0;
		found = l->redirect_port;
	}
	if (at_port)
		return there;
	return all ? found : 0;
}

static bool
speaks_tls(const struct settings *s)
{
	for (size_t i = 0; i < s->nlisteners; i++)
		if (s->listeners[i].tls != NULL)
			return true;
	return false;
}

/* As the worker's clients do with what they read. */
static enum err
read_head(const struct asked *a, const struct limits *l, struct h1_head *h)
{
	switch (h1_parse_request((struct span){a->head, a->n}, h)) {
	case H1_DONE:
		CHECK(h->size == a->n);
		return h->size > l->header_bytes ? ERR_HEAD_TOO_LARGE
						 : ERR_NONE;
	case H1_BAD:
		return h->error;
	case H1_MORE:
		break;
	}
	WRONG("a request without end");
}

static void
explain_request(const struct asked *a, const struct plan *p,
    const struct settings *s, uint64_t now_s, struct h1_head *h,
    struct explanation *e)
{
	struct arrival from = {
	    .settings = s,
	    .address = a->address,
	    .family = a->family,
	    .ip = span_of(a->ip),
	    .tls = a->https && speaks_tls(s),
	};
	struct admission admission = {0};
	struct request r;
	struct arena arena;

	from.redirect_port = redirect_port(s, from.tls, a->port);
	arena_init(&arena, NULL, 0, ARENA_MAX(s->limits.header_bytes));
	e->answer = read_head(a, &s->limits, h);
	if (e->answer == ERR_NONE)
		e->answer = admit_request(&from, p, h, &arena, &r, &admission);
	e->service = admission.service;
	e->route = admission.route;
	if (a->https && !from.tls)
		tell(e, "No listener speaks TLS: it is taken for a request "
			"in clear text. ");
	if (e->answer == ERR_NONE)
		explain_choice(e, &r, now_s);
	else if (e->answer == ERR_NO_ROUTE)
		tell_no_route(e, &r);
	else
		tell_answer(e, &admission);
	arena_reset(&arena);
}

bool
explain(const struct asked *a, const struct plan *p, const struct settings *s,
    uint64_t now_s, struct explanation *e)
{
	struct field *fields = calloc(s->limits.header_count, sizeof *fields);
	struct h1_head h;

	*e = (struct explanation){.rule = -1};
	if (fields == NULL)
		return false;
	h1_head_init(&h, fields, s->limits.header_count);
	explain_request(a, p, s, now_s, &h, e);
	free(fields);
	return true;
}

const char *
explain_pod(const struct explanation *e, size_t i, size_t *ready)
{
	const struct version *v = e->version;
	const struct pod *pod = v->pods[i];

	if (*ready < v->nready && v->ready[*ready] == pod) {
		++*ready;
		return e->pod == NULL || e->pod == pod
			   ? ""
			   : "the sticky cookie names another pod";
	}
	if (pod->reason[0] != '\0')
		return pod->reason;
	switch (pod->state) {
	case POD_UP:
		return "up, but the plan in force does not know yet";
	case POD_STARTING:
		return "not checked yet";
	case POD_DOWN:
		return "its checks fail";
	case POD_EJECTED:
		return "it failed requests lately";
	case POD_DRAINING:
		return "it only finishes what it has";
	case POD_MAINT:
		return "taken out by hand";
	case POD_STATE_COUNT:
		break;
	}
	WRONG("state of a pod");
}
