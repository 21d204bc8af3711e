/* Rounds of questions about a name, and what follows from them. */
#include "control/name.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/address.h"
#include "base/check.h"
#include "conf/settings.h"
#include "control/name_targets.h"
#include "router/spec.h"

#define NAME_MAGIC 0x4a3e0001u
#define MS_US	   1000u

struct name {
	unsigned magic;
	struct pod_name as;		   /* texts of our own */
	struct resolver_settings settings; /* without its servers */
	struct targets round, kept;
	bool broken; /* this round lacked memory */
	/* what is kept resolves to */
	struct address *list;
	uint16_t *weights;
	size_t n;
	bool cut;
	enum name_state state;
	enum dns_outcome outcome; /* of what went wrong; DNS_OK: nothing */
	char problem[DNS_NAME_MAX + 128];
	unsigned failures; /* in a row */
	uint64_t good_us, due_us;
	uint64_t empty_us; /* since then it is empty; 0: it is not */
};

const char *
name_state_name(enum name_state state)
{
	static const char *const names[] = {
	    [NAME_NEW] = "new",
	    [NAME_GOOD] = "resolved",
	    [NAME_EMPTY] = "empty",
	    [NAME_FAILING] = "failing",
	};

	CHECK(state <= NAME_FAILING);
	return names[state];
}

struct name *
name_new(const struct pod_name *as, const struct resolver_settings *settings)
{
	struct name *n = calloc(1, sizeof *n);

	if (n == NULL)
		return NULL;
	n->magic = NAME_MAGIC;
	n->as.text = strdup(as->text);
	n->as.host = strdup(as->host);
	n->as.port = as->port;
	name_follow(n, as, settings);
	if (n->as.text != NULL && n->as.host != NULL)
		return n;
	name_free(n);
	return NULL;
}

void
name_free(struct name *n)
{
	if (n == NULL)
		return;
	CHECK_OBJ(n, NAME_MAGIC);
	targets_clear(&n->round);
	targets_clear(&n->kept);
	free(n->list);
	free(n->weights);
	pod_name_clear(&n->as);
	n->magic = 0;
	free(n);
}

void
name_follow(struct name *n, const struct pod_name *as,
    const struct resolver_settings *settings)
{
	CHECK_OBJ(n, NAME_MAGIC);
	n->settings = *settings;
	n->settings.servers = NULL;
	n->as.weight = as->weight;
	if (n->as.port == 0)
		return;
	for (size_t i = 0; i < n->kept.n; i++)
		n->kept.list[i].weight = as->weight;
	for (size_t i = 0; i < n->n; i++)
		n->weights[i] = as->weight;
}

/* The round. */

int
name_begin(struct name *n)
{
	int rc;

	CHECK_OBJ(n, NAME_MAGIC);
	targets_clear(&n->round);
	n->broken = false;
	if (n->as.port == 0)
		rc = targets_part(&n->round, n->as.host, DNS_SRV) != NULL ? 0
									  : -1;
	else
		rc = targets_add(&n->round, n->as.host, n->settings.family,
		    n->as.port, n->as.weight);
	if (rc < 0) {
		targets_clear(&n->round);
		n->broken = true;
	}
	return rc;
}

bool
name_next(struct name *n, struct name_question *q)
{
	CHECK_OBJ(n, NAME_MAGIC);
	for (size_t i = 0; i < n->round.nparts; i++) {
		struct part *p = &n->round.parts[i];

		if (p->asked)
			continue;
		p->asked = true;
		*q = (struct name_question){
		    .number = i,
		    .host = p->host,
		    .type = p->type,
		    .search = n->as.port != 0 || i == 0,
		};
		return true;
	}
	return false;
}

/* Where its records lead, or led when they were known last. */
static int
follow_srv(
    struct name *n, enum dns_outcome outcome, const struct dns_answer *answer)
{
	if (outcome == DNS_OK)
		return targets_add_srv(&n->round, answer, n->settings.family);
	if (dns_failed(outcome))
		return targets_copy(&n->round, &n->kept);
	return 0;
}

void
name_answer(struct name *n, size_t number, enum dns_outcome outcome,
    const struct dns_answer *answer)
{
	struct part *p;

	CHECK_OBJ(n, NAME_MAGIC);
	CHECK(number < n->round.nparts);
	p = &n->round.parts[number];
	CHECK(p->asked && !p->answered);
	p->answered = true;
	p->outcome = outcome;
	if (outcome == DNS_OK && part_take(p, answer) < 0)
		n->broken = true;
	if (p->type == DNS_SRV && follow_srv(n, outcome, answer) < 0)
		n->broken = true;
}

/* Its end. */

/* The part that decides on the state: a failure, else what is no answer. */
static const struct part *
worst_part(const struct targets *t)
{
	const struct part *worst = NULL;

	for (size_t i = 0; i < t->nparts; i++) {
		const struct part *p = &t->parts[i];

		if (dns_failed(p->outcome))
			return p;
		if (p->outcome != DNS_OK &&
		    (worst == NULL || p->outcome == DNS_EMPTY))
			worst = p;
	}
	return worst;
}

static uint32_t
least_ttl(const struct targets *t)
{
	uint32_t ttl = UINT32_MAX;

	for (size_t i = 0; i < t->nparts; i++)
		if (t->parts[i].outcome == DNS_OK && t->parts[i].ttl < ttl)
			ttl = t->parts[i].ttl;
	return ttl;
}

/* False without memory: all stays as it was. */
static bool
keep_round(struct name *n)
{
	struct address *list;
	uint16_t *weights;
	size_t count;
	bool cut;

	if (targets_addresses(&n->round, &list, &weights, &count, &cut) < 0)
		return false;
	free(n->list);
	free(n->weights);
	n->list = list;
	n->weights = weights;
	n->n = count;
	n->cut = cut;
	targets_clear(&n->kept);
	n->kept = n->round;
	n->round = (struct targets){0};
	return true;
}

/* Whether any host of the round has an address. */
static bool
any_address(const struct targets *t)
{
	for (size_t i = 0; i < t->nparts; i++)
		if (t->parts[i].nips > 0)
			return true;
	return false;
}

static void
fail_by(struct name *n, enum dns_outcome outcome, const struct part *p)
{
	n->outcome = outcome;
	if (p == NULL)
		snprintf(n->problem, sizeof n->problem, "%s",
		    dns_outcome_words(outcome));
	else
		snprintf(n->problem, sizeof n->problem, "%s of %s: %s",
		    dns_type_name(p->type), p->host,
		    dns_outcome_words(outcome));
}

/* Whether an answer without addresses is to be believed by now. */
static bool
empty_counts(struct name *n, uint64_t now_us)
{
	const uint64_t hold = (uint64_t)n->settings.empty_ms * MS_US;

	if (n->empty_us == 0)
		n->empty_us = now_us > 0 ? now_us : 1;
	return n->settings.empty_ms != DNS_EMPTY_KEPT &&
	       now_us - n->empty_us >= hold;
}

/* What the round says; sets state, outcome and problem. */
static void
judge(struct name *n, uint64_t now_us)
{
	const struct part *worst = worst_part(&n->round);
	const bool failed = worst != NULL && dns_failed(worst->outcome);
	const bool any = any_address(&n->round);

	n->problem[0] = '\0';
	if (any || failed)
		n->empty_us = 0;
	if (failed) {
		n->state = NAME_FAILING;
		fail_by(n, worst->outcome, worst);
	} else if (any) {
		n->state = NAME_GOOD;
		n->outcome = DNS_OK;
		n->good_us = now_us;
	} else {
		n->state = NAME_EMPTY;
		fail_by(n, worst != NULL ? worst->outcome : DNS_EMPTY, worst);
		if (empty_counts(n, now_us) && !keep_round(n))
			n->broken = true;
		return;
	}
	if (!any) /* and failed */
		return;
	targets_inherit(&n->round, &n->kept);
	if (!keep_round(n))
		n->broken = true;
}

static void
schedule(struct name *n, uint64_t now_us, uint32_t ttl, uint32_t roll)
{
	uint64_t wait, good;

	if (n->state == NAME_GOOD && !n->broken) {
		n->failures = 0;
		n->due_us = now_us + name_wait_good_us(&n->settings, ttl, roll);
		return;
	}
	n->failures++;
	wait = name_wait_failed_us(&n->settings, n->failures, roll);
	if (ttl != UINT32_MAX) {
		good = name_wait_good_us(&n->settings, ttl, roll);
		if (good < wait)
			wait = good;
	}
	n->due_us = now_us + wait;
	/* when it begins to count */
	if (n->empty_us != 0 && n->n > 0 &&
	    n->settings.empty_ms != DNS_EMPTY_KEPT) {
		good = n->empty_us + (uint64_t)n->settings.empty_ms * MS_US;
		if (good > now_us && good < n->due_us)
			n->due_us = good;
	}
}

bool
name_end(struct name *n, uint64_t now_us, uint32_t roll)
{
	const enum name_state state = n->state;
	const enum dns_outcome outcome = n->outcome;
	uint32_t ttl;

	CHECK_OBJ(n, NAME_MAGIC);
	ttl = least_ttl(&n->round);
	if (!n->broken)
		judge(n, now_us);
	if (n->broken) {
		n->state = NAME_FAILING;
		fail_by(n, DNS_UNREACHABLE, NULL);
		snprintf(n->problem, sizeof n->problem, "out of memory");
	}
	targets_clear(&n->round);
	schedule(n, now_us, ttl, roll);
	return n->state != state || n->outcome != outcome;
}

/* When to ask again. */

uint64_t
name_wait_good_us(
    const struct resolver_settings *s, uint32_t ttl, uint32_t roll)
{
	uint64_t ms = (uint64_t)ttl * 1000;

	if (ms > s->max_ttl_ms)
		ms = s->max_ttl_ms;
	if (ms < s->min_ttl_ms)
		ms = s->min_ttl_ms;
	/* up to a twentieth later: never in step for long */
	return ms * MS_US + ((ms * MS_US / 20 * roll) >> 32);
}

uint64_t
name_wait_failed_us(
    const struct resolver_settings *s, unsigned failures, uint32_t roll)
{
	uint64_t ms = s->backoff_ms, half;

	for (; failures > 1 && ms < s->max_backoff_ms; failures--)
		ms *= 2;
	if (ms > s->max_backoff_ms)
		ms = s->max_backoff_ms;
	half = ms * MS_US / 2;
	return half + ((half * roll) >> 32);
}

/* What is known. */

const char *
name_text(const struct name *n)
{
	CHECK_OBJ(n, NAME_MAGIC);
	return n->as.text;
}

enum name_state
name_state(const struct name *n)
{
	CHECK_OBJ(n, NAME_MAGIC);
	return n->state;
}

const char *
name_problem(const struct name *n)
{
	CHECK_OBJ(n, NAME_MAGIC);
	return n->problem;
}

uint64_t
name_good_us(const struct name *n)
{
	CHECK_OBJ(n, NAME_MAGIC);
	return n->good_us;
}

uint64_t
name_due_us(const struct name *n)
{
	CHECK_OBJ(n, NAME_MAGIC);
	return n->due_us;
}

bool
name_cut(const struct name *n)
{
	CHECK_OBJ(n, NAME_MAGIC);
	return n->cut;
}

size_t
name_addresses(
    const struct name *n, const struct address **list, const uint16_t **weights)
{
	CHECK_OBJ(n, NAME_MAGIC);
	*list = n->list;
	*weights = n->weights;
	return n->n;
}
