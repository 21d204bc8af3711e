/* What a file just read has of pods, and what follows once it is in force. */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/log.h"
#include "control/pod_set.h"
#include "control/pods_state.h"
#include "control/publish.h"
#include "control/roster.h"
#include "control/store.h"
#include "router/plan.h"
#include "router/pod.h"
#include "router/pod_finder.h"
#include "router/service.h"
#include "router/spec.h"

/* Why a pod drains. */
#define GONE "the file has it no longer"

void
pods_forget_file(struct pods *p)
{
	for (size_t i = 0; i < p->nnext; i++) {
		free(p->next[i].service);
		free(p->next[i].version);
		free(p->next[i].pods);
		free(p->next[i].weights);
	}
	free(p->next);
	p->next = NULL;
	p->nnext = 0;
}

static int
copy_filed(
    struct filed *f, const struct service_spec *s, const struct version_spec *v)
{
	f->service = strdup(s->name);
	f->version = strdup(v->name);
	f->pods = calloc(v->npods + 1, sizeof *f->pods);
	if (v->pod_weights != NULL)
		f->weights = calloc(v->npods + 1, sizeof *f->weights);
	if (f->service == NULL || f->version == NULL || f->pods == NULL ||
	    (v->pod_weights != NULL && f->weights == NULL))
		return -1;
	f->npods = v->npods;
	if (v->npods > 0)
		memcpy(f->pods, v->pods, v->npods * sizeof *f->pods);
	if (v->npods > 0 && f->weights != NULL)
		memcpy(
		    f->weights, v->pod_weights, v->npods * sizeof *f->weights);
	return 0;
}

/* The version's pods are those of the list. */
static int
fill_version(struct version_spec *v, const struct pod_spec *list, size_t n)
{
	struct address *pods = calloc(n + 1, sizeof *pods);
	uint16_t *weights = calloc(n + 1, sizeof *weights);
	enum pod_order *orders = calloc(n + 1, sizeof *orders);

	if (pods == NULL || weights == NULL || orders == NULL) {
		free(pods);
		free(weights);
		free(orders);
		return -1;
	}
	for (size_t i = 0; i < n; i++) {
		pods[i] = list[i].address;
		weights[i] = list[i].weight;
		orders[i] = list[i].order;
	}
	free(v->pods);
	free(v->pod_weights);
	free(v->pod_orders);
	v->pods = pods;
	v->pod_weights = weights;
	v->pod_orders = orders;
	v->npods = n;
	return 0;
}

/*
 * Who has to go is draining before the plan is built that tells so: that one
 * is the first without requests for it.
 */
static int
see_off(struct pods *p, const struct pod_set *set, const struct pod_spec *list,
    size_t n)
{
	const struct service *s;
	struct pod_finder finder = {.version = pods_version(p, set, &s)};
	struct pod *pod;
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < n; i++) {
		if (list[i].order != POD_ORDER_DRAIN)
			continue;
		rc = pod_finder_find(&finder, &list[i].address, i, &pod);
		if (rc == 0 && pod != NULL)
			pods_set_order(p, set, s, pod, POD_ORDER_DRAIN, GONE);
	}
	pod_finder_fini(&finder);
	return rc;
}

static int
apply_version(struct pods *p, const struct service_spec *s,
    struct version_spec *v, struct filed *f)
{
	const struct pod_set *set;
	struct pod_spec *list;
	size_t n;
	int rc;

	if (copy_filed(f, s, v) < 0)
		return -1;
	set = pod_sets_find(&p->sets, s->name, v->name);
	if (set == NULL)
		return 0;
	list = pod_set_list(set, f->pods, f->weights, f->npods, &n);
	if (list == NULL)
		return -1;
	rc = fill_version(v, list, n);
	if (rc == 0 && !p->stopped)
		rc = see_off(p, set, list, n);
	free(list);
	return rc;
}

int
pods_apply(struct pods *p, struct spec *spec)
{
	size_t n = 0;

	CHECK_OBJ(p, PODS_MAGIC);
	pods_forget_file(p);
	for (size_t i = 0; i < spec->nservices; i++)
		n += spec->services[i].nversions;
	p->next = calloc(n + 1, sizeof *p->next);
	if (p->next == NULL)
		return -1;
	p->sets.next = 0;
	for (size_t i = 0; i < spec->nservices; i++) {
		struct service_spec *s = &spec->services[i];

		for (size_t k = 0; k < s->nversions; k++)
			if (apply_version(p, s, &s->versions[k],
				&p->next[p->nnext++]) < 0)
				return -1;
	}
	return 0;
}

/* Its version is gone, and with it the plan that could show it. */
static void
part_pod(struct pods *p, struct pod_set *set, struct pod *pod)
{
	struct pod_member *m = pod_set_find(set, &pod->address);

	if (m == NULL)
		return;
	m->leaving = true;
	pod->order = POD_ORDER_DRAIN;
	roster_part(p->parts.roster, pod_set_service(set), pod_set_version(set),
	    pod, "its version is gone");
	pods_see_off(p, set, pod);
}

/*
 * Sets of versions that the plan does not have any more. At the start, without
 * a plan before, what was kept of them is void.
 */
static void
part_sets(struct pods *p, const struct plan *before)
{
	const struct service *s;
	const struct version *v;

	for (size_t i = p->sets.n; i-- > 0;) {
		struct pod_set *set = p->sets.list[i];

		if (pods_version(p, set, &s) != NULL)
			continue;
		s = before != NULL ? plan_service(before, pod_set_service(set))
				   : NULL;
		v = s != NULL ? service_version(s, pod_set_version(set)) : NULL;
		if (pod_sets_move(&p->sets, i, &p->parting) < 0) {
			log_error("pods of %s/%s: no memory to drain them",
			    pod_set_service(set), pod_set_version(set));
			drains_forget(p->drains, set, "its version is gone");
			pod_sets_drop(&p->sets, i);
			continue;
		}
		for (size_t k = 0; v != NULL && k < v->npods; k++)
			part_pod(p, set, v->pods[k]);
		pods_parted(p, set);
	}
}

bool
pods_parted(struct pods *p, const struct pod_set *set)
{
	size_t i = 0;

	while (i < p->parting.n && p->parting.list[i] != set)
		i++;
	if (i == p->parting.n)
		return false;
	if (!drains_any(p->drains, set))
		pod_sets_drop(&p->parting, i);
	return true;
}

/* The file has other pods now, and none of them takes requests yet. */
static void
warn_of_gap(const struct pod_set *set, const struct plan *before,
    const struct plan *now)
{
	const char *service = pod_set_service(set);
	const char *name = pod_set_version(set);
	const struct service *s = plan_service(before, service);
	const struct version *was = s != NULL ? service_version(s, name) : NULL;
	const struct version *made =
	    service_version(plan_service(now, service), name);

	if (was != NULL && was->nready > 0 && made->nready == 0)
		log_warn("%s/%s: no pod of before is in the file, and no other "
			 "one is up yet: until then `empty` says where "
			 "requests go",
		    service, name);
}

/* The set has what the file has, and the pods do what follows. */
static int
file_set(struct pods *p, const struct filed *f, const struct plan *before)
{
	struct pod_set *set = pod_sets_get(&p->sets, f->service, f->version);

	if (set == NULL || pod_set_file(set, f->pods, f->weights, f->npods) < 0)
		return -1;
	if (before != NULL) {
		pods_tell_joined(
		    p, set, before, publish_current(p->parts.publish));
		warn_of_gap(set, before, publish_current(p->parts.publish));
	}
	return pods_sync_set(p, set, GONE);
}

void
pods_commit(struct pods *p, const struct plan *before)
{
	int rc = 0;

	CHECK_OBJ(p, PODS_MAGIC);
	part_sets(p, before);
	for (size_t i = 0; i < p->nnext; i++)
		rc |= file_set(p, &p->next[i], before);
	if (rc < 0)
		log_error("pods: some changes of the file are not noted: out "
			  "of memory");
	drains_leaving(p->drains);
	pods_forget_file(p);
	if (!p->stored)
		return;
	store_begin(p->store);
	pods_save(p);
	store_end(p->store);
}

void
pods_abandon(struct pods *p)
{
	CHECK_OBJ(p, PODS_MAGIC);
	pods_forget_file(p);
	for (size_t i = 0; i < p->sets.n; i++)
		if (pods_sync_set(p, p->sets.list[i], NULL) < 0)
			log_error("pods: no memory to take those back that "
				  "were to go");
}

void
pods_taken(struct pods *p)
{
	CHECK_OBJ(p, PODS_MAGIC);
	if (!p->stopped)
		drains_left(p->drains);
}
