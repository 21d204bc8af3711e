/* The set of rollouts: found, looked at, shown, stopped. */
#include "control/rollouts.h"

#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/log.h"
#include "conf/conf.h"
#include "control/launch.h"
#include "control/publish.h"
#include "control/rollout_hooks.h"
#include "control/rollout_sample.h"
#include "control/rollout_store.h"
#include "control/rollouts_state.h"
#include "control/store.h"
#include "control/weights.h"

/* Counters are looked at so often. */
#define TICK_US 100000
/* A look asks again while something changes, at most so often. */
#define ASKS_MAX 8u
/* As many rollouts of a service are kept here, without and with a file. */
#define KEPT_MAX       100u
#define KEPT_BESIDE_DB 10u

/* The list. */

struct released *
rollouts_find(const struct rollouts *set, const char *service)
{
	struct released *s;

	TAILQ_FOREACH (s, &set->services, link)
		if (strcmp(s->service, service) == 0)
			break;
	return s;
}

struct released *
rollouts_make(struct rollouts *set, const char *service)
{
	struct released *s = rollouts_find(set, service);

	if (s != NULL)
		return s;
	s = calloc(1, sizeof *s);
	if (s == NULL || (s->service = strdup(service)) == NULL) {
		free(s);
		return NULL;
	}
	TAILQ_INIT(&s->list);
	s->stored = true;
	TAILQ_INSERT_TAIL(&set->services, s, link);
	return s;
}

struct rollout *
rollouts_newest(const struct released *s)
{
	return TAILQ_FIRST(&s->list);
}

bool
rollout_runs(const struct rollout *r)
{
	return r != NULL && r->run != NULL;
}

void
rollouts_add(struct rollouts *set, struct released *s, struct rollout *r)
{
	const unsigned most =
	    store_is_file(set->store) ? KEPT_BESIDE_DB : KEPT_MAX;
	struct rollout *last;

	TAILQ_INSERT_HEAD(&s->list, r, link);
	if (++s->n <= most)
		return;
	last = TAILQ_LAST(&s->list, rollout_list);
	TAILQ_REMOVE(&s->list, last, link);
	s->n--;
	rollout_free(last);
}

static void
released_free(struct rollouts *set, struct released *s)
{
	struct rollout *r;

	while ((r = TAILQ_FIRST(&s->list)) != NULL) {
		TAILQ_REMOVE(&s->list, r, link);
		rollout_run_end(r);
		rollout_free(r);
	}
	TAILQ_REMOVE(&set->services, s, link);
	free(s->service);
	free(s->stable);
	free(s->filed);
	free(s);
}

void
rollouts_stop(struct rollouts *set)
{
	struct released *s;
	struct rollout *r;

	CHECK_OBJ(set, ROLLOUTS_MAGIC);
	if (set->parts.base != NULL && !set->stopped) {
		launch_on_change(set->parts.launch, NULL, NULL);
		event_del(&set->look);
		event_del(&set->tick);
	}
	set->stopped = true;
	TAILQ_FOREACH (s, &set->services, link)
		TAILQ_FOREACH (r, &s->list, link)
			rollout_run_end(r);
	rollout_teller_free(set->teller);
	set->teller = NULL;
}

void
rollouts_free(struct rollouts *set)
{
	struct released *s;

	if (set == NULL)
		return;
	rollouts_stop(set);
	while ((s = TAILQ_FIRST(&set->services)) != NULL)
		released_free(set, s);
	set->magic = 0;
	free(set);
}

/* What one needs while it is under way. */

static void
on_answer(void *arg)
{
	struct rollout_run *run = arg;

	rollouts_soon(run->set);
}

int
rollout_run_begin(struct rollouts *set, struct rollout *r)
{
	struct rollout_run *run = calloc(1, sizeof *run);

	if (run == NULL)
		return -1;
	run->set = set;
	run->sample = rollout_sample_new();
	run->ask = rollout_ask_new(
	    set->parts.base, set->parts.publish, on_answer, run);
	r->run = run;
	if (run->sample != NULL && run->ask != NULL)
		return 0;
	rollout_run_end(r);
	return -1;
}

void
rollout_run_end(struct rollout *r)
{
	struct rollout_run *run = r->run;

	if (run == NULL)
		return;
	rollout_sample_free(run->sample);
	rollout_ask_free(run->ask);
	rollout_side_clear(&run->old);
	rollout_side_clear(&run->new);
	free(run->steps);
	free(run);
	r->run = NULL;
}

/* Stable versions. */

const char *
rollouts_filed(const struct rollouts *set, const char *service)
{
	const struct spec *file = publish_conf(set->parts.publish)->spec;
	const struct service_spec *s = weights_service(file, service);

	return s != NULL ? s->versions[s->stable].name : NULL;
}

static void
forget_stable(struct released *s)
{
	free(s->stable);
	free(s->filed);
	s->stable = s->filed = NULL;
	s->stored = false;
}

void
rollouts_set_stable(struct rollouts *set, const char *service,
    const char *version, const char *filed)
{
	struct released *s = rollouts_find(set, service);

	forget_stable(s);
	if (filed == NULL || strcmp(version, filed) == 0)
		return;
	s->stable = strdup(version);
	s->filed = strdup(filed);
	if (s->stable == NULL || s->filed == NULL)
		forget_stable(s);
}

/* After a reload: what the file has changed itself holds no longer. */
static void
review_stables(struct rollouts *set)
{
	const struct plan *plan = publish_current(set->parts.publish);
	struct released *s;
	unsigned forgotten = 0;

	TAILQ_FOREACH (s, &set->services, link) {
		const struct service *now = plan_service(plan, s->service);
		const char *filed = rollouts_filed(set, s->service);

		if (s->stable == NULL ||
		    (filed != NULL && strcmp(filed, s->filed) == 0 &&
			now != NULL && service_version(now, s->stable) != NULL))
			continue;
		log_info("stable version of %s: the config's, no longer %s",
		    s->service, s->stable);
		forget_stable(s);
		forgotten++;
	}
	if (forgotten == 0)
		return;
	store_begin(set->store);
	TAILQ_FOREACH (s, &set->services, link) {
		if (s->stored)
			continue;
		rollout_store_drop_stable(set->store, s->service);
		s->stored = true;
	}
	store_end(set->store);
}

/* Looking. */

void
rollouts_soon(struct rollouts *set)
{
	const struct timeval now = {0, 0};

	if (!set->stopped && set->parts.base != NULL &&
	    evtimer_add(&set->look, &now) < 0)
		log_error("rollouts: no memory for a timer");
}

/* A rollout that ended by a reload may have left the service so. */
static void
clean_up(struct rollouts *set)
{
	struct publish *publish = set->parts.publish;
	const struct plan *plan = publish_current(publish);
	const struct release_change change = {.lead = LEAD_NONE};
	char why[256];

	for (size_t i = 0; i < plan->nservices; i++) {
		const struct service *s = plan->services[i];
		const struct released *of = rollouts_find(set, s->name);
		struct plan *next;

		if ((!s->closed && s->leads == LEAD_NONE &&
			s->candidate >= s->nversions) ||
		    (of != NULL && rollout_runs(rollouts_newest(of))))
			continue;
		next =
		    plan_with_release(plan, s->name, &change, why, sizeof why);
		if (next == NULL)
			log_error("rollouts of %s: %s", s->name, why);
		else
			publish_plan(publish, next, NULL, NULL, NULL);
		return;
	}
}

void
rollouts_advance(struct rollouts *set, struct rollout *r)
{
	unsigned n = 0;

	while (rollout_runs(r) && rollout_tick(set, r))
		if (++n == ASKS_MAX) {
			rollouts_soon(set);
			return;
		}
}

static void
look(struct rollouts *set)
{
	const struct timeval tick = {0, TICK_US};
	struct released *s;
	bool any = false;

	review_stables(set);
	TAILQ_FOREACH (s, &set->services, link) {
		struct rollout *r = rollouts_newest(s);

		if (rollout_runs(r))
			rollouts_advance(set, r);
		any |= rollout_runs(r);
	}
	clean_up(set);
	if (!any)
		event_del(&set->tick);
	else if (!event_pending(&set->tick, EV_TIMEOUT, NULL) &&
		 event_add(&set->tick, &tick) < 0)
		log_error("rollouts: no memory for a timer");
}

static void
on_look(evutil_socket_t fd, short what, void *arg)
{
	struct rollouts *set = arg;

	(void)fd;
	(void)what;
	CHECK_OBJ(set, ROLLOUTS_MAGIC);
	if (!set->stopped)
		look(set);
}

void
rollouts_look(struct rollouts *set)
{
	CHECK_OBJ(set, ROLLOUTS_MAGIC);
	rollouts_soon(set);
}

static void
on_launch(void *arg, const char *service)
{
	struct rollouts *set = arg;

	(void)service;
	CHECK_OBJ(set, ROLLOUTS_MAGIC);
	rollouts_soon(set);
}

int
rollouts_open(struct rollouts *set, const struct rollouts_parts *parts)
{
	set->parts = *parts;
	event_assign(&set->look, parts->base, -1, 0, on_look, set);
	event_assign(&set->tick, parts->base, -1, EV_PERSIST, on_look, set);
	launch_on_change(parts->launch, on_launch, set);
	set->teller = rollout_teller_new(parts->base, parts->publish);
	return set->teller != NULL ? 0 : -1;
}

/* Showing. */

bool
rollouts_running(const struct rollouts *set, const char *service)
{
	const struct released *s;

	CHECK_OBJ(set, ROLLOUTS_MAGIC);
	s = rollouts_find(set, service);
	return s != NULL && rollout_runs(rollouts_newest(s));
}

bool
rollouts_last(
    struct rollouts *set, const char *service, struct rollout_view *view)
{
	const struct released *s;

	CHECK_OBJ(set, ROLLOUTS_MAGIC);
	s = rollouts_find(set, service);
	if (s == NULL || rollouts_newest(s) == NULL)
		return false;
	rollout_show(rollouts_newest(s), view);
	return true;
}

uint64_t
rollouts_ended(
    const struct rollouts *set, const char *service, enum rollout_phase phase)
{
	const struct released *s;

	CHECK_OBJ(set, ROLLOUTS_MAGIC);
	s = rollouts_find(set, service);
	return s != NULL ? s->ended[phase] : 0;
}

struct showing {
	const struct rollout *newest; /* as it is now; or NULL */
	void (*each)(void *arg, const struct rollout_view *view);
	void *arg;
	int rc;
};

static void
show_row(void *arg, const struct stored_rollout *row,
    const struct stored_decision *decisions, size_t n)
{
	struct showing *show = arg;
	struct rollout_view view;
	struct rollout *r;
	char why[160];

	if (show->newest != NULL && show->newest->id == row->id) {
		rollout_show(show->newest, &view);
		show->each(show->arg, &view);
		return;
	}
	r = rollout_of_row(row, decisions, n, why, sizeof why);
	if (r == NULL) {
		show->rc = -1;
		return;
	}
	rollout_show(r, &view);
	show->each(show->arg, &view);
	rollout_free(r);
}

int
rollouts_each(struct rollouts *set, const char *service, size_t limit,
    void (*each)(void *arg, const struct rollout_view *view), void *arg)
{
	const struct released *s;
	struct showing show = {.each = each, .arg = arg};
	struct rollout_view view;
	const struct rollout *r;

	CHECK_OBJ(set, ROLLOUTS_MAGIC);
	s = rollouts_find(set, service);
	if (s == NULL)
		return 0;
	show.newest = rollouts_newest(s);
	if (store_is_file(set->store) && !store_behind(set->store))
		return rollout_store_each(
			   set->store, service, limit, show_row, &show) < 0 ||
			       show.rc < 0
			   ? -1
			   : 0;
	TAILQ_FOREACH (r, &s->list, link) {
		if (limit-- == 0)
			break;
		rollout_show(r, &view);
		each(arg, &view);
	}
	return 0;
}
