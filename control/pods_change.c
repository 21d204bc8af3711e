/* What people and names do to sets of pods. */
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/log.h"
#include "base/opt.h"
#include "conf/conf.h"
#include "conf/pod_trust.h"
#include "control/pod_set.h"
#include "control/pods_state.h"
#include "control/publish.h"
#include "control/roster.h"
#include "control/store.h"
#include "router/draw.h"
#include "router/plan.h"
#include "router/pod.h"
#include "router/service.h"

/* What a change is about. */
struct target {
	struct pod_set *set;
	const struct service *service; /* in the plan */
	struct pod_member *member;     /* NULL: there is none */
	struct pod *pod; /* in the plan; NULL: it has not joined yet */
};

/* False with why. */
static bool
find_target(struct pods *p, const char *service, const char *version,
    const struct address *address, struct target *t, char *why, size_t size)
{
	const struct version *v;

	*t = (struct target){0};
	if (p->stopped) {
		snprintf(why, size, "shutting down");
		return false;
	}
	t->set = pod_sets_find(&p->sets, service, version);
	v = t->set != NULL ? pods_version(p, t->set, &t->service) : NULL;
	if (v == NULL) {
		char quoted[OPT_QUOTE_MAX];

		opt_quote(span_of(version), quoted, sizeof quoted);
		snprintf(
		    why, size, "service %s has no version %s", service, quoted);
		return false;
	}
	t->member = pod_set_find(t->set, address);
	t->pod = version_pod(v, address);
	return true;
}

/* The same, and the pod is there. */
static bool
find_pod(struct pods *p, const char *service, const char *version,
    const struct address *address, struct target *t, char *why, size_t size)
{
	if (!find_target(p, service, version, address, t, why, size))
		return false;
	if (t->member != NULL && pod_member_there(t->member))
		return true;
	snprintf(why, size, "version %s of service %s has no pod %s", version,
	    service, address->text);
	return false;
}

/* It is in the store when this returns, or the log says why not. */
static void
keep(struct pods *p, const struct target *t)
{
	p->stored = true;
	store_begin(p->store);
	pod_sets_keep(p->store, t->set, t->member);
	store_end(p->store);
}

/* Whether it may join; else why not. */
static bool
may_add(const struct pods *p, const struct target *t,
    const struct address *address, char *why, size_t size)
{
	const struct service *s;
	const struct version *v = pods_version(p, t->set, &s);
	const char *wrong = NULL;

	if (t->member != NULL && t->member->leaving)
		wrong = "is still draining, to be removed";
	else if (t->member != NULL && pod_member_there(t->member))
		wrong = "is there already";
	else if (pod_set_size(t->set) >= PODS_MAX)
		wrong = "is one too many";
	else if (v != NULL && !pod_trust_suits(v->tls, address))
		wrong = "has no IP address to be verified, and \"tls\" no name";
	if (wrong != NULL)
		snprintf(why, size, "pod %s of version %s of service %s %s",
		    address->text, pod_set_version(t->set),
		    pod_set_service(t->set), wrong);
	return wrong == NULL;
}

void
pods_add(struct pods *p, const char *service, const char *version,
    const struct address *address, uint16_t weight, control_done *done,
    void *arg)
{
	struct waiter *w = NULL;
	struct target t;
	char why[512];

	CHECK_OBJ(p, PODS_MAGIC);
	if (!find_target(p, service, version, address, &t, why, sizeof why) ||
	    !may_add(p, &t, address, why, sizeof why))
		goto fail;
	snprintf(why, sizeof why, "out of memory");
	t.member = pod_set_get(t.set, address);
	w = t.member != NULL ? waiters_add(&p->waiting) : NULL;
	if (w == NULL)
		goto fail;
	w->done = done;
	w->arg = arg;
	/* What the file or a name gives has its weight from there. */
	t.member->added = !t.member->filed && t.member->nnames == 0;
	t.member->added_weight = weight;
	t.member->removed = false;
	t.member->order = POD_ORDER_NONE;
	keep(p, &t);
	pods_dirty(p, t.set);
	return;
fail:
	if (done != NULL)
		done(arg, why);
}

static uint32_t
timeout_of(const struct pods *p, const struct pods_wait *wait)
{
	if (wait->timeout_ms != PODS_TIMEOUT_DEFAULT)
		return wait->timeout_ms;
	return publish_conf(p->parts.publish)->settings.timeouts.drain;
}

/* One who is to be told, on a list of its own; -1 without memory. */
static int
begin_waiting(
    struct waiters *list, const struct target *t, pods_done *done, void *arg)
{
	struct waiter *w;

	STAILQ_INIT(list);
	w = waiters_add(list);
	if (w == NULL)
		return -1;
	w->told = done;
	w->arg = arg;
	if (t->pod != NULL)
		w->outcome.inflight = pod_inflight(t->pod);
	else
		w->outcome.waited = true;
	return 0;
}

/* They wait for the end of the pod's draining, or for the next plan. */
static void
wait_on(struct pods *p, const struct target *t, bool end, struct waiters *list)
{
	struct waiters *to = &p->waiting;

	if (end && t->pod != NULL && drain_waiters(t->pod) != NULL)
		to = drain_waiters(t->pod);
	STAILQ_CONCAT(to, list);
	pods_dirty(p, t->set);
}

static void
empty(struct pods *p, const struct target *t, bool removing, uint32_t ms)
{
	if (t->pod != NULL &&
	    drain_begin(p->drains, t->set, t->pod, removing, ms) < 0)
		log_error(
		    "pod %s: no memory to drain it", t->pod->address.text);
}

/* What shunt runs would only be started again. */
static bool
may_remove(const struct target *t, char *why, size_t size)
{
	if (!t->member->launched)
		return true;
	snprintf(why, size,
	    "pod %s is run by shunt: how many there are is for \"replicas\" "
	    "of its \"launch\" in the config file to say; drain or maint "
	    "takes it out of service",
	    t->member->address.text);
	return false;
}

void
pods_remove(struct pods *p, const char *service, const char *version,
    const struct address *address, const struct pods_wait *wait,
    pods_done *done, void *arg)
{
	struct waiters list;
	struct target t;
	char why[512];

	CHECK_OBJ(p, PODS_MAGIC);
	if (!find_pod(p, service, version, address, &t, why, sizeof why) ||
	    !may_remove(&t, why, sizeof why))
		goto fail;
	snprintf(why, sizeof why, "out of memory");
	if (begin_waiting(&list, &t, done, arg) < 0)
		goto fail;
	if (!t.member->leaving) {
		t.member->gave = pod_member_source(t.member);
		t.member->removed = t.member->filed || t.member->nnames > 0;
		t.member->added = false;
		t.member->order = POD_ORDER_NONE;
		t.member->leaving = t.pod != NULL;
		keep(p, &t);
	}
	if (t.pod != NULL)
		pods_sync_pod(
		    p, t.set, t.service, t.member, t.pod, "being removed");
	empty(p, &t, true, timeout_of(p, wait));
	wait_on(p, &t, wait->wait, &list);
	return;
fail:
	if (done != NULL)
		done(arg, why, NULL);
}

/* Nothing keeps it from what checks say. */
static void
pardon(struct pods *p, const struct target *t)
{
	drain_cancel(t->pod, "it was ordered back");
	if (!t->pod->ejected)
		return;
	t->pod->ejected = false;
	roster_settle(p->parts.roster, pod_set_service(t->set),
	    pod_set_version(t->set), t->pod, "as checks say");
}

void
pods_order(struct pods *p, const char *service, const char *version,
    const struct address *address, enum pod_order order,
    const struct pods_wait *wait, pods_done *done, void *arg)
{
	struct waiters list;
	struct target t;
	char why[512];

	CHECK_OBJ(p, PODS_MAGIC);
	if (!find_pod(p, service, version, address, &t, why, sizeof why))
		goto fail;
	snprintf(why, sizeof why, "pod %s is draining, to be removed",
	    address->text);
	if (t.member->leaving)
		goto fail;
	snprintf(why, sizeof why, "out of memory");
	if (begin_waiting(&list, &t, done, arg) < 0)
		goto fail;
	t.member->order = order;
	keep(p, &t);
	if (t.pod != NULL) {
		pods_sync_pod(p, t.set, t.service, t.member, t.pod, NULL);
		if (order == POD_ORDER_NONE)
			pardon(p, &t);
		else
			empty(p, &t, false, timeout_of(p, wait));
	}
	wait_on(p, &t, wait->wait && order != POD_ORDER_NONE, &list);
	return;
fail:
	if (done != NULL)
		done(arg, why, NULL);
}

static size_t
count_kept(const struct pod_set *set)
{
	size_t n = 0;

	for (size_t i = 0; i < pod_set_size(set); i++)
		n += pod_member_kept(pod_set_at(set, i));
	return n;
}

void
pods_resolved(struct pods *p, const char *service, const char *version,
    const char *name, const struct address *list, const uint16_t *weights,
    size_t n)
{
	struct pod_set *set;
	size_t kept;
	int changed;

	CHECK_OBJ(p, PODS_MAGIC);
	set = pod_sets_find(&p->sets, service, version);
	if (p->stopped || set == NULL)
		return;
	kept = count_kept(set);
	changed = pod_set_resolve(set, name, list, weights, n);
	if (changed < 0)
		log_error("pods of %s/%s: %s: no memory for all it resolves "
			  "to",
		    service, version, name);
	if (changed != 0)
		pods_dirty(p, set);
	if (count_kept(set) == kept)
		return;
	store_begin(p->store);
	pods_save(p);
	store_end(p->store);
}

static bool
any_name(const char *name, const struct pod_name *names, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(names[i].text, name) == 0)
			return true;
	return false;
}

void
pods_keep_names(struct pods *p, const char *service, const char *version,
    const struct pod_name *names, size_t n)
{
	const struct pod_set *set;
	const char *name;

	CHECK_OBJ(p, PODS_MAGIC);
	set = pod_sets_find(&p->sets, service, version);
	for (size_t i = 0; set != NULL && (name = pod_set_name(set, i)) != NULL;
	     i++)
		if (!any_name(name, names, n))
			pods_resolved(p, service, version, name, NULL, NULL, 0);
}
