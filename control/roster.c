/* Pods that changed, and the plan that tells the workers. */
#include "control/roster.h"

#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/log.h"
#include "base/queue.h"
#include "control/events.h"
#include "control/publish.h"
#include "router/plan.h"
#include "router/pod.h"
#include "router/tally.h"

#define ROSTER_MAGIC 0x4057e001u
/* How long until a plan that found no memory is tried again. */
#define RETRY_MS 1000u

/* A service whose pods in the plan in force are not as they should be. */
struct dirty {
	STAILQ_ENTRY(dirty) link;
	char *service;
};

struct roster {
	unsigned magic;
	bool stopped;
	bool publishing; /* a plan of ours is on its way */
	struct event_base *base;
	struct publish *publish;
	struct events *events;
	struct event flush;
	void (*on_maint)(void *arg, struct pod *pod);
	void *maint_arg;
	STAILQ_HEAD(, dirty) dirty;
};

static void
flush_in(struct roster *r, unsigned ms)
{
	struct timeval tv = {ms / 1000, ms % 1000 * 1000};

	if (evtimer_add(&r->flush, &tv) < 0)
		log_error("pods: no memory for a timer");
}

static void
dirty_drop(struct roster *r)
{
	struct dirty *d = STAILQ_FIRST(&r->dirty);

	STAILQ_REMOVE_HEAD(&r->dirty, link);
	free(d->service);
	free(d);
}

static void
add_dirty(struct roster *r, const char *service)
{
	struct dirty *d;

	STAILQ_FOREACH (d, &r->dirty, link)
		if (strcmp(d->service, service) == 0)
			return;
	d = malloc(sizeof *d);
	if (d == NULL || (d->service = strdup(service)) == NULL) {
		log_error("pods of %s: no memory for a change", service);
		free(d);
		return;
	}
	STAILQ_INSERT_TAIL(&r->dirty, d, link);
}

static void
roster_on_published(void *arg, const char *error)
{
	struct roster *r = arg;
	const struct plan *plan;

	CHECK_OBJ(r, ROSTER_MAGIC);
	r->publishing = false;
	if (r->stopped)
		return;
	if (error != NULL) {
		log_error("pods: plan not published: %s", error);
		plan = publish_current(r->publish);
		for (size_t i = 0; i < plan->nservices; i++)
			add_dirty(r, plan->services[i]->name);
	}
	if (!STAILQ_EMPTY(&r->dirty))
		flush_in(r, error != NULL ? RETRY_MS : 0);
}

/* One plan with everything that is dirty; the rest waits for its arrival. */
static void
roster_on_flush(evutil_socket_t fd, short what, void *arg)
{
	struct roster *r = arg;
	const struct plan *from;
	struct plan *made = NULL, *next;

	(void)fd;
	(void)what;
	CHECK_OBJ(r, ROSTER_MAGIC);
	if (r->publishing || r->stopped)
		return;
	from = publish_current(r->publish);
	while (!STAILQ_EMPTY(&r->dirty)) {
		next = plan_with_health(from, STAILQ_FIRST(&r->dirty)->service);
		if (next == NULL)
			break;
		dirty_drop(r);
		plan_drop(made);
		from = made = next;
	}
	if (!STAILQ_EMPTY(&r->dirty)) {
		log_error("pods: no memory for a plan, trying again");
		flush_in(r, RETRY_MS);
	}
	if (made == NULL)
		return;
	r->publishing = true;
	publish_plan(r->publish, made, NULL, roster_on_published, r);
}

struct roster *
roster_new(
    struct event_base *base, struct publish *publish, struct events *events)
{
	struct roster *r = calloc(1, sizeof *r);

	if (r == NULL)
		return NULL;
	r->magic = ROSTER_MAGIC;
	r->base = base;
	r->publish = publish;
	r->events = events;
	STAILQ_INIT(&r->dirty);
	evtimer_assign(&r->flush, base, roster_on_flush, r);
	return r;
}

bool
roster_published(const struct roster *r)
{
	CHECK_OBJ(r, ROSTER_MAGIC);
	return STAILQ_EMPTY(&r->dirty);
}

void
roster_stop(struct roster *r)
{
	CHECK_OBJ(r, ROSTER_MAGIC);
	r->stopped = true;
	event_del(&r->flush);
}

void
roster_free(struct roster *r)
{
	if (r == NULL)
		return;
	roster_stop(r);
	while (!STAILQ_EMPTY(&r->dirty))
		dirty_drop(r);
	r->magic = 0;
	free(r);
}

void
roster_dirty(struct roster *r, const char *service)
{
	CHECK_OBJ(r, ROSTER_MAGIC);
	add_dirty(r, service);
	if (!r->publishing && !r->stopped)
		flush_in(r, 0);
}

void
roster_on_maint(
    struct roster *r, void (*told)(void *arg, struct pod *pod), void *arg)
{
	CHECK_OBJ(r, ROSTER_MAGIC);
	r->on_maint = told;
	r->maint_arg = arg;
}

static void
count_move(const struct roster *r, const char *service, const char *version,
    enum pod_state to)
{
	const struct service *s =
	    plan_service(publish_current(r->publish), service);
	const struct version *v =
	    s != NULL ? service_version(s, version) : NULL;

	if (v != NULL)
		v->tally->moves[to]++;
}

/* As far as a plan minds: up or not, and counted by panic or not. */
static bool
are_alike(enum pod_state a, enum pod_state b)
{
	return (a == POD_UP) == (b == POD_UP) &&
	       pod_is_known(a) == pod_is_known(b);
}

/* True when it is in another state, which was told. */
static bool
settle_and_tell(const struct roster *r, const char *service,
    const char *version, struct pod *pod, const char *reason)
{
	enum pod_state was = pod->state;

	if (!pod_settle(pod, reason))
		return false;
	events_pod(r->events, service, version, pod->address.text,
	    pod_state_name(was), pod_state_name(pod->state), pod->reason);
	return true;
}

void
roster_part(struct roster *r, const char *service, const char *version,
    struct pod *pod, const char *reason)
{
	CHECK_OBJ(r, ROSTER_MAGIC);
	settle_and_tell(r, service, version, pod, reason);
}

bool
roster_settle(struct roster *r, const char *service, const char *version,
    struct pod *pod, const char *reason)
{
	enum pod_state was = pod->state;

	CHECK_OBJ(r, ROSTER_MAGIC);
	if (r->on_maint != NULL)
		r->on_maint(r->maint_arg, pod);
	if (!settle_and_tell(r, service, version, pod, reason))
		return false;
	count_move(r, service, version, pod->state);
	if (!are_alike(was, pod->state))
		roster_dirty(r, service);
	return true;
}
