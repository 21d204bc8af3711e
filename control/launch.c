/* How many processes of each version there are to be, and the steps there. */
#include "control/launch.h"

#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "base/log.h"
#include "conf/conf.h"
#include "control/guard.h"
#include "control/launch_slot.h"
#include "control/launch_state.h"
#include "control/publish.h"
#include "router/launch_spec.h"
#include "router/plan.h"
#include "router/service.h"
#include "router/spec.h"

#define LAUNCH_MAGIC 0x1a0c0001u

static void launch_on_turn(evutil_socket_t fd, short what, void *arg);

/*
 * Where ports begin: after each start at the same place, but elsewhere than
 * those of another shunt that starts now. What it listens on tells it from
 * others.
 */
static uint32_t
port_seed(const struct settings *settings)
{
	const char *text =
	    settings->nlisteners > 0 ? settings->listeners[0].address.text : "";
	uint32_t hash = 2166136261u; /* FNV-1a */

	for (; *text != '\0'; text++)
		hash = (hash ^ (unsigned char)*text) * 16777619u;
	return hash;
}

struct launch *
launch_new(const struct launch_parts *parts, char *why, size_t why_size)
{
	struct launch *l = calloc(1, sizeof *l);

	snprintf(why, why_size, "out of memory");
	if (l == NULL)
		return NULL;
	l->magic = LAUNCH_MAGIC;
	l->parts = *parts;
	LIST_INIT(&l->versions);
	LIST_INIT(&l->outputs);
	evtimer_assign(&l->turn, parts->base, launch_on_turn, l);
	l->port_seed = port_seed(&publish_conf(parts->publish)->settings);
	l->ops = &launcher_guard;
	l->launcher = l->ops->open(parts->base, slot_on_news);
	if (l->launcher == NULL) {
		free(l);
		return NULL;
	}
	return l;
}

static void
version_free(struct launch_version *v)
{
	CHECK(TAILQ_EMPTY(&v->slots));
	if (v->folder != NULL)
		rmdir(v->folder);
	launch_spec_drop(v->spec);
	LIST_REMOVE(v, link);
	free(v->folder);
	free(v->service);
	free(v->name);
	free(v);
}

void
launch_free(struct launch *l)
{
	struct launch_version *v;
	struct launch_slot *s;

	if (l == NULL)
		return;
	CHECK_OBJ(l, LAUNCH_MAGIC);
	l->stopping = true;
	l->ops->close(l->launcher);
	while ((v = LIST_FIRST(&l->versions)) != NULL) {
		while ((s = TAILQ_FIRST(&v->slots)) != NULL)
			slot_free(s);
		version_free(v);
	}
	launch_outputs_free(&l->outputs);
	event_del(&l->turn);
	l->magic = 0;
	free(l);
}

static void
turn_soon(struct launch *l)
{
	struct timeval now = {0, 0};

	if (!evtimer_pending(&l->turn, NULL) && evtimer_add(&l->turn, &now) < 0)
		log_error("launch: no memory for a timer");
}

void
launch_changed(struct launch_version *v)
{
	v->changed = true;
	turn_soon(v->launch);
}

static struct launch_version *
find_version(const struct launch *l, const char *service, const char *name)
{
	struct launch_version *v;

	LIST_FOREACH (v, &l->versions, link)
		if (strcmp(v->service, service) == 0 &&
		    strcmp(v->name, name) == 0)
			return v;
	return NULL;
}

/* The same, made when there is none; NULL without memory. */
static struct launch_version *
get_version(struct launch *l, const char *service, const char *name)
{
	struct launch_version *v = find_version(l, service, name);

	if (v != NULL)
		return v;
	v = calloc(1, sizeof *v);
	if (v == NULL)
		return NULL;
	v->launch = l;
	v->told = LAUNCH_BY_WEIGHT;
	v->service = strdup(service);
	v->name = strdup(name);
	TAILQ_INIT(&v->slots);
	LIST_INSERT_HEAD(&l->versions, v, link);
	if (v->service == NULL || v->name == NULL) {
		version_free(v);
		return NULL;
	}
	return v;
}

/* How many. */

static unsigned
by_weight(const struct launch_version *v)
{
	const struct plan *plan = publish_current(v->launch->parts.publish);
	const struct service *s = plan_service(plan, v->service);
	const struct version *in = NULL;

	if (s != NULL)
		in = service_version(s, v->name);
	return in != NULL && service_leads(s, in) ? v->spec->replicas : 0;
}

static void
version_reckon(struct launch_version *v)
{
	unsigned wanted = 0;

	if (v->spec != NULL)
		wanted = v->told == LAUNCH_BY_WEIGHT ? by_weight(v) : v->told;
	if (wanted > LAUNCH_REPLICAS_MAX)
		wanted = LAUNCH_REPLICAS_MAX;
	if (wanted == v->wanted)
		return;
	if (v->wanted == 0) {
		v->failed = 0;
		v->why[0] = '\0';
	}
	log_info("launch %s/%s: %u wanted, %u before", v->service, v->name,
	    wanted, v->wanted);
	v->wanted = wanted;
	launch_changed(v);
}

/* What the policy looks at; the slots beside it. The caller frees both. */
static size_t
view_slots(const struct launch_version *v, struct launch_slot ***slots,
    struct launch_view **views)
{
	struct launch_slot *s;
	size_t n = 0;

	TAILQ_FOREACH (s, &v->slots, link)
		n++;
	*slots = calloc(n + 1, sizeof(struct launch_slot *));
	*views = calloc(n + 1, sizeof **views);
	if (*slots == NULL || *views == NULL)
		return SIZE_MAX;
	n = 0;
	TAILQ_FOREACH (s, &v->slots, link) {
		if (s->way != SLOT_STAYS)
			continue;
		(*slots)[n] = s;
		(*views)[n++] = (struct launch_view){
		    .fresh =
			v->spec == NULL || launch_spec_same(s->spec, v->spec),
		    .ready = slot_ready(s),
		    .born = s->number,
		};
	}
	return n;
}

/* One step; false when there is none to be done now. */
static bool
version_step(struct launch_version *v)
{
	struct launch_slot **slots;
	struct launch_view *views;
	size_t n = view_slots(v, &slots, &views), which = 0;
	enum launch_step step = LAUNCH_REST;

	if (n != SIZE_MAX)
		step = launch_step(views, n, v->wanted, &which);
	if (n == SIZE_MAX || (step == LAUNCH_START && slot_new(v) == NULL)) {
		log_error("launch %s/%s: out of memory", v->service, v->name);
		step = LAUNCH_REST;
	}
	if (step == LAUNCH_TAKE)
		slot_leave(slots[which]);
	free(slots);
	free(views);
	return step != LAUNCH_REST;
}

static void
version_bury(struct launch_version *v)
{
	struct launch_slot *s, *next;

	TAILQ_FOREACH_SAFE (s, &v->slots, link, next)
		if (s->way == SLOT_LEAVES && s->state == SLOT_IDLE &&
		    s->asked == 0)
			slot_free(s);
}

static void
launch_tell(struct launch *l)
{
	struct launch_version *v;

	LIST_FOREACH (v, &l->versions, link) {
		if (!v->changed)
			continue;
		v->changed = false;
		if (l->told != NULL)
			l->told(l->told_arg, v->service);
	}
}

static void
launch_on_turn(evutil_socket_t fd, short what, void *arg)
{
	struct launch *l = arg;
	struct launch_version *v, *next;
	void (*done)(void *) = l->done;

	(void)fd;
	(void)what;
	CHECK_OBJ(l, LAUNCH_MAGIC);
	for (v = LIST_FIRST(&l->versions); v != NULL; v = next) {
		next = LIST_NEXT(v, link);
		version_bury(v);
		if (!l->stopping) {
			version_reckon(v);
			while (version_step(v))
				continue;
		}
		if (TAILQ_EMPTY(&v->slots) && v->spec == NULL)
			version_free(v);
	}
	if (!l->stopping)
		launch_tell(l);
	LIST_FOREACH (v, &l->versions, link)
		if (!TAILQ_EMPTY(&v->slots))
			return;
	l->done = NULL;
	if (done != NULL)
		done(l->done_arg);
}

/* Times may be others without another process. */
static void
take_spec(struct launch_version *v)
{
	struct launch_slot *s;

	TAILQ_FOREACH (s, &v->slots, link) {
		if (!launch_spec_same(s->spec, v->spec))
			continue;
		launch_spec_drop(s->spec);
		s->spec = launch_spec_hold(v->spec);
	}
}

int
launch_update(struct launch *l, const struct spec *spec)
{
	struct launch_version *v;
	int rc = 0;

	CHECK_OBJ(l, LAUNCH_MAGIC);
	LIST_FOREACH (v, &l->versions, link)
		v->filed = false;
	for (size_t i = 0; i < spec->nservices; i++) {
		const struct service_spec *s = &spec->services[i];

		for (size_t k = 0; k < s->nversions; k++) {
			if (s->versions[k].launch == NULL)
				continue;
			v = get_version(l, s->name, s->versions[k].name);
			if (v == NULL) {
				rc = -1;
				continue;
			}
			launch_spec_drop(v->spec);
			v->spec = launch_spec_hold(s->versions[k].launch);
			v->filed = true;
		}
	}
	LIST_FOREACH (v, &l->versions, link) {
		if (v->filed) {
			take_spec(v);
		} else {
			launch_spec_drop(v->spec);
			v->spec = NULL;
			v->told = LAUNCH_BY_WEIGHT;
		}
		version_reckon(v);
		launch_changed(v);
	}
	return rc;
}

void
launch_want(
    struct launch *l, const char *service, const char *version, uint32_t n)
{
	struct launch_version *v;

	CHECK_OBJ(l, LAUNCH_MAGIC);
	v = find_version(l, service, version);
	if (v == NULL || v->spec == NULL || l->stopping)
		return;
	v->told = n;
	version_reckon(v);
}

void
launch_look(struct launch *l)
{
	CHECK_OBJ(l, LAUNCH_MAGIC);
	if (!l->stopping && !LIST_EMPTY(&l->versions))
		turn_soon(l);
}

bool
launch_counts(const struct launch *l, const char *service, const char *version,
    struct launch_counts *counts)
{
	const struct launch_version *v;
	const struct launch_slot *s;

	CHECK_OBJ(l, LAUNCH_MAGIC);
	v = find_version(l, service, version);
	if (v == NULL || v->spec == NULL)
		return false;
	*counts = (struct launch_counts){
	    .wanted = v->wanted,
	    .replicas = v->spec->replicas,
	    .failed = v->failed,
	    .why = v->why[0] != '\0' ? v->why : NULL,
	};
	TAILQ_FOREACH (s, &v->slots, link) {
		counts->pods += s->way == SLOT_STAYS;
		counts->leaving += s->way != SLOT_STAYS;
	}
	return true;
}

bool
launch_totals(const struct launch *l, const char *service, const char *version,
    struct launch_totals *totals)
{
	const struct launch_version *v;

	CHECK_OBJ(l, LAUNCH_MAGIC);
	v = find_version(l, service, version);
	if (v == NULL || v->spec == NULL)
		return false;
	*totals = v->totals;
	return true;
}

void
launch_on_change(
    struct launch *l, void (*told)(void *arg, const char *service), void *arg)
{
	CHECK_OBJ(l, LAUNCH_MAGIC);
	l->told = told;
	l->told_arg = arg;
}

bool
launch_taken(void *launch, const struct address *a)
{
	const struct launch *l = launch;
	const struct plan *plan = publish_current(l->parts.publish);
	const struct launch_version *v;
	const struct launch_slot *slot;

	LIST_FOREACH (v, &l->versions, link)
		TAILQ_FOREACH (slot, &v->slots, link)
			if (address_eq(&slot->address, a))
				return true;
	for (size_t i = 0; i < plan->nservices; i++) {
		const struct service *s = plan->services[i];

		for (size_t k = 0; k < s->nversions; k++)
			if (version_pod(&s->versions[k], a) != NULL)
				return true;
	}
	return false;
}

void
launch_stop(struct launch *l, void (*done)(void *arg), void *arg)
{
	struct launch_version *v;
	struct launch_slot *s;

	CHECK_OBJ(l, LAUNCH_MAGIC);
	l->stopping = true;
	l->done = done;
	l->done_arg = arg;
	LIST_FOREACH (v, &l->versions, link)
		TAILQ_FOREACH (s, &v->slots, link)
			slot_end(s);
	turn_soon(l);
}

void
launch_hurry(struct launch *l)
{
	struct launch_version *v;
	struct launch_slot *s;

	CHECK_OBJ(l, LAUNCH_MAGIC);
	LIST_FOREACH (v, &l->versions, link)
		TAILQ_FOREACH (s, &v->slots, link)
			slot_kill(s);
}
