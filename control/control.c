/*
 * The main thread: puts the parts together, carries messages and signals to
 * them, and ends everything in order.
 */
#include "control/control.h"

#include <errno.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "conf/conf.h"
#include "control/events.h"
#include "control/kept.h"
#include "control/listeners.h"
#include "control/machine.h"
#include "control/outlier.h"
#include "control/panic.h"
#include "control/pods.h"
#include "control/probe.h"
#include "control/publish.h"
#include "control/reload.h"
#include "control/roster.h"
#include "control/store.h"
#include "control/warmup.h"
#include "control/weights.h"
#include "control/window.h"
#include "proxy/access_log.h"
#include "proxy/bells.h"
#include "proxy/client_table.h"
#include "proxy/mailbox.h"
#include "proxy/worker.h"

#define CONTROL_MAGIC 0xc0470001u

enum control_state {
	CONTROL_STARTING,
	CONTROL_RUNNING,
	CONTROL_DRAINING, /* requests in flight finish */
	CONTROL_STOPPED,  /* no worker is left */
};

enum {
	SIGNAL_HUP,
	SIGNAL_TERM,
	SIGNAL_INT,
	SIGNAL_USR1,
	SIGNAL_COUNT
};

struct control {
	unsigned magic;
	enum control_state state;
	char *config_path;
	struct event_base *base;
	struct mailbox *mailbox; /* workers write to it */
	unsigned nworkers;
	struct worker **workers;
	struct mailbox **boxes; /* the workers' */
	bool *drained;		/* by worker */
	unsigned started;	/* threads that run */
	struct publish *publish;
	struct listeners *listeners;
	struct client_table *client_table; /* the workers' */
	struct bells *bells;		   /* theirs, too */
	struct events *events;
	struct roster *roster;
	struct store *store;
	struct pods *pods;
	struct probes *probes;
	struct outliers *outliers;
	struct warmup *warmup;
	struct windows *windows;
	struct reload *reload;
	struct access_log *log;
	struct sticky_key *sticky_key; /* of services without secret_file */
	struct event tick, deadline;
	struct event *signals[SIGNAL_COUNT];
};

static void
control_send_all(struct control *c, enum message_kind kind)
{
	for (unsigned i = 0; i < c->started; i++)
		mailbox_send(
		    c->boxes[i], &(struct message){.kind = kind, .fd = -1});
}

/* Ends the workers; connections that are left are cut. Waits for them. */
static void
control_stop(struct control *c)
{
	if (c->state == CONTROL_STOPPED)
		return;
	c->state = CONTROL_STOPPED;
	if (c->probes != NULL)
		probes_stop(c->probes);
	if (c->outliers != NULL)
		outliers_stop(c->outliers);
	if (c->warmup != NULL)
		warmup_stop(c->warmup);
	if (c->roster != NULL)
		roster_stop(c->roster);
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
	event_base_loopexit(c->base, NULL);
}

static void
control_finish(struct control *c)
{
	control_stop(c);
	log_info("stopped");
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

static void
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
	probes_stop(c->probes);
	outliers_stop(c->outliers);
	warmup_stop(c->warmup);
	roster_stop(c->roster);
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

static void
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
	}
}

static void
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

static void
control_on_plan(void *arg, const struct plan *old, const struct plan *new)
{
	struct control *c = arg;

	CHECK_OBJ(c, CONTROL_MAGIC);
	panic_compare(c->events, old, new);
	outliers_look(c->outliers);
	warmup_look(c->warmup);
}

static void
control_on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct control *c = arg;

	(void)fd;
	(void)what;
	CHECK_OBJ(c, CONTROL_MAGIC);
	windows_tick(c->windows, control_plan(c));
	listeners_reap(c->listeners);
	kept_catch_up(
	    c->store, c->pods, control_plan(c), publish_conf(c->publish)->spec);
}

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

/* From here on pods come and go. */
static int
control_start_pods(
    struct control *c, const struct plan *plan, const struct spec *file)
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
	pods_commit(c->pods);
	kept_weights(c->store, plan, file);
	return 0;
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
	plan = kept_first_plan(
	    c->store, c->pods, conf->spec, c->nworkers, why, why_size);
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
	c->windows = windows_new();
	c->reload = reload_new(&(struct reload_parts){.path = c->config_path,
	    .nworkers = c->nworkers,
	    .workers = c->boxes,
	    .publish = c->publish,
	    .listeners = c->listeners,
	    .probes = c->probes,
	    .pods = c->pods,
	    .store = c->store,
	    .events = c->events,
	    .log = c->log,
	    .sticky_key = c->sticky_key});
	if (c->probes == NULL || c->windows == NULL || c->reload == NULL ||
	    c->outliers == NULL || c->warmup == NULL ||
	    probes_update(c->probes, plan) < 0)
		return -1;
	publish_watch(c->publish, control_on_plan, c);
	control_on_plan(c, NULL, plan);
	return control_start_pods(c, plan, conf->spec);
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
	reload_free(c->reload);
	probes_free(c->probes);
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
