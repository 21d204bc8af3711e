/*
 * From a config file on disk to a plan in force, step by step: read, open
 * the new listeners, build the plan, publish it, close the old listeners.
 * Whatever fails before publishing changes nothing.
 */
#include "control/reload.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/queue.h"
#include "conf/conf.h"
#include "control/discovery.h"
#include "control/events.h"
#include "control/kept.h"
#include "control/launch.h"
#include "control/listeners.h"
#include "control/pods.h"
#include "control/probe.h"
#include "control/publish.h"
#include "control/rollouts.h"
#include "control/weights.h"
#include "proxy/access_log.h"

#define RELOAD_MAGIC 0x3e100001u

enum reload_state {
	RELOAD_IDLE,
	RELOAD_PUBLISHING, /* workers are taking the plan */
	RELOAD_CLOSING,	   /* workers are closing listeners */
	RELOAD_PARTING,	   /* idle pods that the file has not are going */
	RELOAD_STOPPED,
};

/* Somebody who asked. */
struct asker {
	STAILQ_ENTRY(asker) link;
	control_done *done;
	void *arg;
};

STAILQ_HEAD(askers, asker);

struct reload {
	unsigned magic;
	enum reload_state state;
	struct reload_parts parts;
	struct askers served;  /* by the reload under way */
	struct askers waiting; /* for the next one */
};

struct reload *
reload_new(const struct reload_parts *parts)
{
	struct reload *r = calloc(1, sizeof(*r));

	if (r == NULL)
		return NULL;
	r->magic = RELOAD_MAGIC;
	r->parts = *parts;
	STAILQ_INIT(&r->served);
	STAILQ_INIT(&r->waiting);
	return r;
}

static void
askers_tell(struct askers *list, const char *error)
{
	struct asker *a;

	while ((a = STAILQ_FIRST(list)) != NULL) {
		STAILQ_REMOVE_HEAD(list, link);
		if (a->done != NULL)
			a->done(a->arg, error);
		free(a);
	}
}

/* What was opened for a plan that will not come. */
static void
reload_cancel(struct reload *r)
{
	listeners_cancel(r->parts.listeners);
	access_log_cancel(r->parts.log);
}

void
reload_stop(struct reload *r)
{
	CHECK_OBJ(r, RELOAD_MAGIC);
	if (r->state == RELOAD_PUBLISHING)
		reload_cancel(r);
	r->state = RELOAD_STOPPED;
	askers_tell(&r->served, "shutting down");
	askers_tell(&r->waiting, "shutting down");
}

void
reload_free(struct reload *r)
{
	if (r == NULL)
		return;
	reload_stop(r);
	r->magic = 0;
	free(r);
}

/* The lines joined with newlines; NULL without memory. */
static char *
errors_join(const struct conf_errors *errors)
{
	size_t size = 1;
	char *text, *end;

	for (size_t i = 0; i < errors->n; i++)
		size += strlen(errors->lines[i]) + 1;
	text = malloc(size);
	if (text == NULL)
		return NULL;
	end = text;
	*end = '\0';
	for (size_t i = 0; i < errors->n; i++) {
		if (i > 0)
			*end++ = '\n';
		end = stpcpy(end, errors->lines[i]);
	}
	return text;
}

/* Puts the weights set at run time into the spec, where they still hold. */
static void
reload_weights(struct reload *r, struct spec *spec)
{
	const struct spec *last = publish_conf(r->parts.publish)->spec;
	const struct plan *plan = publish_current(r->parts.publish);

	for (size_t i = 0; i < spec->nservices; i++) {
		struct service_spec *s = &spec->services[i];

		weights_keep_told(s, weights_service(last, s->name),
		    plan_service(plan, s->name));
	}
}

static bool
text_eq(const char *a, const char *b)
{
	return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

/* What is read at start only. */
static void
reload_warn(const struct settings *now, const struct settings *next)
{
	if (now->workers != next->workers)
		log_warn("workers: the change takes effect at the next start");
	if (!text_eq(now->state, next->state))
		log_warn("state: the change takes effect at the next start");
	if (!text_eq(now->admin_socket, next->admin_socket) ||
	    now->admin.len != next->admin.len ||
	    (now->admin.len != 0 && !address_eq(&now->admin, &next->admin)))
		log_warn("admin: the change takes effect at the next start");
}

static void reload_next(struct reload *r);

static void
reload_end(struct reload *r, const char *error)
{
	r->state = RELOAD_IDLE;
	events_reload(r->parts.events, error);
	askers_tell(&r->served, error);
	reload_next(r);
}

static void
reload_on_parted(void *arg, const char *error)
{
	struct reload *r = arg;

	(void)error; /* whatever becomes of them, the file is in force */
	CHECK_OBJ(r, RELOAD_MAGIC);
	if (r->state == RELOAD_PARTING)
		reload_end(r, NULL);
}

void
reload_on_listener_closed(struct reload *r)
{
	CHECK_OBJ(r, RELOAD_MAGIC);
	if (r->state != RELOAD_CLOSING || listeners_closing(r->parts.listeners))
		return;
	r->state = RELOAD_PARTING;
	pods_followed(r->parts.pods, reload_on_parted, r);
}

static void
reload_on_published(void *arg, const char *error)
{
	struct reload *r = arg;

	CHECK_OBJ(r, RELOAD_MAGIC);
	if (r->state != RELOAD_PUBLISHING)
		return;
	if (error != NULL) {
		log_error("reload %s: %s", r->parts.path, error);
		reload_cancel(r);
		reload_end(r, error);
		return;
	}
	access_log_commit(r->parts.log);
	pods_taken(r->parts.pods);
	listeners_commit(r->parts.listeners, r->parts.workers);
	r->state = RELOAD_CLOSING;
	reload_on_listener_closed(r);
}

/* Listeners are prepared and the plan is built: from here on it is done. */
static void
reload_publish(struct reload *r, struct plan *plan, struct conf *conf)
{
	struct publish *publish = r->parts.publish;
	struct plan *before = plan_hold(publish_current(publish));

	reload_warn(&publish_conf(publish)->settings, &conf->settings);
	r->state = RELOAD_PUBLISHING;
	/* in front of the plan: who has taken that has taken these, too */
	listeners_greet(r->parts.listeners, r->parts.workers);
	if (publish_plan(publish, plan, conf, reload_on_published, r) < 0) {
		pods_abandon(r->parts.pods);
		plan_drop(before);
		return;
	}
	pods_commit(r->parts.pods, before);
	plan_drop(before);
	discovery_update(r->parts.discovery, conf);
	if (launch_update(r->parts.launch, conf->spec) < 0)
		log_error("reload %s: some pods are not launched: out of "
			  "memory",
		    r->parts.path);
	kept_weights(r->parts.store, plan, conf->spec);
	if (probes_update(r->parts.probes, plan) < 0)
		log_error("reload %s: checks stay as they were: out of memory",
		    r->parts.path);
}

static void
reload_conf(struct reload *r, struct conf *conf)
{
	struct publish *publish = r->parts.publish;
	struct plan *plan = NULL;
	char why[512] = "out of memory";
	uint64_t *weights = weights_save(conf->spec);

	if (weights == NULL)
		goto fail;
	if (listeners_prepare(r->parts.listeners, &conf->settings, false, why,
		sizeof(why)) < 0)
		goto fail;
	if (access_log_prepare(r->parts.log, &conf->settings.access_log, why,
		sizeof(why)) < 0) {
		listeners_cancel(r->parts.listeners);
		goto fail;
	}
	reload_weights(r, conf->spec);
	spec_stick(conf->spec, r->parts.sticky_key);
	if (pods_apply(r->parts.pods, conf->spec) < 0) {
		pods_abandon(r->parts.pods);
		reload_cancel(r);
		goto fail;
	}
	rollouts_apply(r->parts.rollouts, conf->spec);
	plan = plan_build(conf->spec, publish_current(publish),
	    r->parts.nworkers, clock_now_us(), why, sizeof(why));
	if (plan == NULL) {
		pods_abandon(r->parts.pods);
		reload_cancel(r);
		goto fail;
	}
	kept_epochs(r->parts.store, plan); /* what fails is logged */
	weights_restore(conf->spec, weights);
	free(weights);
	reload_publish(r, plan, conf);
	return;

fail:
	log_error("reload %s: nothing changed: %s", r->parts.path, why);
	free(weights);
	conf_free(conf);
	reload_end(r, why);
}

/* Reads the file for all who wait. */
static void
reload_next(struct reload *r)
{
	struct conf_errors errors = {0};
	struct conf *conf;
	char *text;

	if (r->state != RELOAD_IDLE || STAILQ_EMPTY(&r->waiting))
		return;
	STAILQ_CONCAT(&r->served, &r->waiting);
	conf = conf_load(r->parts.path, &errors);
	if (conf != NULL) {
		conf_errors_free(&errors);
		reload_conf(r, conf);
		return;
	}
	log_error(
	    "reload %s: nothing changed, %zu errors", r->parts.path, errors.n);
	for (size_t i = 0; i < errors.n; i++)
		log_error("%s", errors.lines[i]);
	text = errors_join(&errors);
	conf_errors_free(&errors);
	reload_end(r, text != NULL ? text : "out of memory");
	free(text);
}

void
reload_run(struct reload *r, control_done *done, void *arg)
{
	struct asker *a;

	CHECK_OBJ(r, RELOAD_MAGIC);
	if (r->state == RELOAD_STOPPED) {
		if (done != NULL)
			done(arg, "shutting down");
		return;
	}
	a = malloc(sizeof(*a));
	if (a == NULL) {
		log_error("reload %s: out of memory", r->parts.path);
		if (done != NULL)
			done(arg, "out of memory");
		return;
	}
	a->done = done;
	a->arg = arg;
	STAILQ_INSERT_TAIL(&r->waiting, a, link);
	reload_next(r);
}
