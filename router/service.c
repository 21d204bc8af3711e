/* Building services, and what the next one takes over from the last. */
#include "router/service.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "router/balance.h"
#include "router/choose.h"
#include "router/draw.h"
#include "router/hash_ring.h"
#include "router/mirror.h"
#include "router/plan.h"
#include "router/pod.h"
#include "router/pod_finder.h"
#include "router/pod_tls.h"
#include "router/ramp.h"
#include "router/release.h"
#include "router/split.h"
#include "router/sticky_find.h"
#include "router/sticky_pods.h"
#include "router/tally.h"

const struct version *
service_version(const struct service *s, const char *name)
{
	for (size_t i = 0; i < s->nversions; i++)
		if (strcmp(s->versions[i].name, name) == 0)
			return &s->versions[i];
	return NULL;
}

struct pod *
version_pod(const struct version *v, const struct address *address)
{
	for (size_t i = 0; i < v->npods; i++)
		if (address_eq(&v->pods[i]->address, address))
			return v->pods[i];
	return NULL;
}

bool
service_leads(const struct service *s, const struct version *v)
{
	const struct mirror_spec *mirror = &s->terms->mirror;

	return v->index == s->stable || v->weight > 0 ||
	       ruleset_leads(s->rules, v->index) ||
	       (s->mirror != NULL && mirror->share > 0 &&
		   mirror->version == v->index) ||
	       (s->lead != NULL && s->candidate == v->index);
}

static void
version_clear(struct version *v)
{
	for (size_t i = 0; i < v->npods; i++)
		pod_drop(v->pods[i]);
	tally_drop(v->tally);
	pod_tls_drop(v->tls);
	draw_free(v->draw);
	hash_ring_free(v->ring);
	sticky_pods_free(v->sticky);
	free(v->name);
	free(v->pods);
	free(v->weights);
	free(v->ready);
	free(v->ready_weights);
}

static bool
all_equal(const uint16_t *weights, size_t n)
{
	for (size_t i = 1; i < n; i++)
		if (weights[i] != weights[0])
			return false;
	return true;
}

/*
 * With room for npods, of which it has none yet, and for what policies look
 * up. Their weights: NULL = all 1.
 */
static int
version_init(struct version *v, const char *name, uint64_t weight, size_t npods,
    const uint16_t *weights, const struct balance_ops *balance)
{
	v->name = strdup(name);
	v->weight = weight;
	v->pods = calloc(npods + 1, sizeof(struct pod *));
	v->weights = calloc(npods + 1, sizeof v->weights[0]);
	v->ready = calloc(npods + 1, sizeof(struct pod *));
	v->ready_weights = calloc(npods + 1, sizeof v->ready_weights[0]);
	if (v->name == NULL || v->pods == NULL || v->weights == NULL ||
	    v->ready == NULL || v->ready_weights == NULL)
		return -1;
	for (size_t i = 0; i < npods; i++)
		v->weights[i] = weights != NULL ? weights[i] : 1;
	v->draw = draw_new(npods); /* until it is settled */
	if (v->draw == NULL)
		return -1;
	if (balance->hashes &&
	    (v->ring = hash_ring_new(v->weights, npods)) == NULL)
		return -1;
	return 0;
}

static struct tally *
tally_go_on(struct tally *old, unsigned nworkers)
{
	if (old == NULL)
		return tally_new(nworkers);
	CHECK(old->nslots == nworkers);
	return tally_hold(old);
}

static struct pod *
join(const struct address *address, enum pod_order order,
    const struct health_rules *rules, unsigned nworkers, uint64_t now_us)
{
	struct pod *p = pod_new(address, nworkers);

	if (p == NULL)
		return NULL;
	p->order = order;
	p->checked = health_join(rules, &p->health, now_us);
	pod_settle(p, pod_order_reason(order));
	return p;
}

/* The next pod of a version: the one it was before, else a new one. */
static int
take_pod(struct version *v, struct pod_finder *before,
    const struct address *address, enum pod_order order,
    const struct health_rules *rules, uint64_t now_us)
{
	struct pod *p;

	if (pod_finder_find(before, address, v->npods, &p) != 0)
		return -1;
	p = p != NULL ? pod_hold(p)
		      : join(address, order, rules, v->tally->nslots, now_us);
	if (p == NULL)
		return -1;
	v->pods[v->npods++] = p;
	return 0;
}

/* Where clients may stick to a pod, it is found by what their cookie says. */
static int
index_stuck(struct version *v, const struct service *s)
{
	if (!s->terms->sticky.pod || !sticky_is_on(s))
		return 0;
	v->sticky = sticky_pods_new(s->terms->sticky.key, v->pods, v->npods);
	return v->sticky != NULL ? 0 : -1;
}

static int
version_new(struct version *v, const struct version_spec *spec,
    const struct version *old, const struct service *s, unsigned nworkers,
    uint64_t now_us)
{
	struct pod_finder before = {.version = old};
	int rc = 0;

	if (version_init(v, spec->name, spec->weight, spec->npods,
		spec->pod_weights, s->terms->balance) != 0)
		return -1;
	v->epoch = old != NULL ? old->epoch : s->epoch;
	v->protocol = spec->protocol;
	v->tls = pod_tls_hold(spec->tls);
	v->tally = tally_go_on(old != NULL ? old->tally : NULL, nworkers);
	if (v->tally == NULL)
		return -1;
	v->ramp = old != NULL
		      ? old->ramp
		      : (struct ramp){.empty = true, .warmth = POD_WARM};
	for (size_t i = 0; rc == 0 && i < spec->npods; i++) {
		enum pod_order order = POD_ORDER_NONE;

		if (spec->pod_orders != NULL)
			order = spec->pod_orders[i];
		rc = take_pod(v, &before, &spec->pods[i], order,
		    &s->terms->health, now_us);
	}
	pod_finder_fini(&before);
	return rc == 0 ? index_stuck(v, s) : -1;
}

/* All but the pods, for which there is room. */
static int
version_alike(struct version *v, const struct version *old, size_t npods,
    const uint16_t *weights, const struct balance_ops *balance)
{
	if (version_init(v, old->name, old->weight, npods, weights, balance) !=
	    0)
		return -1;
	v->epoch = old->epoch;
	v->ramp = old->ramp;
	v->protocol = old->protocol;
	v->tls = pod_tls_hold(old->tls);
	v->tally = tally_hold(old->tally);
	return 0;
}

static int
version_copy(struct version *v, const struct version *old,
    const struct balance_ops *balance)
{
	if (version_alike(v, old, old->npods, old->weights, balance) != 0)
		return -1;
	for (size_t i = 0; i < old->npods; i++)
		v->pods[v->npods++] = pod_hold(old->pods[i]);
	if (old->sticky != NULL &&
	    (v->sticky = sticky_pods_copy(old->sticky)) == NULL)
		return -1;
	return 0;
}

/* Name and room for versions, none of them filled in yet. */
static struct service *
service_alloc(const char *name, size_t nversions)
{
	struct service *s = calloc(1, sizeof *s);

	if (s == NULL)
		return NULL;
	s->refs = 1;
	s->name = strdup(name);
	s->versions = calloc(nversions, sizeof s->versions[0]);
	if (s->name == NULL || s->versions == NULL) {
		service_drop(s);
		return NULL;
	}
	s->nversions = nversions;
	for (size_t i = 0; i < nversions; i++)
		s->versions[i].index = (unsigned)i;
	return s;
}

static int
add_versions(struct service *s, const struct service_spec *spec,
    const struct service *old, unsigned nworkers, uint64_t now_us)
{
	for (size_t i = 0; i < spec->nversions; i++) {
		const struct version_spec *v = &spec->versions[i];
		const struct version *before = NULL;

		if (old != NULL)
			before = service_version(old, v->name);
		if (version_new(
			&s->versions[i], v, before, s, nworkers, now_us) != 0)
			return -1;
	}
	return 0;
}

/* What a service begins with need not warm up. */
static void
season(struct service *s)
{
	for (size_t i = 0; i < s->nversions; i++) {
		s->versions[i].ramp.seasoned = true;
		s->versions[i].ramp.empty = false;
		for (size_t k = 0; k < s->versions[i].npods; k++) {
			struct pod *p = s->versions[i].pods[k];

			p->seasoned = p->state != POD_UP;
			p->warmth = POD_WARM;
		}
	}
}

/* Versions of the same names in the same order. */
static bool
same_versions(const struct service_spec *spec, const struct service *old)
{
	if (spec->nversions != old->nversions)
		return false;
	for (size_t i = 0; i < spec->nversions; i++)
		if (strcmp(spec->versions[i].name, old->versions[i].name) != 0)
			return false;
	return true;
}

static struct ruleset *
rules_of(struct service_spec *spec, const struct service *old, char *why,
    size_t why_size)
{
	const struct ruleset *before = NULL;
	struct ruleset *rules;
	char wrong[192];

	if (old != NULL && same_versions(spec, old))
		before = old->rules;
	rules = ruleset_new(spec->rules, spec->nrules, spec->nversions, before,
	    wrong, sizeof wrong);
	if (rules == NULL)
		snprintf(
		    why, why_size, "service \"%s\": %s", spec->name, wrong);
	return rules;
}

void
service_lead(struct service *s, enum release_lead lead, size_t candidate)
{
	const struct release *r = s->terms->release;

	CHECK(candidate < s->nversions ||
	      (candidate == s->nversions && lead == LEAD_NONE));
	s->leads = lead;
	s->candidate = candidate;
	s->lead = NULL;
	if (r == NULL)
		return;
	if (lead == LEAD_PREVIEW)
		s->lead = r->preview;
	else if (lead == LEAD_AB)
		s->lead = r->ab_match;
}

/* What a rollout under way has made of the service, from reload to reload. */
static void
release_go_on(struct service *s, const struct service *old)
{
	const struct version *candidate = NULL;

	if (old != NULL)
		s->closed = old->closed;
	if (old != NULL && old->candidate < old->nversions)
		candidate =
		    service_version(s, old->versions[old->candidate].name);
	if (candidate != NULL)
		service_lead(s, old->leads, candidate->index);
	else
		service_lead(s, LEAD_NONE, s->nversions);
}

struct service *
service_new(struct service_spec *spec, const struct service *old,
    unsigned nworkers, uint64_t now_us, char *why, size_t why_size)
{
	struct ruleset *rules = rules_of(spec, old, why, why_size);
	struct service *s;

	if (rules == NULL)
		return NULL;
	snprintf(why, why_size, "out of memory");
	s = service_alloc(spec->name, spec->nversions);
	CHECK(spec->stable < spec->nversions && spec->terms.balance != NULL);
	for (size_t i = 0; i < spec->nrules; i++)
		CHECK(spec->rules[i].version < spec->nversions);
	if (s == NULL)
		goto fail;
	s->stable = spec->stable;
	spec->terms.cohort.salt = cohort_salt(spec->name);
	s->epoch = old != NULL ? old->epoch : 0;
	s->terms = terms_take(&spec->terms);
	s->own = tally_go_on(old != NULL ? old->own : NULL, nworkers);
	if (s->terms == NULL || s->own == NULL ||
	    add_versions(s, spec, old, nworkers, now_us) != 0 ||
	    mirror_make(s, old, nworkers) != 0)
		goto fail;
	release_go_on(s, old);
	if (service_split(s, old, why, why_size) != 0)
		goto fail;
	if (old == NULL)
		season(s);
	s->rules = rules;
	return s;
fail:
	ruleset_drop(rules);
	service_drop(s);
	return NULL;
}

struct service *
service_copy(const struct service *old)
{
	struct service *s = service_alloc(old->name, old->nversions);

	if (s == NULL)
		return NULL;
	s->stable = old->stable;
	s->epoch = old->epoch;
	s->split = old->split != NULL ? split_hold(old->split) : NULL;
	s->ramp = old->ramp != NULL ? split_hold(old->ramp) : NULL;
	s->closed = old->closed;
	s->rules = ruleset_hold(old->rules);
	s->terms = terms_hold(old->terms);
	s->own = tally_hold(old->own);
	service_lead(s, old->leads, old->candidate);
	for (size_t i = 0; i < old->nversions; i++)
		if (version_copy(&s->versions[i], &old->versions[i],
			s->terms->balance) != 0)
			goto fail;
	if (mirror_copy(s, old) != 0)
		goto fail;
	return s;
fail:
	service_drop(s);
	return NULL;
}

static int
version_with_pods(struct version *v, const struct version *old,
    const struct pod_spec *pods, size_t n, const struct service *s,
    uint64_t now_us)
{
	struct pod_finder before = {.version = old};
	uint16_t *weights = calloc(n + 1, sizeof *weights);
	int rc = -1;

	for (size_t i = 0; weights != NULL && i < n; i++)
		weights[i] = pods[i].weight;
	if (weights != NULL)
		rc = version_alike(v, old, n, weights, s->terms->balance);
	free(weights);
	for (size_t i = 0; rc == 0 && i < n; i++)
		rc = take_pod(v, &before, &pods[i].address, pods[i].order,
		    &s->terms->health, now_us);
	pod_finder_fini(&before);
	return rc == 0 ? index_stuck(v, s) : -1;
}

int
service_set_pods(struct service *s, const struct version *old,
    const struct pod_spec *pods, size_t n, uint64_t now_us)
{
	struct version *v = &s->versions[old->index];

	version_clear(v);
	*v = (struct version){.index = old->index};
	return version_with_pods(v, old, pods, n, s, now_us);
}

struct service *
service_hold(struct service *s)
{
	CHECK(s->refs > 0);
	s->refs++;
	return s;
}

void
service_drop(struct service *s)
{
	if (s == NULL)
		return;
	CHECK(s->refs > 0);
	if (--s->refs > 0)
		return;
	for (size_t i = 0; i < s->nversions; i++)
		version_clear(&s->versions[i]);
	mirror_free(s->mirror);
	tally_drop(s->own);
	ruleset_drop(s->rules);
	split_drop(s->split);
	split_drop(s->ramp);
	terms_drop(s->terms);
	free(s->versions);
	free(s->name);
	free(s);
}

/* The same versions in the same order with the same weights. */
static bool
same_weights(const struct service *a, const struct service *b)
{
	if (a->nversions != b->nversions)
		return false;
	for (size_t i = 0; i < a->nversions; i++)
		if (a->versions[i].weight != b->versions[i].weight ||
		    strcmp(a->versions[i].name, b->versions[i].name) != 0)
			return false;
	return true;
}

static bool
has_weight(const struct service *s)
{
	for (size_t i = 0; i < s->nversions; i++)
		if (s->versions[i].weight > 0)
			return true;
	return false;
}

static struct split *
split_of(const struct service *s, char *why, size_t why_size)
{
	uint64_t weights[SPLIT_VERSIONS_MAX];
	char wrong[160];
	struct split *split;

	for (size_t i = 0; i < s->nversions; i++)
		weights[i] = s->versions[i].weight;
	if (!has_weight(s)) {
		snprintf(why, why_size,
		    "weights of service \"%s\" add up to 0: at least one "
		    "version needs a weight above 0",
		    s->name);
		return NULL;
	}
	split = split_new(weights, s->nversions, wrong, sizeof wrong);
	if (split == NULL)
		snprintf(why, why_size, "weights of service \"%s\": %s",
		    s->name, wrong);
	return split;
}

int
service_split(
    struct service *s, const struct service *old, char *why, size_t why_size)
{
	const bool none = s->closed && !has_weight(s);
	struct split *split = NULL;

	if (s->nversions > SPLIT_VERSIONS_MAX) {
		snprintf(why, why_size,
		    "service \"%s\" has %zu versions, at most %u are possible",
		    s->name, s->nversions, SPLIT_VERSIONS_MAX);
		return -1;
	}
	if (old != NULL && old->split != NULL && same_weights(s, old))
		split = split_hold(old->split);
	else if (!none)
		split = split_of(s, why, why_size);
	if (split == NULL && !none)
		return -1;
	split_drop(s->split);
	s->split = split;
	return 0;
}

/* Checks were switched off: nothing else would ever raise this pod. */
static void
raise_unchecked(struct pod *p)
{
	p->checked = POD_UP;
	p->health.good = p->health.bad = 0;
	pod_settle(p, NULL);
}

/* States as the terms have them, and who of the pods is how. */
static void
count_pods(struct version *v, const struct terms *terms, bool slowly)
{
	v->nup = v->nknown = 0;
	for (size_t i = 0; i < v->npods; i++) {
		struct pod *p = v->pods[i];

		if (!terms->health.enabled)
			raise_unchecked(p);
		if (!slowly)
			p->warmth = POD_WARM;
		v->nup += p->state == POD_UP;
		v->nknown += pod_is_known(p->state);
	}
	v->panic = (uint64_t)v->nup * OUTLIER_WHOLE <
		   (uint64_t)v->nknown * terms->panic;
}

/*
 * Whether weights are counted in POD_WARM parts, of which a new pod has some.
 * A hash moves as few keys as it can, so for it no pod is new; nor is one
 * among so many that the parts would not add up in 32 bits.
 */
static bool
starts_slowly(const struct version *v, const struct terms *terms)
{
	return terms->slow_start_ms > 0 && v->ring == NULL &&
	       v->npods <= UINT32_MAX / DRAW_WEIGHT_MAX;
}

static void
version_settle(struct version *v, const struct terms *terms)
{
	uint16_t *weights = v->ready_weights;
	bool slowly = starts_slowly(v, terms);

	count_pods(v, terms, slowly);
	v->nready = 0;
	for (size_t i = 0; i < v->npods; i++) {
		struct pod *p = v->pods[i];

		if (v->panic ? p->ended || !pod_is_known(p->state)
			     : p->state != POD_UP)
			continue;
		atomic_store_explicit(
		    &p->place, (uint32_t)v->nready, memory_order_relaxed);
		v->ready[v->nready] = p;
		weights[v->nready] = v->weights[i];
		if (slowly)
			weights[v->nready] *= p->warmth;
		v->nready++;
	}
	if (v->ring != NULL)
		hash_ring_fill(v->ring, v->ready, weights, v->nready);
	if (v->sticky != NULL)
		sticky_pods_settle(v->sticky);
	if (v->draw == NULL)
		return;
	if (all_equal(weights, v->nready)) {
		draw_free(v->draw);
		v->draw = NULL;
	} else {
		draw_fill(v->draw, weights, v->nready);
	}
}

void
service_settle(struct service *s)
{
	for (size_t i = 0; i < s->nversions; i++)
		version_settle(&s->versions[i], s->terms);
	ramp_settle(s);
	mirror_settle(s);
}
