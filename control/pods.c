/* Changes of sets of pods: told, kept, published, and waited for. */
#include "control/pods.h"

#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "conf/conf.h"
#include "control/events.h"
#include "control/pod_set.h"
#include "control/pods_state.h"
#include "control/probe.h"
#include "control/publish.h"
#include "control/roster.h"
#include "control/store.h"
#include "router/plan.h"
#include "router/pod.h"
#include "router/pod_finder.h"
#include "router/spec.h"

/* How long until a plan that found no memory is tried again. */
#define RETRY_MS 1000u

/* Beginning and end. */

static void pods_on_flush(evutil_socket_t fd, short what, void *arg);
static drain_ended pods_on_drained;

struct pods *
pods_new(struct store *store)
{
	struct pods *p = calloc(1, sizeof *p);

	if (p == NULL)
		return NULL;
	p->magic = PODS_MAGIC;
	p->stopped = true;
	p->store = store;
	STAILQ_INIT(&p->served);
	STAILQ_INIT(&p->waiting);
	if (pod_sets_load(&p->sets, store) < 0) {
		pods_free(p);
		return NULL;
	}
	p->stored = p->sets.n > 0;
	return p;
}

int
pods_start(struct pods *p, const struct pods_parts *parts)
{
	CHECK_OBJ(p, PODS_MAGIC);
	p->parts = *parts;
	p->drains = drains_new(&(struct drains_parts){
	    .base = parts->base,
	    .workers = parts->workers,
	    .nworkers = parts->nworkers,
	    .ended = pods_on_drained,
	    .arg = p,
	});
	evtimer_assign(&p->flush, parts->base, pods_on_flush, p);
	p->stopped = false;
	return p->drains != NULL ? 0 : -1;
}

void
pods_stop(struct pods *p)
{
	CHECK_OBJ(p, PODS_MAGIC);
	if (p->stopped)
		return;
	p->stopped = true;
	event_del(&p->flush);
	drains_free(p->drains);
	p->drains = NULL;
	waiters_tell(&p->served, "shutting down");
	waiters_tell(&p->waiting, "shutting down");
}

void
pods_free(struct pods *p)
{
	if (p == NULL)
		return;
	pods_stop(p);
	pods_forget_file(p);
	pod_sets_free(&p->sets);
	pod_sets_free(&p->parting);
	p->magic = 0;
	free(p);
}

/* From sets to a plan. */

static void
flush_in(struct pods *p, unsigned ms)
{
	struct timeval tv = {ms / 1000, ms % 1000 * 1000};

	if (evtimer_add(&p->flush, &tv) < 0)
		log_error("pods: no memory for a timer");
}

void
pods_dirty(struct pods *p, struct pod_set *set)
{
	pod_set_mark(set, true);
	if (!p->publishing && !p->stopped)
		flush_in(p, 0);
}

static void
pods_on_published(void *arg, const char *error)
{
	struct pods *p = arg;
	struct waiters told = STAILQ_HEAD_INITIALIZER(told);

	CHECK_OBJ(p, PODS_MAGIC);
	p->publishing = false;
	if (p->stopped)
		return;
	STAILQ_CONCAT(&told, &p->served);
	if (error != NULL) {
		log_error("pods: plan not published: %s", error);
		for (size_t i = 0; i < p->sets.n; i++)
			pods_dirty(p, p->sets.list[i]);
		flush_in(p, RETRY_MS);
	} else {
		drains_published(p->drains);
	}
	waiters_tell(&told, error);
	if (error == NULL)
		flush_in(p, 0); /* there may be more */
}

static const char *
why_joined(const struct pod_member *m)
{
	if (m != NULL && m->launched)
		return "launched";
	if (m != NULL && m->filed)
		return "the file has it";
	return m != NULL && m->nnames > 0 ? "a name resolves to it" : "added";
}

void
pods_tell_joined(struct pods *p, const struct pod_set *set,
    const struct plan *from, const struct plan *made)
{
	const char *service = pod_set_service(set);
	const char *name = pod_set_version(set);
	const struct version *v =
	    service_version(plan_service(made, service), name);
	const struct service *s = plan_service(from, service);
	struct pod_finder before = {
	    .version = s != NULL ? service_version(s, name) : NULL};

	for (size_t i = 0; i < v->npods; i++) {
		struct pod *pod = v->pods[i], *was;
		const struct pod_member *m = pod_set_find(set, &pod->address);

		if (pod_finder_find(&before, &pod->address, i, &was) < 0)
			break;
		if (was == NULL)
			events_pod(p->parts.events, service, name,
			    pod->address.text, "absent",
			    pod_state_name(pod->state), why_joined(m));
	}
	pod_finder_fini(&before);
}

/* NULL without memory. */
static struct plan *
plan_with_set(
    struct pods *p, const struct plan *from, const struct pod_set *set)
{
	struct plan *made = NULL;
	struct pod_spec *list;
	char why[256];
	size_t n;

	list = pod_set_now(set, &n);
	if (list != NULL)
		made = plan_with_pods(from, pod_set_service(set),
		    pod_set_version(set), list, n, clock_now_us(), why,
		    sizeof why);
	free(list);
	if (made != NULL)
		pods_tell_joined(p, set, from, made);
	return made;
}

/* With all sets that are dirty, *rest if memory was not enough; or NULL. */
static struct plan *
plan_with_dirty(struct pods *p, bool *rest)
{
	const struct plan *from = publish_current(p->parts.publish);
	struct plan *made = NULL, *next;
	const struct service *s;

	*rest = false;
	for (size_t i = 0; i < p->sets.n; i++) {
		struct pod_set *set = p->sets.list[i];

		if (!pod_set_dirty(set) || pods_version(p, set, &s) == NULL)
			continue;
		next = plan_with_set(p, from, set);
		if (next == NULL) {
			*rest = true;
			break;
		}
		pod_set_mark(set, false);
		pod_set_tidy(set);
		plan_drop(made);
		from = made = next;
	}
	return made;
}

/*
 * Who has to go for a name goes in the very plan in which others join: were it
 * told before, there could be nobody for a moment.
 */
static void
sync_dirty(struct pods *p)
{
	for (size_t i = 0; i < p->sets.n; i++)
		if (pod_set_dirty(p->sets.list[i]) &&
		    pods_sync_set(p, p->sets.list[i],
			"no name resolves to it any longer") < 0)
			log_error("pods: no memory to drain all that must go");
}

/* One plan with everything that is dirty; the rest waits for its arrival. */
static void
pods_on_flush(evutil_socket_t fd, short what, void *arg)
{
	struct pods *p = arg;
	struct plan *made;
	bool rest;

	(void)fd;
	(void)what;
	CHECK_OBJ(p, PODS_MAGIC);
	if (p->publishing || p->stopped)
		return;
	sync_dirty(p);
	made = plan_with_dirty(p, &rest);
	if (rest) {
		log_error("pods: no memory for a plan, trying again");
		flush_in(p, RETRY_MS);
	} else {
		STAILQ_CONCAT(&p->served, &p->waiting);
	}
	if (made == NULL) {
		waiters_tell(&p->served, NULL);
		return;
	}
	p->publishing = true;
	drains_publishing(p->drains);
	if (publish_plan(p->parts.publish, made, NULL, pods_on_published, p) <
	    0)
		return;
	if (probes_update(p->parts.probes, made) < 0)
		log_error("pods: checks stay as they were: out of memory");
}

void
pods_followed(struct pods *p, control_done *done, void *arg)
{
	struct waiter *w;

	CHECK_OBJ(p, PODS_MAGIC);
	w = p->stopped ? NULL : waiters_add(&p->waiting);
	if (w == NULL) {
		done(arg, p->stopped ? "shutting down" : "out of memory");
		return;
	}
	w->done = done;
	w->arg = arg;
	if (!p->publishing)
		flush_in(p, 0);
}

/* What the pods of the plan have to do with their set. */

uint32_t
pods_timeout(const struct pods *p)
{
	return publish_conf(p->parts.publish)->settings.timeouts.drain;
}

const struct version *
pods_version(const struct pods *p, const struct pod_set *set,
    const struct service **service)
{
	const struct plan *plan = publish_current(p->parts.publish);

	*service = plan_service(plan, pod_set_service(set));
	return *service != NULL
		   ? service_version(*service, pod_set_version(set))
		   : NULL;
}

void
pods_set_order(struct pods *p, const struct pod_set *set,
    const struct service *s, struct pod *pod, enum pod_order order,
    const char *reason)
{
	enum pod_order was = pod->order;

	if (was == order)
		return;
	pod->order = order;
	if (was == POD_ORDER_MAINT && order != POD_ORDER_MAINT)
		pod->checked = health_join(
		    &s->terms->health, &pod->health, clock_now_us());
	if (order == POD_ORDER_NONE)
		reason = pod->ended ? "its process has ended"
			 : pod->checked == POD_STARTING ? "not checked yet"
							: "as checks say";
	roster_settle(p->parts.roster, pod_set_service(set),
	    pod_set_version(set), pod, reason);
}

void
pods_see_off(struct pods *p, struct pod_set *set, struct pod *pod)
{
	if (!drain_remove(pod) &&
	    drain_begin(p->drains, set, pod, true, pods_timeout(p)) < 0)
		log_error("pod %s: no memory to drain it", pod->address.text);
}

void
pods_sync_pod(struct pods *p, struct pod_set *set, const struct service *s,
    const struct pod_member *m, struct pod *pod, const char *why)
{
	if (m->leaving) {
		pods_set_order(p, set, s, pod, POD_ORDER_DRAIN, why);
		pods_see_off(p, set, pod);
		return;
	}
	if (drain_removes(pod))
		drain_cancel(pod, "it is wanted again");
	pods_set_order(p, set, s, pod, m->order, pod_order_reason(m->order));
}

int
pods_sync_set(struct pods *p, struct pod_set *set, const char *why)
{
	const struct service *s;
	const struct version *v = pods_version(p, set, &s);
	struct pod_finder finder = {.version = v};
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < pod_set_size(set); i++) {
		struct pod_member *m = pod_set_at(set, i);
		struct pod *pod;

		rc = pod_finder_find(&finder, &m->address, i, &pod);
		if (rc == 0 && pod != NULL && pod_member_there(m))
			pods_sync_pod(p, set, s, m, pod, why);
		else if (rc == 0 && pod == NULL)
			m->leaving = false; /* it never came */
	}
	pod_finder_fini(&finder);
	return rc;
}

static void
pods_on_drained(void *arg, struct pod_set *set, struct pod *pod, bool removing,
    const struct pods_outcome *o, struct waiters *left)
{
	struct pods *p = arg;
	struct pod_member *m;

	CHECK_OBJ(p, PODS_MAGIC);
	if (!removing)
		return;
	m = pod_set_find(set, &pod->address);
	if (m == NULL || !m->leaving)
		return;
	m->leaving = false;
	events_pod(p->parts.events, pod_set_service(set), pod_set_version(set),
	    pod->address.text, pod_state_name(pod->state), "gone",
	    o->timed_out ? "drain timeout" : "drained");
	if (pods_parted(p, set))
		return;
	pods_dirty(p, set);
	/* they are told when every worker has the plan without it */
	STAILQ_CONCAT(&p->waiting, left);
}

void
pods_on_idle(struct pods *p, struct pod *pod)
{
	CHECK_OBJ(p, PODS_MAGIC);
	if (!p->stopped)
		drain_on_idle(pod);
}

void
pods_on_cut(struct pods *p, struct pod *pod, unsigned n)
{
	CHECK_OBJ(p, PODS_MAGIC);
	if (!p->stopped)
		drain_on_cut(pod, n);
}

void
pods_save(const struct pods *p)
{
	CHECK_OBJ(p, PODS_MAGIC);
	pod_sets_save(&p->sets, p->store);
}

const struct pod_set *
pods_set(struct pods *p, const char *service, const char *version)
{
	CHECK_OBJ(p, PODS_MAGIC);
	return pod_sets_find(&p->sets, service, version);
}

const struct pod_member *
pods_member(struct pods *p, const char *service, const char *version,
    const struct address *address)
{
	const struct pod_set *set;

	CHECK_OBJ(p, PODS_MAGIC);
	set = pod_sets_find(&p->sets, service, version);
	return set != NULL ? pod_set_find(set, address) : NULL;
}
