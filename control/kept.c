/* Weights, epochs and pods on their way into the store and out of it. */
#include "control/kept.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "control/pods.h"
#include "control/rollouts.h"
#include "control/store.h"
#include "control/weights.h"
#include "router/plan.h"
#include "router/spec.h"

/*
 * The stored weights of one service at a time: as a service of the file as
 * it was then, and as the one that was in force.
 */
struct restore {
	struct spec *spec;
	char *service; /* NULL: none yet */
	struct version_spec *filed;
	struct version *now;
	size_t n;
	int rc; /* -1: out of memory */
};

static void
restore_clear(struct restore *r)
{
	for (size_t i = 0; i < r->n; i++)
		free(r->filed[i].name);
	free(r->service);
	free(r->filed);
	free(r->now);
	r->service = NULL;
	r->filed = NULL;
	r->now = NULL;
	r->n = 0;
}

/* All rows of the service are there. */
static void
restore_service(struct restore *r)
{
	struct service_spec last = {.versions = r->filed, .nversions = r->n};
	struct service now = {
	    .name = r->service, .versions = r->now, .nversions = r->n};
	struct service_spec *next;

	if (r->service == NULL)
		return;
	next = weights_service(r->spec, r->service);
	if (next == NULL)
		log_warn("weights of %s: set at run time, but the file has no "
			 "such service",
		    r->service);
	else
		weights_keep_told(next, &last, &now);
	restore_clear(r);
}

static void
restore_row(void *arg, const struct stored_weight *row)
{
	struct restore *r = arg;
	struct version_spec *filed;
	struct version *now;
	char *name;

	if (r->service != NULL && strcmp(r->service, row->service) != 0)
		restore_service(r);
	if (r->service == NULL)
		r->service = strdup(row->service);
	filed = reallocarray(r->filed, r->n + 1, sizeof *filed);
	if (filed != NULL)
		r->filed = filed;
	now = reallocarray(r->now, r->n + 1, sizeof *now);
	if (now != NULL)
		r->now = now;
	name = strdup(row->version);
	if (r->service == NULL || filed == NULL || now == NULL ||
	    name == NULL) {
		free(name);
		r->rc = -1;
		return;
	}
	filed[r->n] = (struct version_spec){.name = name, .weight = row->filed};
	now[r->n++] = (struct version){.name = name, .weight = row->weight};
}

static int
restore_weights(struct store *store, struct spec *spec)
{
	struct restore r = {.spec = spec};
	int rc = store_each_weight(store, restore_row, &r);

	if (rc == 0 && r.rc == 0)
		restore_service(&r);
	restore_clear(&r);
	return rc < 0 ? rc : r.rc;
}

/* Of one service after the other, the highest of each first. */
struct restore_epochs {
	struct plan *plan;
	bool later; /* than what the plan has of that service */
};

static void
restore_epoch(void *arg, const struct stored_epoch *e)
{
	struct restore_epochs *r = arg;

	if (e->version == NULL)
		r->later = plan_raise_epochs(r->plan, e->service, e->epoch);
	else if (r->later)
		plan_set_epoch(r->plan, e->service, e->version, e->epoch);
}

int
kept_epochs(struct store *store, struct plan *plan)
{
	struct restore_epochs r = {.plan = plan};

	return store_each_epoch(store, restore_epoch, &r);
}

struct plan *
kept_first_plan(struct store *store, struct pods *pods,
    struct rollouts *rollouts, struct spec *spec, unsigned nworkers, char *why,
    size_t why_size)
{
	uint64_t *filed = weights_save(spec);
	struct plan *plan = NULL;

	snprintf(why, why_size, "out of memory");
	if (filed != NULL && restore_weights(store, spec) == 0 &&
	    pods_apply(pods, spec) == 0) {
		rollouts_apply(rollouts, spec);
		plan = plan_build(
		    spec, NULL, nworkers, clock_now_us(), why, why_size);
	}
	if (plan != NULL && kept_epochs(store, plan) < 0) {
		snprintf(why, why_size, "the state file cannot be read");
		plan_drop(plan);
		plan = NULL;
	}
	if (plan != NULL)
		plan = rollouts_first_plan(rollouts, plan, why, why_size);
	if (filed != NULL)
		weights_restore(spec, filed);
	free(filed);
	return plan;
}

static void
put_service(struct store *store, const struct service *now,
    const struct service_spec *file)
{
	for (size_t i = 0; i < now->nversions; i++) {
		const struct version *v = &now->versions[i];

		store_put_weight(
		    store, &(struct stored_weight){
			       .service = now->name,
			       .version = v->name,
			       .weight = v->weight,
			       .filed = weights_filed(file, v->name),
			   });
	}
}

static void
put_epochs(struct store *store, const struct service *now)
{
	if (now->epoch == 0)
		return;
	store_drop_epochs(store, now->name);
	store_put_epoch(
	    store, &(struct stored_epoch){now->name, NULL, now->epoch});
	for (size_t i = 0; i < now->nversions; i++)
		store_put_epoch(
		    store, &(struct stored_epoch){now->name,
			       now->versions[i].name, now->versions[i].epoch});
}

void
kept_put_weights(
    struct store *store, const struct plan *plan, const struct spec *file)
{
	store_drop_weights(store);
	for (size_t i = 0; i < plan->nservices; i++) {
		const struct service *now = plan->services[i];
		const struct service_spec *s = weights_service(file, now->name);

		if (s != NULL && weights_set_at_run_time(s, now))
			put_service(store, now, s);
		put_epochs(store, now);
	}
}

/* Whether there is anything that the file does not say. */
static bool
any_set(const struct plan *plan, const struct spec *file)
{
	for (size_t i = 0; i < plan->nservices; i++) {
		const struct service_spec *s =
		    weights_service(file, plan->services[i]->name);

		if (plan->services[i]->epoch > 0)
			return true;
		if (s != NULL && weights_set_at_run_time(s, plan->services[i]))
			return true;
	}
	return false;
}

void
kept_weights(
    struct store *store, const struct plan *plan, const struct spec *file)
{
	if (!store_is_file(store) && !any_set(plan, file))
		return;
	store_begin(store);
	kept_put_weights(store, plan, file);
	store_end(store);
}

void
kept_catch_up(struct store *store, const struct pods *pods,
    struct rollouts *rollouts, const struct plan *plan, const struct spec *file)
{
	if (!store_behind(store))
		return;
	store_begin(store);
	kept_put_weights(store, plan, file);
	pods_save(pods);
	rollouts_write(rollouts);
	store_end_whole(store);
}
