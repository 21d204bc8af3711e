/* What shunt runs itself, as members of the sets of pods. */
#include <stdio.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "conf/pod_trust.h"
#include "control/pod_set.h"
#include "control/pods_state.h"
#include "control/roster.h"
#include "router/draw.h"
#include "router/plan.h"
#include "router/pod.h"
#include "router/service.h"

static void
tell(control_done *done, void *arg, const char *error)
{
	if (done != NULL)
		done(arg, error);
}

/* The member and what the plan has of it; each may be NULL. */
static struct pod_member *
find_launched(struct pods *p, const char *service, const char *version,
    const struct address *address, struct pod_set **set,
    const struct service **s, struct pod **pod)
{
	const struct version *v = NULL;

	*pod = NULL;
	*set = pod_sets_find(&p->sets, service, version);
	if (p->stopped || *set == NULL)
		return NULL;
	v = pods_version(p, *set, s);
	if (v != NULL)
		*pod = version_pod(v, address);
	return pod_set_find(*set, address);
}

/* Why a pod of that address cannot join; NULL: it can. */
static const char *
join_fault(
    struct pods *p, const struct pod_set *set, const struct address *address)
{
	const struct pod_member *m;
	const struct service *s;
	const struct version *v;

	if (p->stopped)
		return "shutting down";
	v = set != NULL ? pods_version(p, set, &s) : NULL;
	if (v == NULL)
		return "its version is gone";
	m = pod_set_find(set, address);
	if (m != NULL && pod_member_there(m))
		return "there is another pod of that address";
	if (pod_set_size(set) >= PODS_MAX)
		return "its version has too many pods";
	if (!pod_trust_suits(v->tls, address))
		return "it has no IP address to be verified, and \"tls\" no "
		       "name";
	return NULL;
}

void
pods_launched(struct pods *p, const char *service, const char *version,
    const struct address *address, control_done *done, void *arg)
{
	struct pod_set *set = pod_sets_find(&p->sets, service, version);
	struct pod_member *m;
	struct waiter *w;
	const char *fault;

	CHECK_OBJ(p, PODS_MAGIC);
	fault = join_fault(p, set, address);
	if (fault != NULL) {
		tell(done, arg, fault);
		return;
	}
	m = pod_set_get(set, address);
	w = m != NULL ? waiters_add(&p->waiting) : NULL;
	if (w == NULL) {
		tell(done, arg, "out of memory");
		return;
	}
	w->done = done;
	w->arg = arg;
	m->launched = true;
	m->removed = false;
	m->order = POD_ORDER_NONE;
	pods_dirty(p, set);
}

void
pods_launch_ended(struct pods *p, const char *service, const char *version,
    const struct address *address, const char *why)
{
	const struct service *s;
	struct pod_set *set;
	struct pod *pod;

	CHECK_OBJ(p, PODS_MAGIC);
	find_launched(p, service, version, address, &set, &s, &pod);
	if (pod == NULL)
		return;
	if (why == NULL && pod->ended)
		pod->checked = health_join(
		    &s->terms->health, &pod->health, clock_now_us());
	pod->ended = why != NULL;
	if (why == NULL)
		why = pod->checked == POD_STARTING ? "not checked yet" : "";
	/* the reason of an order is not overwritten */
	roster_settle(p->parts.roster, service, version, pod,
	    pod->order == POD_ORDER_NONE ? why : NULL);
}

/* It may be draining because its version is gone. */
static void
wait_for_parted(struct pods *p, const char *service, const char *version,
    const struct address *address, control_done *done, void *arg)
{
	struct pod *pod = NULL;
	struct waiter *w;

	for (size_t i = 0; !p->stopped && pod == NULL && i < p->parting.n; i++)
		if (pod_set_is_of(p->parting.list[i], service, version))
			pod =
			    drains_find(p->drains, p->parting.list[i], address);
	w = pod != NULL ? waiters_add(drain_waiters(pod)) : NULL;
	if (w == NULL) {
		tell(done, arg, "it is gone already");
		return;
	}
	w->done = done;
	w->arg = arg;
}

void
pods_launch_over(struct pods *p, const char *service, const char *version,
    const struct address *address, control_done *done, void *arg)
{
	const struct service *s;
	struct pod_set *set;
	struct pod_member *m;
	struct waiters *list;
	struct waiter *w;
	struct pod *pod;

	CHECK_OBJ(p, PODS_MAGIC);
	m = find_launched(p, service, version, address, &set, &s, &pod);
	if (m == NULL || !m->launched) {
		wait_for_parted(p, service, version, address, done, arg);
		return;
	}
	m->gave = pod_member_source(m);
	m->launched = false;
	m->order = POD_ORDER_NONE;
	if (pod != NULL && !pod_member_wanted(m)) {
		m->leaving = true;
		pods_sync_pod(p, set, s, m, pod, "its process is to end");
	}
	list = pod != NULL ? drain_waiters(pod) : NULL;
	w = waiters_add(list != NULL ? list : &p->waiting);
	if (w != NULL) {
		w->done = done;
		w->arg = arg;
	}
	pods_dirty(p, set);
	if (w == NULL)
		tell(done, arg, "out of memory");
}
