/* Puts the parts of the main thread together, and takes them apart again. */
#include "control/control_state.h"

#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/check.h"
#include "conf/conf.h"
#include "control/discovery.h"
#include "control/events.h"
#include "control/kept.h"
#include "control/launch.h"
#include "control/listeners.h"
#include "control/machine.h"
#include "control/outlier.h"
#include "control/pods.h"
#include "control/probe.h"
#include "control/publish.h"
#include "control/reload.h"
#include "control/rollouts.h"
#include "control/roster.h"
#include "control/store.h"
#include "control/warmup.h"
#include "control/window.h"
#include "proxy/access_log.h"
#include "proxy/bells.h"
#include "proxy/client_table.h"
#include "proxy/mailbox.h"
#include "proxy/worker.h"

/* The loop and what hangs on it. */
static int
control_open(struct control *c)
{
	static const int numbers[] = {[SIGNAL_HUP] = SIGHUP,
	    [SIGNAL_TERM] = SIGTERM,
	    [SIGNAL_INT] = SIGINT,
	    [SIGNAL_USR1] = SIGUSR1};
	struct timeval second = {1, 0};

	evtimer_assign(&c->deadline, c->base, control_on_deadline, c);
	event_assign(&c->tick, c->base, -1, EV_PERSIST, control_on_tick, c);
	c->mailbox = mailbox_new(c->base, control_on_message, c);
	if (c->mailbox == NULL || event_add(&c->tick, &second) < 0)
		return -1;
	for (unsigned i = 0; i < SIGNAL_COUNT; i++) {
		c->signals[i] =
		    evsignal_new(c->base, numbers[i], control_on_signal, c);
		if (c->signals[i] == NULL || event_add(c->signals[i], NULL) < 0)
			return -1;
	}
	return 0;
}

/* The access log, in force at once. */
static int
control_open_log(struct control *c, const struct settings *settings, char *why,
    size_t why_size)
{
	c->log = access_log_new(c->nworkers);
	if (c->log == NULL) {
		snprintf(why, why_size, "access_log: %s", strerror(errno));
		return -1;
	}
	if (access_log_prepare(c->log, &settings->access_log, why, why_size) <
	    0)
		return -1;
	access_log_commit(c->log);
	return 0;
}

/* Made once: cookies outlive reloads, but not the process. */
static int
control_make_sticky_key(struct control *c)
{
	char secret[2 * STICKY_SECRET_MIN];

	if (getrandom(secret, sizeof secret, 0) == (ssize_t)sizeof secret)
		c->sticky_key =
		    sticky_key_new((struct span){secret, sizeof secret});
	explicit_bzero(secret, sizeof secret);
	return c->sticky_key != NULL ? 0 : -1;
}

static struct launch *
control_make_launch(struct control *c, char *why, size_t why_size)
{
	return launch_new(&(struct launch_parts){.base = c->base,
			      .publish = c->publish,
			      .roster = c->roster,
			      .pods = c->pods,
			      .events = c->events},
	    why, why_size);
}

/* From here on pods come and go. */
static int
control_start_pods(
    struct control *c, const struct plan *plan, const struct conf *conf)
{
	if (pods_start(c->pods, &(struct pods_parts){
				    .base = c->base,
				    .publish = c->publish,
				    .roster = c->roster,
				    .probes = c->probes,
				    .events = c->events,
				    .workers = c->boxes,
				    .nworkers = c->nworkers,
				}) < 0)
		return -1;
	pods_commit(c->pods, NULL);
	kept_weights(c->store, plan, conf->spec);
	if (discovery_update(c->discovery, conf) < 0 ||
	    launch_update(c->launch, conf->spec) < 0)
		return -1;
	return rollouts_begin(c->rollouts, &(struct rollouts_parts){
					       .base = c->base,
					       .publish = c->publish,
					       .launch = c->launch,
					       .events = c->events,
					   });
}

/* Plan, workers without a thread yet, and what runs beside them. */
static int
control_build(struct control *c, struct conf *conf, char *why, size_t why_size)
{
	uint8_t seed[TLS_TICKETS_SEED];
	struct plan *plan;

	if (getrandom(seed, sizeof seed, 0) != (ssize_t)sizeof seed ||
	    control_make_sticky_key(c) < 0) {
		snprintf(why, why_size, "no random numbers to be had");
		conf_free(conf);
		return -1;
	}
	spec_stick(conf->spec, c->sticky_key);
	c->pods = pods_new(c->store);
	if (c->pods == NULL) {
		snprintf(why, why_size,
		    "state: what it keeps of pods cannot "
		    "be read");
		conf_free(conf);
		return -1;
	}
	c->rollouts = rollouts_new(c->store, why, why_size);
	if (c->rollouts == NULL) {
		conf_free(conf);
		return -1;
	}
	plan = kept_first_plan(c->store, c->pods, c->rollouts, conf->spec,
	    c->nworkers, why, why_size);
	if (plan == NULL) {
		conf_free(conf);
		return -1;
	}
	snprintf(why, why_size, "out of memory");
	c->publish = publish_new(c->nworkers, plan, conf);
	if (c->publish == NULL) {
		plan_drop(plan);
		conf_free(conf);
		return -1;
	}
	for (unsigned i = 0; i < c->nworkers; i++) {
		c->workers[i] = worker_new(i, c->mailbox, plan, &conf->settings,
		    access_log_ring(c->log, i), c->client_table, c->bells,
		    seed);
		if (c->workers[i] == NULL) {
			snprintf(
			    why, why_size, "worker %u: %s", i, strerror(errno));
			return -1;
		}
		c->boxes[i] = worker_mailbox(c->workers[i]);
		publish_worker(c->publish, i, c->boxes[i]);
	}
	explicit_bzero(seed, sizeof seed);
	c->events = events_new();
	if (c->events != NULL)
		c->roster = roster_new(c->base, c->publish, c->events);
	if (c->roster != NULL)
		c->probes = probes_new(c->base, c->roster);
	if (c->roster != NULL)
		c->outliers = outliers_new(c->base, c->publish, c->roster);
	if (c->roster != NULL)
		c->warmup = warmup_new(c->base, c->publish, c->roster);
	if (c->events != NULL)
		c->discovery = discovery_new(c->base, c->pods, c->events);
	if (c->roster != NULL)
		c->launch = control_make_launch(c, why, why_size);
	c->windows = windows_new();
	c->reload = reload_new(&(struct reload_parts){.path = c->config_path,
	    .nworkers = c->nworkers,
	    .workers = c->boxes,
	    .publish = c->publish,
	    .listeners = c->listeners,
	    .probes = c->probes,
	    .pods = c->pods,
	    .discovery = c->discovery,
	    .rollouts = c->rollouts,
	    .launch = c->launch,
	    .store = c->store,
	    .events = c->events,
	    .log = c->log,
	    .sticky_key = c->sticky_key});
	if (c->probes == NULL || c->windows == NULL || c->reload == NULL ||
	    c->outliers == NULL || c->warmup == NULL || c->discovery == NULL ||
	    c->launch == NULL || probes_update(c->probes, plan) < 0)
		return -1;
	publish_watch(c->publish, control_on_plan, c);
	control_on_plan(c, NULL, plan);
	return control_start_pods(c, plan, conf);
}

static int
control_start(struct control *c, char *why, size_t why_size)
{
	for (; c->started < c->nworkers; c->started++)
		if (worker_start(c->workers[c->started]) < 0) {
			snprintf(why, why_size, "worker %u: %s", c->started,
			    strerror(errno));
			return -1;
		}
	return 0;
}

static struct control *
control_alloc(const char *config_path, unsigned workers)
{
	struct control *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return NULL;
	c->magic = CONTROL_MAGIC;
	c->nworkers = workers > 0 ? workers : machine_cpus();
	c->config_path = strdup(config_path);
	c->workers = calloc(c->nworkers, sizeof(struct worker *));
	c->boxes = calloc(c->nworkers, sizeof(struct mailbox *));
	c->drained = calloc(c->nworkers, sizeof(*c->drained));
	c->listeners = listeners_new(c->nworkers);
	c->client_table = client_table_new();
	c->bells = bells_new(c->nworkers);
	c->base = event_base_new();
	if (c->base == NULL || c->config_path == NULL || c->workers == NULL ||
	    c->boxes == NULL || c->drained == NULL || c->listeners == NULL ||
	    c->client_table == NULL || c->bells == NULL ||
	    control_open(c) < 0) {
		control_free(c);
		return NULL;
	}
	return c;
}

struct control *
control_new(
    const char *config_path, struct conf *conf, char *why, size_t why_size)
{
	struct control *c;

	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN); /* an error of that file, not of ours */
	machine_raise_fd_limit(conf->settings.limits.connections);
	c = control_alloc(config_path, conf->settings.workers);
	if (c == NULL) {
		snprintf(why, why_size, "out of memory");
		conf_free(conf);
		return NULL;
	}
	/* before a listener is bound: another process may have it open */
	c->store = store_open(conf->settings.state, why, why_size);
	if (c->store == NULL) {
		conf_free(conf);
		goto fail;
	}
	if (control_open_log(c, &conf->settings, why, why_size) < 0 ||
	    listeners_prepare(
		c->listeners, &conf->settings, true, why, why_size) < 0) {
		conf_free(conf);
		goto fail;
	}
	if (control_build(c, conf, why, why_size) < 0 ||
	    control_start(c, why, why_size) < 0)
		goto fail;
	listeners_commit(c->listeners, c->boxes);
	c->state = CONTROL_RUNNING;
	return c;

fail:
	control_free(c);
	return NULL;
}

void
control_free(struct control *c)
{
	if (c == NULL)
		return;
	CHECK_OBJ(c, CONTROL_MAGIC);
	if (c->base != NULL)
		control_stop(c);
	rollouts_free(c->rollouts);
	launch_free(c->launch);
	reload_free(c->reload);
	probes_free(c->probes);
	discovery_free(c->discovery);
	pods_free(c->pods);
	outliers_free(c->outliers);
	warmup_free(c->warmup);
	roster_free(c->roster);
	windows_free(c->windows);
	publish_free(c->publish);
	events_free(c->events);
	store_close(c->store);
	access_log_free(c->log);
	listeners_free(c->listeners);
	client_table_free(c->client_table);
	bells_free(c->bells);
	for (unsigned i = 0; i < SIGNAL_COUNT; i++)
		if (c->signals[i] != NULL)
			event_free(c->signals[i]);
	if (c->mailbox != NULL)
		mailbox_free(c->mailbox);
	if (c->base != NULL)
		event_base_free(c->base);
	sticky_key_drop(c->sticky_key);
	free(c->drained);
	free(c->boxes);
	free(c->workers);
	free(c->config_path);
	c->magic = 0;
	free(c);
}
