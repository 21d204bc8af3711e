/* From a place to a process to a pod, and back. */
#include "control/launch_slot.h"

#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/opt.h"
#include "conf/conf.h"
#include "control/events.h"
#include "control/launch_job.h"
#include "control/launch_place.h"
#include "control/pods.h"
#include "control/publish.h"
#include "router/launch_spec.h"
#include "router/plan.h"
#include "router/pod.h"
#include "router/service.h"

#define SLOT_MAGIC 0x51070001u
/* Looking whether a process takes connections: soon, then less often. */
#define LOOK_FIRST_MS 5u
#define LOOK_MAX_MS   100u
/* Looking whether requests have finished where no drain tells. */
#define EMPTY_MS 20u

#define BIT(state) (1u << (state))

/* From which states one comes into each. */
static const unsigned comes_from[SLOT_STATES] = {
    [SLOT_IDLE] = BIT(SLOT_STARTING) | BIT(SLOT_DYING) | BIT(SLOT_ENDING) |
		  BIT(SLOT_KILLING) | BIT(SLOT_RUNNING),
    [SLOT_STARTING] = BIT(SLOT_IDLE),
    [SLOT_RUNNING] = BIT(SLOT_STARTING),
    [SLOT_ENDING] = BIT(SLOT_STARTING) | BIT(SLOT_RUNNING),
    [SLOT_KILLING] = BIT(SLOT_STARTING) | BIT(SLOT_RUNNING) | BIT(SLOT_ENDING) |
		     BIT(SLOT_DYING),
    [SLOT_DYING] = BIT(SLOT_STARTING) | BIT(SLOT_RUNNING),
};

static void
slot_go(struct launch_slot *s, enum slot_state to)
{
	CHECK((comes_from[to] & BIT(s->state)) != 0);
	s->state = to;
	event_del(&s->timer);
	slot_knock_end(s);
	launch_changed(s->version);
}

static void
timer_in(struct launch_slot *s, struct event *timer, uint64_t ms)
{
	struct timeval tv = {
	    (time_t)(ms / 1000), (suseconds_t)(ms % 1000 * 1000)};

	if (evtimer_add(timer, &tv) < 0)
		log_error("launch %s/%s: no memory for a timer",
		    s->version->service, s->version->name);
}

static void
slot_tell(const struct launch_slot *s, bool asked, const char *words)
{
	const struct launch_version *v = s->version;

	events_launch(v->launch->parts.events, v->service, v->name,
	    s->address.len > 0 ? s->address.text : "-", asked, words);
}

/* Its beginning. */

static void
slot_forget(struct launch_slot *s)
{
	if (s->listed)
		pods_launch_over(s->version->launch->parts.pods,
		    s->version->service, s->version->name, &s->address, NULL,
		    NULL);
	s->listed = false;
	if (s->pod != NULL)
		pod_drop(s->pod);
	s->pod = NULL;
	s->address = (struct address){0};
}

/* False with why. The one it has is kept unless somebody else has it. */
static bool
slot_find_place(struct launch_slot *s, char *why, size_t size)
{
	struct launch_version *v = s->version;
	struct launch *l = v->launch;
	struct address found;

	if (s->spec->listen == LAUNCH_PORT) {
		if (s->address.len > 0 && launch_port_free(&s->address))
			return true;
		slot_forget(s);
		if (launch_port(s->spec, l->port_seed, &l->next_port,
			launch_taken, l, &found)) {
			s->address = found;
			return true;
		}
		snprintf(why, size, "no port of %u-%u is free",
		    s->spec->port_first, s->spec->port_last);
		return false;
	}
	if (v->folder == NULL)
		v->folder = launch_folder(s->spec);
	if (v->folder == NULL) {
		snprintf(
		    why, size, "no folder for its socket: %s", strerror(errno));
		return false;
	}
	if (s->address.len == 0 &&
	    !launch_socket(v->folder, s->number, &s->address)) {
		snprintf(
		    why, size, "%s: too long for a socket's path", v->folder);
		return false;
	}
	unlink(s->address.text + sizeof ADDRESS_UNIX - 1);
	return true;
}

static void slot_over(struct launch_slot *s, const char *why);

static void
slot_start(struct launch_slot *s)
{
	struct launch_version *v = s->version;
	char why[sizeof s->why];

	s->came_up = false;
	s->begun_us = clock_now_us();
	s->why[0] = '\0';
	v->totals.starts++;
	slot_go(s, SLOT_STARTING);
	if (slot_find_place(s, why, sizeof why))
		s->job = launch_job_start(v->launch, s->spec,
		    &(struct launch_place){v->service, v->name, &s->address}, s,
		    why, sizeof why);
	if (s->job == NULL) {
		slot_over(s, why);
		return;
	}
	s->look_ms = LOOK_FIRST_MS;
	timer_in(s, &s->timer, s->look_ms);
}

/* It takes connections: it may join, or is up again. */

static void slot_on_joined(void *arg, const char *error);

static void
slot_come_up(struct launch_slot *s)
{
	struct launch_version *v = s->version;
	struct pods *pods = v->launch->parts.pods;

	slot_go(s, SLOT_RUNNING);
	s->came_up = true;
	s->up_us = clock_now_us();
	if (s->way != SLOT_STAYS)
		return;
	if (s->listed) {
		pods_launch_ended(pods, v->service, v->name, &s->address, NULL);
		return;
	}
	s->listed = true;
	s->asked++;
	pods_launched(
	    pods, v->service, v->name, &s->address, slot_on_joined, s);
}

static void slot_done(struct launch_slot *s);

static void
slot_on_joined(void *arg, const char *error)
{
	struct launch_slot *s = arg;
	const struct launch_version *v;
	const struct service *service;
	const struct version *version;

	CHECK_OBJ(s, SLOT_MAGIC);
	CHECK(s->asked-- > 0);
	v = s->version;
	launch_changed(s->version);
	if (v->launch->stopping)
		return;
	if (error != NULL) {
		s->listed = false;
		if (s->way == SLOT_STAYS && s->state == SLOT_RUNNING) {
			s->came_up = false;
			snprintf(s->why, sizeof s->why, "%s", error);
			slot_kill(s);
		}
		slot_done(s);
		return;
	}
	service =
	    plan_service(publish_current(v->launch->parts.publish), v->service);
	version = service != NULL ? service_version(service, v->name) : NULL;
	if (s->listed && s->pod == NULL && version != NULL)
		s->pod = version_pod(version, &s->address);
	if (s->pod != NULL)
		pod_hold(s->pod);
	/* it may have died meanwhile */
	if (s->listed && s->state != SLOT_RUNNING)
		pods_launch_ended(v->launch->parts.pods, v->service, v->name,
		    &s->address, s->why);
	slot_done(s);
}

void
slot_on_knock(struct launch_slot *s, bool open)
{
	uint64_t now = clock_now_us();

	if (s->state != SLOT_STARTING)
		return;
	if (open) {
		slot_come_up(s);
		return;
	}
	if (now - s->begun_us >= s->spec->start_ms * 1000ull) {
		snprintf(s->why, sizeof s->why,
		    "took no connection in its start time");
		slot_kill(s);
		return;
	}
	timer_in(s, &s->timer, s->look_ms);
	s->look_ms =
	    2 * s->look_ms < LOOK_MAX_MS ? 2 * s->look_ms : LOOK_MAX_MS;
}

/* Its end. */

static void
slot_failed(struct launch_slot *s, const char *why)
{
	struct launch_version *v = s->version;

	v->failed++;
	snprintf(v->why, sizeof v->why, "%s", why);
}

/* There is no process any more: another one after a while, or none. */
static void
slot_over(struct launch_slot *s, const char *why)
{
	const struct launch_spec *spec = s->spec;
	uint64_t now = clock_now_us();
	char words[256], wait[OPT_TEXT_MAX];
	uint32_t ms;

	slot_go(s, SLOT_IDLE);
	s->job = NULL;
	if (s->way == SLOT_LEAVES || s->version->launch->stopping) {
		s->way = SLOT_LEAVES;
		slot_done(s);
		return;
	}
	s->version->totals.exits++;
	if (s->why[0] == '\0')
		snprintf(s->why, sizeof s->why, "%s", why);
	if (!s->came_up)
		slot_failed(s, s->why);
	if (s->way != SLOT_STAYS) {
		slot_tell(s, false, s->why);
		return;
	}
	ms = launch_backoff(&s->backoff, spec->backoff_min_ms,
	    spec->backoff_max_ms, s->came_up ? now - s->up_us : 0);
	opt_format(OPT_DURATION, ms, wait, sizeof wait);
	snprintf(words, sizeof words, "%s, again in %s", s->why, wait);
	slot_tell(s, false, words);
	timer_in(s, &s->timer, ms);
}

static void
slot_die(struct launch_slot *s, const char *why)
{
	struct launch_version *v = s->version;

	if (s->state == SLOT_ENDING || s->state == SLOT_KILLING) {
		if (s->way == SLOT_LEAVES)
			slot_tell(s, true, why);
		return;
	}
	if (s->state != SLOT_STARTING && s->state != SLOT_RUNNING)
		return;
	snprintf(s->why, sizeof s->why, "%s", why);
	slot_go(s, SLOT_DYING);
	if (s->listed && s->way == SLOT_STAYS && !v->launch->stopping)
		pods_launch_ended(v->launch->parts.pods, v->service, v->name,
		    &s->address, s->why);
}

void
slot_on_news(void *arg, const struct launcher_news *news)
{
	struct launch_slot *s = arg;
	char words[64];

	CHECK_OBJ(s, SLOT_MAGIC);
	switch (news->event) {
	case LAUNCHER_STARTED:
		snprintf(words, sizeof words, "started, process %d", news->pid);
		slot_tell(s, true, words);
		break;
	case LAUNCHER_FAILED:
	case LAUNCHER_EXITED:
		slot_die(s, news->why);
		break;
	case LAUNCHER_GONE:
		if (s->state == SLOT_STARTING || s->state == SLOT_RUNNING)
			slot_die(s, "killed with its keeper");
		slot_over(s, "it is gone");
		break;
	}
}

void
slot_kill(struct launch_slot *s)
{
	struct launch_version *v = s->version;

	if (s->state == SLOT_IDLE || s->state == SLOT_KILLING)
		return;
	if (s->listed && s->way == SLOT_STAYS && !v->launch->stopping)
		pods_launch_ended(v->launch->parts.pods, v->service, v->name,
		    &s->address, s->why);
	slot_go(s, SLOT_KILLING);
	v->launch->ops->kill(v->launch->launcher, s->job);
}

/* Asks the process to end; without one, the slot may go. */
void
slot_end(struct launch_slot *s)
{
	struct launch *l = s->version->launch;

	s->way = SLOT_LEAVES;
	event_del(&s->empty);
	launch_changed(s->version);
	if (s->state != SLOT_STARTING && s->state != SLOT_RUNNING) {
		if (s->state == SLOT_IDLE)
			event_del(&s->timer);
		slot_done(s);
		return;
	}
	slot_go(s, SLOT_ENDING);
	l->ops->stop(l->launcher, s->job);
	timer_in(s, &s->timer, s->spec->grace_ms);
}

/* Where the pods' own draining has nothing to say: its version is gone. */
static void
slot_on_empty(evutil_socket_t fd, short what, void *arg)
{
	struct launch_slot *s = arg;
	const struct publish *publish;

	(void)fd;
	(void)what;
	CHECK_OBJ(s, SLOT_MAGIC);
	publish = s->version->launch->parts.publish;
	if (clock_now_us() < s->patient_us && s->pod != NULL &&
	    (!publish_taken_by_all(publish) || pod_inflight(s->pod) > 0))
		timer_in(s, &s->empty, EMPTY_MS);
	else
		slot_end(s);
}

static void
slot_on_drained(void *arg, const char *error)
{
	struct launch_slot *s = arg;

	CHECK_OBJ(s, SLOT_MAGIC);
	CHECK(s->asked-- > 0);
	if (s->version->launch->stopping || s->way != SLOT_EMPTIES)
		return;
	/* not from within this call: whoever told us is not done */
	if (error == NULL)
		s->patient_us = 0;
	timer_in(s, &s->empty, 0);
}

void
slot_leave(struct launch_slot *s)
{
	struct launch_version *v = s->version;
	const struct conf *conf = publish_conf(v->launch->parts.publish);

	CHECK(s->way == SLOT_STAYS);
	s->way = SLOT_EMPTIES;
	s->patient_us =
	    clock_now_us() + conf->settings.timeouts.drain * 1000ull;
	if (s->state == SLOT_IDLE)
		event_del(&s->timer);
	if (!s->listed) {
		timer_in(s, &s->empty, 0);
		return;
	}
	s->listed = false;
	s->asked++;
	pods_launch_over(v->launch->parts.pods, v->service, v->name,
	    &s->address, slot_on_drained, s);
}

bool
slot_ready(const struct launch_slot *s)
{
	return s->state == SLOT_RUNNING && s->pod != NULL &&
	       (s->pod->state == POD_UP || s->pod->order != POD_ORDER_NONE);
}

static void
slot_on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct launch_slot *s = arg;

	(void)fd;
	(void)what;
	CHECK_OBJ(s, SLOT_MAGIC);
	switch (s->state) {
	case SLOT_IDLE:
		if (s->way == SLOT_STAYS)
			slot_start(s);
		break;
	case SLOT_STARTING:
		slot_knock(s);
		break;
	case SLOT_ENDING:
		slot_tell(s, false, "its grace time is over, it is killed");
		slot_kill(s);
		break;
	case SLOT_RUNNING:
	case SLOT_KILLING:
	case SLOT_DYING:
	case SLOT_STATES:
		break;
	}
}

struct launch_slot *
slot_new(struct launch_version *v)
{
	struct launch_slot *s = calloc(1, sizeof *s);

	if (s == NULL)
		return NULL;
	s->magic = SLOT_MAGIC;
	s->version = v;
	s->spec = launch_spec_hold(v->spec);
	s->number = ++v->launch->slots;
	s->knock = -1;
	evtimer_assign(&s->timer, v->launch->parts.base, slot_on_timer, s);
	evtimer_assign(&s->empty, v->launch->parts.base, slot_on_empty, s);
	TAILQ_INSERT_TAIL(&v->slots, s, link);
	slot_start(s);
	return s;
}

void
slot_free(struct launch_slot *s)
{
	CHECK_OBJ(s, SLOT_MAGIC);
	slot_knock_end(s);
	event_del(&s->timer);
	event_del(&s->empty);
	if (address_is_unix(&s->address))
		unlink(s->address.text + sizeof ADDRESS_UNIX - 1);
	if (s->pod != NULL)
		pod_drop(s->pod);
	launch_spec_drop(s->spec);
	TAILQ_REMOVE(&s->version->slots, s, link);
	s->magic = 0;
	free(s);
}

/* Nothing is left of it and nobody speaks of it: launch.c may free it. */
static void
slot_done(struct launch_slot *s)
{
	if (s->way == SLOT_LEAVES)
		launch_changed(s->version);
}
