/* From "no new request" to "nothing in flight", pod by pod. */
#include "control/pod_drain.h"

#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "control/pod_set.h"
#include "proxy/mailbox.h"
#include "router/pod.h"

#define DRAIN_MAGIC 0xd3a10001u

enum drain_state {
	DRAIN_BEGUN,	  /* workers may still begin requests */
	DRAIN_PUBLISHING, /* they are being told not to */
	DRAIN_LEAVING,	  /* the same, by a reload */
	DRAIN_WAITING,	  /* they begin none any more */
	DRAIN_CUTTING,	  /* they are cutting what is left */
};

struct pod_drain {
	unsigned magic;
	enum drain_state state;
	LIST_ENTRY(pod_drain) link;
	struct drains *all;
	struct pod_set *set;
	struct pod *pod; /* held */
	bool removing;
	bool due; /* its time is over */
	struct event deadline;
	uint64_t begun_us;
	unsigned acks; /* that are missing */
	unsigned cut;
	struct waiters waiters;
};

struct drains {
	struct drains_parts parts;
	LIST_HEAD(, pod_drain) list;
};

struct waiter *
waiters_add(struct waiters *list)
{
	struct waiter *w = calloc(1, sizeof *w);

	if (w != NULL)
		STAILQ_INSERT_TAIL(list, w, link);
	return w;
}

void
waiters_tell(struct waiters *list, const char *error)
{
	struct waiter *w;

	while ((w = STAILQ_FIRST(list)) != NULL) {
		STAILQ_REMOVE_HEAD(list, link);
		if (w->done != NULL)
			w->done(w->arg, error);
		if (w->told != NULL)
			w->told(
			    w->arg, error, error == NULL ? &w->outcome : NULL);
		free(w);
	}
}

struct drains *
drains_new(const struct drains_parts *parts)
{
	struct drains *all = calloc(1, sizeof *all);

	if (all == NULL)
		return NULL;
	all->parts = *parts;
	LIST_INIT(&all->list);
	return all;
}

/* The waiters are the caller's. */
static void
drain_free(struct pod_drain *d)
{
	CHECK_OBJ(d, DRAIN_MAGIC);
	CHECK(d->pod->drain == d);
	event_del(&d->deadline);
	LIST_REMOVE(d, link);
	d->pod->drain = NULL;
	pod_drop(d->pod);
	d->magic = 0;
	free(d);
}

void
drain_cancel(struct pod *pod, const char *why)
{
	struct pod_drain *d = pod->drain;
	struct waiters left = STAILQ_HEAD_INITIALIZER(left);

	if (d == NULL)
		return;
	STAILQ_CONCAT(&left, &d->waiters);
	drain_free(d);
	waiters_tell(&left, why);
}

void
drains_forget(struct drains *all, const struct pod_set *set, const char *why)
{
	struct pod_drain *d, *next;

	for (d = LIST_FIRST(&all->list); d != NULL; d = next) {
		next = LIST_NEXT(d, link);
		if (d->set == set)
			drain_cancel(d->pod, why);
	}
}

void
drains_free(struct drains *all)
{
	struct pod_drain *d;

	if (all == NULL)
		return;
	while ((d = LIST_FIRST(&all->list)) != NULL)
		drain_cancel(d->pod, "shutting down");
	free(all);
}

static void
drain_end(struct pod_drain *d, bool timed_out)
{
	struct drains *all = d->all;
	struct waiters left = STAILQ_HEAD_INITIALIZER(left);
	struct pods_outcome o = {
	    .waited = true,
	    .timed_out = timed_out,
	    .inflight = pod_inflight(d->pod),
	    .cut = d->cut,
	    .took_us = clock_now_us() - d->begun_us,
	};
	struct pod_set *set = d->set;
	struct pod *pod = pod_hold(d->pod);
	bool removing = d->removing;
	struct waiter *w;

	log_info("pod %s/%s/%s: %s after %.3f s, %u in flight, %u cut",
	    pod_set_service(set), pod_set_version(set), pod->address.text,
	    timed_out ? "drain timeout" : "drained", (double)o.took_us / 1e6,
	    o.inflight, o.cut);
	STAILQ_CONCAT(&left, &d->waiters);
	STAILQ_FOREACH (w, &left, link)
		w->outcome = o;
	drain_free(d);
	all->parts.ended(all->parts.arg, set, pod, removing, &o, &left);
	waiters_tell(&left, NULL);
	pod_drop(pod);
}

static void
drain_cut(struct pod_drain *d)
{
	const struct drains_parts *parts = &d->all->parts;

	d->state = DRAIN_CUTTING;
	d->acks = parts->nworkers;
	for (unsigned i = 0; i < parts->nworkers; i++)
		mailbox_send(parts->workers[i], &(struct message){
						    .kind = MSG_POD_CUT,
						    .fd = -1,
						    .pod = d->pod,
						    .everything = d->removing,
						});
}

/* Where it stands, as far as workers keep off the pod already. */
static void
drain_look(struct pod_drain *d)
{
	if (d->state != DRAIN_WAITING)
		return;
	if (pod_inflight(d->pod) == 0)
		drain_end(d, false);
	else if (d->due)
		drain_cut(d);
}

static void
drain_on_deadline(evutil_socket_t fd, short what, void *arg)
{
	struct pod_drain *d = arg;

	(void)fd;
	(void)what;
	CHECK_OBJ(d, DRAIN_MAGIC);
	d->due = true;
	drain_look(d);
}

static struct pod_drain *
drain_new(struct drains *all, struct pod_set *set, struct pod *pod)
{
	struct pod_drain *d = calloc(1, sizeof *d);

	if (d == NULL)
		return NULL;
	d->magic = DRAIN_MAGIC;
	d->all = all;
	d->set = set;
	d->pod = pod_hold(pod);
	d->begun_us = clock_now_us();
	STAILQ_INIT(&d->waiters);
	evtimer_assign(&d->deadline, all->parts.base, drain_on_deadline, d);
	LIST_INSERT_HEAD(&all->list, d, link);
	pod->drain = d;
	return d;
}

int
drain_begin(struct drains *all, struct pod_set *set, struct pod *pod,
    bool removing, uint32_t timeout_ms)
{
	struct timeval tv = {timeout_ms / 1000, timeout_ms % 1000 * 1000};
	struct pod_drain *d = pod->drain;

	if (d == NULL)
		d = drain_new(all, set, pod);
	if (d == NULL)
		return -1;
	d->removing = removing;
	d->due = false;
	/* What workers were told to cut for another purpose is not enough. */
	if (d->state != DRAIN_CUTTING)
		d->state = DRAIN_BEGUN;
	return evtimer_add(&d->deadline, &tv);
}

struct pod *
drains_find(const struct drains *all, const struct pod_set *set,
    const struct address *address)
{
	struct pod_drain *d;

	LIST_FOREACH (d, &all->list, link)
		if (d->set == set && address_eq(&d->pod->address, address))
			return d->pod;
	return NULL;
}

bool
drains_any(const struct drains *all, const struct pod_set *set)
{
	struct pod_drain *d;

	LIST_FOREACH (d, &all->list, link)
		if (d->set == set)
			return true;
	return false;
}

bool
drain_remove(struct pod *pod)
{
	struct pod_drain *d = pod->drain;

	if (d == NULL || (!d->removing && d->state == DRAIN_CUTTING))
		return false;
	d->removing = true;
	return true;
}

struct waiters *
drain_waiters(struct pod *pod)
{
	return pod->drain != NULL ? &pod->drain->waiters : NULL;
}

bool
drain_removes(const struct pod *pod)
{
	return pod->drain != NULL && pod->drain->removing;
}

/* Those that have just begun. */
static void
drains_go(struct drains *all, enum drain_state state)
{
	struct pod_drain *d;

	LIST_FOREACH (d, &all->list, link)
		if (d->state == DRAIN_BEGUN)
			d->state = state;
}

void
drains_publishing(struct drains *all)
{
	drains_go(all, DRAIN_PUBLISHING);
}

void
drains_leaving(struct drains *all)
{
	drains_go(all, DRAIN_LEAVING);
}

/* Workers have what those in this state wait for. */
static void
drains_wait(struct drains *all, enum drain_state state)
{
	struct pod_drain *d, *next;

	for (d = LIST_FIRST(&all->list); d != NULL; d = next) {
		next = LIST_NEXT(d, link);
		if (d->state != state)
			continue;
		d->state = DRAIN_WAITING;
		drain_look(d);
	}
}

void
drains_published(struct drains *all)
{
	drains_wait(all, DRAIN_PUBLISHING);
}

void
drains_left(struct drains *all)
{
	drains_wait(all, DRAIN_LEAVING);
}

void
drain_on_idle(struct pod *pod)
{
	if (pod->drain != NULL)
		drain_look(pod->drain);
}

void
drain_on_cut(struct pod *pod, unsigned n)
{
	struct pod_drain *d = pod->drain;

	if (d == NULL || d->state != DRAIN_CUTTING || d->acks == 0)
		return;
	d->cut += n;
	if (--d->acks > 0)
		return;
	if (d->due || pod_inflight(pod) == 0) {
		drain_end(d, d->due);
		return;
	}
	d->state = DRAIN_WAITING; /* it has got more time meanwhile */
	drain_look(d);
}
