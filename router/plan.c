/* Building plans, the changes from one to the next, and finding services. */
#include "router/plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "router/pod.h"
#include "router/route_table.h"
#include "router/service.h"

/* With room for services, none of them filled in yet. */
static struct plan *
plan_alloc(const struct plan *old, size_t nservices)
{
	struct plan *p = calloc(1, sizeof *p);

	if (p == NULL)
		return NULL;
	p->magic = PLAN_MAGIC;
	p->refs = 1;
	p->generation = old != NULL ? old->generation + 1 : 1;
	p->services = calloc(nservices + 1, sizeof(struct service *));
	if (p->services == NULL) {
		plan_drop(p);
		return NULL;
	}
	p->nservices = nservices;
	return p;
}

struct plan *
plan_build(struct spec *spec, const struct plan *old, unsigned nworkers,
    uint64_t now_us, char *why, size_t why_size)
{
	struct plan *p = plan_alloc(old, spec->nservices);

	snprintf(why, why_size, "out of memory");
	if (p == NULL)
		return NULL;
	for (size_t i = 0; i < spec->nservices; i++) {
		struct service_spec *s = &spec->services[i];
		const struct service *before = NULL;

		if (old != NULL)
			before = plan_service(old, s->name);
		p->services[i] =
		    service_new(s, before, nworkers, now_us, why, why_size);
		if (p->services[i] == NULL)
			goto fail;
	}
	p->routes = route_table_new(spec, why, why_size);
	if (p->routes == NULL)
		goto fail;
	/* Last, because it may change pods that the old plan has, too. */
	for (size_t i = 0; i < p->nservices; i++)
		service_settle(p->services[i]);
	return p;
fail:
	plan_drop(p);
	return NULL;
}

struct plan *
plan_hold(struct plan *p)
{
	CHECK_OBJ(p, PLAN_MAGIC);
	p->refs++;
	return p;
}

void
plan_drop(struct plan *p)
{
	if (p == NULL)
		return;
	CHECK_OBJ(p, PLAN_MAGIC);
	CHECK(p->refs > 0);
	if (--p->refs > 0)
		return;
	for (size_t i = 0; i < p->nservices; i++)
		service_drop(p->services[i]);
	route_table_drop(p->routes);
	free(p->services);
	p->magic = 0;
	free(p);
}

static void
each_pod(const struct plan *p, void (*mark)(struct pod *))
{
	for (size_t i = 0; i < p->nservices; i++) {
		const struct service *s = p->services[i];

		for (size_t j = 0; j < s->nversions; j++)
			for (size_t k = 0; k < s->versions[j].npods; k++)
				mark(s->versions[j].pods[k]);
	}
}

static void
mark_unkept(struct pod *p)
{
	p->kept = false;
}

static void
set_gone(struct pod *p, bool gone)
{
	atomic_store_explicit(&p->gone, gone, memory_order_relaxed);
}

static void
mark_kept(struct pod *p)
{
	p->kept = true;
	set_gone(p, p->order != POD_ORDER_NONE);
}

static void
mark_gone(struct pod *p)
{
	if (!p->kept)
		set_gone(p, true);
}

void
plan_retire(const struct plan *old, const struct plan *new)
{
	if (old != NULL)
		each_pod(old, mark_unkept);
	each_pod(new, mark_kept);
	if (old != NULL)
		each_pod(old, mark_gone);
}

/* The index of a service, nservices when there is none. */
static size_t
service_index(const struct plan *p, const char *name)
{
	size_t i = 0;

	while (i < p->nservices && strcmp(p->services[i]->name, name) != 0)
		i++;
	return i;
}

/* A plan of the same services, which it shares. */
static struct plan *
plan_copy(const struct plan *old)
{
	struct plan *p = plan_alloc(old, old->nservices);

	if (p == NULL)
		return NULL;
	for (size_t i = 0; i < p->nservices; i++)
		p->services[i] = service_hold(old->services[i]);
	p->routes = route_table_hold(old->routes);
	return p;
}

/* The old plan with another service at this place; consumes it. */
static struct plan *
plan_replace(const struct plan *old, size_t index, struct service *s)
{
	struct plan *p = plan_copy(old);

	if (p == NULL) {
		service_drop(s);
		return NULL;
	}
	service_settle(s);
	service_drop(p->services[index]);
	p->services[index] = s;
	return p;
}

struct list {
	char *buf;
	size_t size, used;
};

static void
list_add(struct list *l, const char *name)
{
	if (l->used < l->size)
		l->used += (size_t)snprintf(l->buf + l->used, l->size - l->used,
		    "%s%s", l->used > 0 ? ", " : "", name);
}

static void
unknown_service(
    const struct plan *p, const char *name, char *why, size_t why_size)
{
	char buf[256] = "none";
	struct list known = {buf, sizeof buf, 0};

	for (size_t i = 0; i < p->nservices; i++)
		list_add(&known, p->services[i]->name);
	snprintf(
	    why, why_size, "unknown service \"%s\" (known: %s)", name, buf);
}

static void
unknown_version(
    const struct service *s, const char *name, char *why, size_t why_size)
{
	char buf[256] = "none";
	struct list known = {buf, sizeof buf, 0};

	for (size_t i = 0; i < s->nversions; i++)
		list_add(&known, s->versions[i].name);
	snprintf(why, why_size,
	    "unknown version \"%s\" of service \"%s\" (known: %s)", name,
	    s->name, buf);
}

static int
change_weights(struct service *s, const struct weight_change *changes, size_t n,
    char *why, size_t why_size)
{
	for (size_t i = 0; i < n; i++) {
		const char *name = changes[i].version;
		const struct version *v = service_version(s, name);

		if (v == NULL) {
			unknown_version(s, name, why, why_size);
			return -1;
		}
		for (size_t j = 0; j < i; j++) {
			if (strcmp(changes[j].version, name) != 0)
				continue;
			snprintf(why, why_size,
			    "version \"%s\" of service \"%s\" is named twice",
			    name, s->name);
			return -1;
		}
		s->versions[v->index].weight = changes[i].weight;
		if (changes[i].void_sticky)
			s->versions[v->index].epoch = ++s->epoch;
	}
	return 0;
}

bool
plan_raise_epochs(struct plan *p, const char *service, uint32_t epoch)
{
	const size_t i = service_index(p, service);
	struct service *s;

	CHECK_OBJ(p, PLAN_MAGIC);
	if (i == p->nservices || p->services[i]->epoch >= epoch)
		return false;
	s = p->services[i];
	s->epoch = epoch;
	for (size_t k = 0; k < s->nversions; k++)
		s->versions[k].epoch = epoch;
	return true;
}

void
plan_set_epoch(
    struct plan *p, const char *service, const char *version, uint32_t epoch)
{
	const size_t i = service_index(p, service);
	const struct version *v = NULL;

	CHECK_OBJ(p, PLAN_MAGIC);
	if (i < p->nservices)
		v = service_version(p->services[i], version);
	if (v != NULL)
		p->services[i]->versions[v->index].epoch = epoch;
}

struct plan *
plan_with_weights(const struct plan *old, const char *service,
    const struct weight_change *changes, size_t n, char *why, size_t why_size)
{
	const size_t index = service_index(old, service);
	struct service *s;

	CHECK_OBJ(old, PLAN_MAGIC);
	if (index == old->nservices) {
		unknown_service(old, service, why, why_size);
		return NULL;
	}
	snprintf(why, why_size, "out of memory");
	s = service_copy(old->services[index]);
	if (s == NULL)
		return NULL;
	if (change_weights(s, changes, n, why, why_size) != 0 ||
	    service_split(s, old->services[index], why, why_size) != 0) {
		service_drop(s);
		return NULL;
	}
	return plan_replace(old, index, s);
}

/* -1 with the reason in why when the service has no such version. */
static int
find_version(const struct service *s, const char *name, size_t *index,
    char *why, size_t why_size)
{
	const struct version *v = service_version(s, name);

	if (v == NULL) {
		unknown_version(s, name, why, why_size);
		return -1;
	}
	*index = v->index;
	return 0;
}

static int
change_release(struct service *s, const struct release_change *change,
    char *why, size_t why_size)
{
	size_t candidate = s->nversions;

	CHECK(change->lead == LEAD_NONE || change->candidate != NULL);
	if (change->stable != NULL &&
	    find_version(s, change->stable, &s->stable, why, why_size) != 0)
		return -1;
	if (change->candidate != NULL &&
	    find_version(s, change->candidate, &candidate, why, why_size) != 0)
		return -1;
	s->closed = change->closed;
	service_lead(s, change->lead, candidate);
	if (s->leads != LEAD_AB || s->lead != NULL)
		return 0;
	snprintf(why, why_size,
	    "service \"%s\" has no match in release.ab that could lead to "
	    "version \"%s\"",
	    s->name, change->candidate);
	return -1;
}

struct plan *
plan_with_release(const struct plan *old, const char *service,
    const struct release_change *change, char *why, size_t why_size)
{
	const size_t index = service_index(old, service);
	struct service *s;

	CHECK_OBJ(old, PLAN_MAGIC);
	if (index == old->nservices) {
		unknown_service(old, service, why, why_size);
		return NULL;
	}
	snprintf(why, why_size, "out of memory");
	s = service_copy(old->services[index]);
	if (s == NULL)
		return NULL;
	if (change_release(s, change, why, why_size) != 0 ||
	    change_weights(
		s, change->weights, change->nweights, why, why_size) != 0 ||
	    service_split(s, old->services[index], why, why_size) != 0) {
		service_drop(s);
		return NULL;
	}
	return plan_replace(old, index, s);
}

struct plan *
plan_with_pods(const struct plan *old, const char *service, const char *version,
    const struct pod_spec *pods, size_t n, uint64_t now_us, char *why,
    size_t why_size)
{
	const size_t index = service_index(old, service);
	const struct version *v;
	struct service *s;

	CHECK_OBJ(old, PLAN_MAGIC);
	if (index == old->nservices) {
		unknown_service(old, service, why, why_size);
		return NULL;
	}
	v = service_version(old->services[index], version);
	if (v == NULL) {
		unknown_version(old->services[index], version, why, why_size);
		return NULL;
	}
	snprintf(why, why_size, "out of memory");
	s = service_copy(old->services[index]);
	if (s == NULL)
		return NULL;
	if (service_set_pods(s, v, pods, n, now_us) != 0) {
		service_drop(s);
		return NULL;
	}
	return plan_replace(old, index, s);
}

struct plan *
plan_with_health(const struct plan *old, const char *service)
{
	const size_t index = service_index(old, service);
	struct service *s;

	CHECK_OBJ(old, PLAN_MAGIC);
	if (index == old->nservices)
		return plan_copy(old);
	s = service_copy(old->services[index]);
	return s != NULL ? plan_replace(old, index, s) : NULL;
}

const struct service *
plan_service(const struct plan *p, const char *name)
{
	size_t i = service_index(p, name);

	return i < p->nservices ? p->services[i] : NULL;
}

const struct service *
plan_match(
    const struct plan *p, const struct request *r, const struct route **route)
{
	const struct route *found = route_table_find(p->routes, r);

	if (route != NULL)
		*route = found;
	return found != NULL ? p->services[found->service] : NULL;
}
