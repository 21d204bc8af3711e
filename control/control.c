/*
 * The main thread: carries messages and signals to its parts, and ends
 * everything in order.
 */
#include "control/control.h"

#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/log.h"
#include "conf/conf.h"
#include "control/control_state.h"
#include "control/discovery.h"
#include "control/events.h"
#include "control/kept.h"
#include "control/launch.h"
#include "control/listeners.h"
#include "control/outlier.h"
#include "control/panic.h"
#include "control/pods.h"
#include "control/probe.h"
#include "control/publish.h"
#include "control/reload.h"
#include "control/retry_budgets.h"
#include "control/rollouts.h"
#include "control/roster.h"
#include "control/store.h"
#include "control/warmup.h"
#include "control/weights.h"
#include "control/window.h"
#include "proxy/access_log.h"
#include "proxy/mailbox.h"
#include "proxy/worker.h"

static void
control_send_all(struct control *c, enum message_kind kind)
{
	for (unsigned i = 0; i < c->started; i++)
		mailbox_send(
		    c->boxes[i], &(struct message){.kind = kind, .fd = -1});
}

void
control_stop(struct control *c)
{
	if (c->state == CONTROL_STOPPED)
		return;
	c->state = CONTROL_STOPPED;
	if (c->rollouts != NULL)
		rollouts_stop(c->rollouts);
	if (c->probes != NULL)
		probes_stop(c->probes);
	if (c->outliers != NULL)
		outliers_stop(c->outliers);
	if (c->warmup != NULL)
		warmup_stop(c->warmup);
	if (c->roster != NULL)
		roster_stop(c->roster);
	if (c->discovery != NULL)
		discovery_stop(c->discovery);
	if (c->pods != NULL)
		pods_stop(c->pods);
	control_send_all(c, MSG_STOP);
	for (unsigned i = 0; c->workers != NULL && i < c->nworkers; i++)
		if (c->workers[i] != NULL)
			worker_free(c->workers[i]);
	c->started = 0;
	if (c->reload != NULL)
		reload_stop(c->reload);
	if (c->publish != NULL)
		publish_stop(c->publish);
	evtimer_del(&c->deadline);
	evtimer_del(&c->tick);
}

static void
control_on_pods_ended(void *arg)
{
	struct control *c = arg;

	CHECK_OBJ(c, CONTROL_MAGIC);
	log_info("stopped");
	event_base_loopexit(c->base, NULL);
}

/* No worker is left; then the pods that we run. */
static void
control_finish(struct control *c)
{
	control_stop(c);
	launch_stop(c->launch, control_on_pods_ended, c);
}

static unsigned
control_connections(const struct control *c)
{
	const char *address;
	unsigned n, sum = 0;

	for (size_t i = 0; control_listener(c, i, &address, &n); i++)
		sum += n;
	return sum;
}

void
control_on_deadline(evutil_socket_t fd, short what, void *arg)
{
	struct control *c = arg;

	(void)fd;
	(void)what;
	CHECK_OBJ(c, CONTROL_MAGIC);
	log_warn("draining: time is over, %u connections are cut",
	    control_connections(c));
	control_finish(c);
}

static void
control_drain(struct control *c, const char *signal_name)
{
	uint32_t ms = control_settings(c)->timeouts.drain;
	struct timeval limit = {ms / 1000, (ms % 1000) * 1000};

	log_info("draining: %s, %u connections, at most %u ms", signal_name,
	    control_connections(c), ms);
	c->state = CONTROL_DRAINING;
	rollouts_stop(c->rollouts);
	probes_stop(c->probes);
	outliers_stop(c->outliers);
	warmup_stop(c->warmup);
	roster_stop(c->roster);
	discovery_stop(c->discovery);
	pods_stop(c->pods);
	reload_stop(c->reload);
	control_send_all(c, MSG_DRAIN);
	if (evtimer_add(&c->deadline, &limit) < 0) {
		log_error("draining: no memory for a timer");
		control_finish(c);
	}
}

static void
control_on_drained(struct control *c, unsigned worker)
{
	if (c->state != CONTROL_DRAINING)
		return;
	c->drained[worker] = true;
	for (unsigned i = 0; i < c->nworkers; i++)
		if (!c->drained[i])
			return;
	log_info("draining: every request has finished");
	control_finish(c);
}

void
control_on_signal(evutil_socket_t sig, short what, void *arg)
{
	struct control *c = arg;
	const char *name = sig == SIGTERM ? "SIGTERM" : "SIGINT";

	(void)what;
	CHECK_OBJ(c, CONTROL_MAGIC);
	if (sig == SIGHUP) {
		log_info("SIGHUP: reloading %s", c->config_path);
		control_reload(c, NULL, NULL);
	} else if (sig == SIGUSR1) {
		access_log_reopen(c->log);
	} else if (c->state == CONTROL_RUNNING) {
		control_drain(c, name);
	} else if (c->state == CONTROL_DRAINING) {
		log_warn("%s again: %u connections are cut", name,
		    control_connections(c));
		control_finish(c);
		launch_hurry(c->launch);
	} else if (c->state == CONTROL_STOPPED) {
		log_warn("%s again: pods are killed", name);
		launch_hurry(c->launch);
	}
}

void
control_on_message(void *arg, const struct message *m)
{
	struct control *c = arg;

	CHECK_OBJ(c, CONTROL_MAGIC);
	if (c->state == CONTROL_STOPPED)
		return;
	CHECK(m->worker < c->nworkers);
	switch (m->kind) {
	case MSG_PLAN_TAKEN:
		publish_taken(c->publish, m->worker);
		break;
	case MSG_PLAN_LEFT:
		publish_left(c->publish, m->worker, m->plan);
		break;
	case MSG_POD_IDLE:
		pods_on_idle(c->pods, m->pod);
		break;
	case MSG_POD_WAS_CUT:
		pods_on_cut(c->pods, m->pod, m->cut);
		break;
	case MSG_LISTENER_CLOSED:
		listeners_closed(c->listeners, m->listener);
		reload_on_listener_closed(c->reload);
		break;
	case MSG_DRAINED:
		control_on_drained(c, m->worker);
		break;
	case MSG_POD_FAILS:
		outliers_look(c->outliers);
		break;
	case MSG_PLAN:
	case MSG_LISTENER_ADD:
	case MSG_LISTENER_GREET:
	case MSG_LISTENER_CLOSE:
	case MSG_POD_CUT:
	case MSG_DRAIN:
	case MSG_STOP:
		WRONG("message for a worker sent to main");
	}
}

void
control_on_plan(void *arg, const struct plan *old, const struct plan *new)
{
	struct control *c = arg;

	CHECK_OBJ(c, CONTROL_MAGIC);
	panic_compare(c->events, old, new);
	outliers_look(c->outliers);
	warmup_look(c->warmup);
	rollouts_look(c->rollouts);
	launch_look(c->launch);
}

void
control_on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct control *c = arg;

	(void)fd;
	(void)what;
	CHECK_OBJ(c, CONTROL_MAGIC);
	windows_tick(c->windows, control_plan(c));
	retry_budgets_look(c->events, control_plan(c));
	listeners_reap(c->listeners);
	kept_catch_up(c->store, c->pods, c->rollouts, control_plan(c),
	    publish_conf(c->publish)->spec);
}

struct event_base *
control_base(struct control *c)
{
	CHECK_OBJ(c, CONTROL_MAGIC);
	return c->base;
}

int
control_run(struct control *c)
{
	CHECK_OBJ(c, CONTROL_MAGIC);
	CHECK(c->state == CONTROL_RUNNING);
	if (event_base_dispatch(c->base) < 0) {
		log_error("the main loop failed: %s", strerror(errno));
		control_stop(c);
		return -1;
	}
	return 0;
}

const struct plan *
control_plan(const struct control *c)
{
	CHECK_OBJ(c, CONTROL_MAGIC);
	return publish_current(c->publish);
}

const struct settings *
control_settings(const struct control *c)
{
	CHECK_OBJ(c, CONTROL_MAGIC);
	return &publish_conf(c->publish)->settings;
}

bool
control_in_force(const struct control *c)
{
	CHECK_OBJ(c, CONTROL_MAGIC);
	return roster_published(c->roster) && publish_taken_by_all(c->publish);
}

struct events *
control_events(struct control *c)
{
	CHECK_OBJ(c, CONTROL_MAGIC);
	return c->events;
}

struct pods *
control_pods(struct control *c)
{
	CHECK_OBJ(c, CONTROL_MAGIC);
	return c->pods;
}

const struct discovery *
control_discovery(const struct control *c)
{
	CHECK_OBJ(c, CONTROL_MAGIC);
	return c->discovery;
}

struct rollouts *
control_rollouts(struct control *c)
{
	CHECK_OBJ(c, CONTROL_MAGIC);
	return c->rollouts;
}

const struct launch *
control_launch(const struct control *c)
{
	CHECK_OBJ(c, CONTROL_MAGIC);
	return c->launch;
}

const char *
control_state_problem(const struct control *c)
{
	CHECK_OBJ(c, CONTROL_MAGIC);
	return store_problem(c->store);
}

const struct windows *
control_windows(const struct control *c)
{
	CHECK_OBJ(c, CONTROL_MAGIC);
	return c->windows;
}

unsigned
control_workers(const struct control *c)
{
	CHECK_OBJ(c, CONTROL_MAGIC);
	return c->nworkers;
}

bool
control_ready(const struct control *c)
{
	CHECK_OBJ(c, CONTROL_MAGIC);
	return c->state == CONTROL_RUNNING;
}

uint64_t
control_log_dropped(const struct control *c)
{
	CHECK_OBJ(c, CONTROL_MAGIC);
	return access_log_dropped(c->log);
}

uint64_t
control_h2_floods(const struct control *c, enum h2_flood flood)
{
	uint64_t sum = 0;

	CHECK_OBJ(c, CONTROL_MAGIC);
	for (unsigned i = 0; i < c->nworkers && c->state != CONTROL_STOPPED;
	     i++)
		sum += worker_h2_floods(c->workers[i], flood);
	return sum;
}

bool
control_listener(const struct control *c, size_t i, const char **address,
    unsigned *connections)
{
	CHECK_OBJ(c, CONTROL_MAGIC);
	return listeners_get(c->listeners, i, address, connections);
}

/* A rollout has the weights of its service; true when it was answered so. */
static bool
refuse_while_released(
    struct control *c, const char *service, control_done *done, void *arg)
{
	struct rollout_view view;
	char why[256];

	if (!rollouts_running(c->rollouts, service) ||
	    !rollouts_last(c->rollouts, service, &view))
		return false;
	snprintf(why, sizeof(why),
	    "a rollout to %s is %s: abort it or let it end", view.to,
	    rollout_phase_name(view.phase));
	if (done != NULL)
		done(arg, why);
	return true;
}

void
control_set_weights(struct control *c, const char *service,
    const struct weight_change *changes, size_t n, control_done *done,
    void *arg)
{
	const struct plan *old;
	struct plan *plan;
	char words[512], why[512];

	CHECK_OBJ(c, CONTROL_MAGIC);
	if (c->state != CONTROL_RUNNING) {
		if (done != NULL)
			done(arg, "shutting down");
		return;
	}
	if (refuse_while_released(c, service, done, arg))
		return;
	old = control_plan(c);
	plan = plan_with_weights(old, service, changes, n, why, sizeof(why));
	if (plan == NULL) {
		if (done != NULL)
			done(arg, why);
		return;
	}
	weights_describe_change(plan_service(old, service),
	    plan_service(plan, service), words, sizeof(words));
	kept_weights(c->store, plan, publish_conf(c->publish)->spec);
	if (publish_plan(c->publish, plan, NULL, done, arg) == 0)
		events_weights(c->events, service, words);
}

void
control_reload(struct control *c, control_done *done, void *arg)
{
	CHECK_OBJ(c, CONTROL_MAGIC);
	reload_run(c->reload, done, arg);
}
