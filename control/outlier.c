/* When pods are judged, and what follows. */
#include "control/outlier.h"

#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/opt.h"
#include "control/publish.h"
#include "control/roster.h"
#include "router/plan.h"
#include "router/pod.h"
#include "router/tally.h"

#define OUTLIERS_MAGIC 0x0a71e001u
/* How soon a pod that there was no room to eject is judged again. */
#define AGAIN_US 1000000u
#define NEVER	 UINT64_MAX

struct outliers {
	unsigned magic;
	bool stopped;
	struct publish *publish;
	struct roster *roster;
	struct event look;
};

/* One look at all pods. */
struct look {
	struct outliers *all;
	const struct service *service;
	struct outlier_crowd crowd; /* of the version's pods */
	uint64_t now_us, next_us;
};

static void
look_in(struct outliers *o, uint64_t us)
{
	struct timeval tv = {
	    (time_t)(us / 1000000), (suseconds_t)(us % 1000000)};

	if (evtimer_add(&o->look, &tv) < 0)
		log_error("pods that fail: no memory for a timer");
}

static void
come_back(struct look *l, uint64_t when_us)
{
	const uint64_t us = when_us > l->now_us ? when_us - l->now_us : 0;

	if (us < l->next_us)
		l->next_us = us;
}

/* Its time is over, or its service ejects no longer. */
static void
take_back(struct look *l, const struct version *v, struct pod *p)
{
	const bool enabled = l->service->terms->outlier.enabled;

	if (!p->ejected)
		return;
	if (enabled && l->now_us < p->record.until_us) {
		come_back(l, p->record.until_us);
		return;
	}
	p->ejected = false;
	roster_settle(l->all->roster, l->service->name, v->name, p, NULL);
}

static void
eject(struct look *l, const struct version *v, struct pod *p, const char *cause)
{
	char length[OPT_TEXT_MAX], reason[sizeof p->reason];
	uint32_t ms;

	ms =
	    outlier_eject(&l->service->terms->outlier, &l->crowd, p, l->now_us);
	opt_format(OPT_DURATION, ms, length, sizeof length);
	snprintf(reason, sizeof reason, "%s: out for %s", cause, length);
	v->tally->ejections++;
	come_back(l, p->record.until_us);
	roster_settle(l->all->roster, l->service->name, v->name, p, reason);
}

static void
judge(struct look *l, const struct version *v, struct pod *p)
{
	const struct terms *terms = l->service->terms;
	const char *cause;
	char words[64];

	if (p->state != POD_UP)
		return;
	cause = outlier_cause(
	    &terms->outlier, &l->crowd, p, l->now_us, words, sizeof words);
	if (cause != NULL &&
	    outlier_has_room(&terms->outlier, terms->panic, &l->crowd)) {
		eject(l, v, p, cause);
		return;
	}
	outlier_keep(p, cause != NULL);
	if (cause != NULL)
		come_back(l, l->now_us + AGAIN_US);
}

static void
judge_version(struct look *l, const struct version *v)
{
	const struct outlier_rules *rules = &l->service->terms->outlier;

	for (size_t i = 0; i < v->npods; i++)
		take_back(l, v, v->pods[i]);
	if (!rules->enabled)
		return;
	outlier_survey(rules, v, l->now_us, &l->crowd);
	for (size_t i = 0; i < v->npods; i++)
		judge(l, v, v->pods[i]);
	if (rules->error_ratio > 0)
		come_back(l, l->now_us + (uint64_t)rules->window_ms * 1000 /
					     OUTLIER_SLICES);
}

static void
outliers_on_look(evutil_socket_t fd, short what, void *arg)
{
	struct outliers *o = arg;
	struct look look = {
	    .all = o,
	    .now_us = clock_now_us(),
	    .next_us = NEVER,
	};
	const struct plan *plan;

	(void)fd;
	(void)what;
	CHECK_OBJ(o, OUTLIERS_MAGIC);
	plan = publish_current(o->publish);
	for (size_t i = 0; i < plan->nservices; i++) {
		look.service = plan->services[i];
		for (size_t v = 0; v < look.service->nversions; v++)
			judge_version(&look, &look.service->versions[v]);
	}
	if (look.next_us != NEVER)
		look_in(o, look.next_us);
}

struct outliers *
outliers_new(
    struct event_base *base, struct publish *publish, struct roster *roster)
{
	struct outliers *o = calloc(1, sizeof *o);

	if (o == NULL)
		return NULL;
	o->magic = OUTLIERS_MAGIC;
	o->publish = publish;
	o->roster = roster;
	evtimer_assign(&o->look, base, outliers_on_look, o);
	return o;
}

void
outliers_stop(struct outliers *o)
{
	CHECK_OBJ(o, OUTLIERS_MAGIC);
	o->stopped = true;
	event_del(&o->look);
}

void
outliers_free(struct outliers *o)
{
	if (o == NULL)
		return;
	outliers_stop(o);
	o->magic = 0;
	free(o);
}

void
outliers_look(struct outliers *o)
{
	CHECK_OBJ(o, OUTLIERS_MAGIC);
	if (!o->stopped)
		look_in(o, 0);
}
