/* A timer that runs while a pod is not warm. */
#include "control/warmup.h"

#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "control/publish.h"
#include "control/roster.h"
#include "router/plan.h"
#include "router/slow_start.h"

#define WARMUP_MAGIC 0x3a433001u
#define NEVER	     UINT64_MAX

struct warmup {
	unsigned magic;
	bool stopped;
	struct publish *publish;
	struct roster *roster;
	struct event step;
};

static void
warmup_on_step(evutil_socket_t fd, short what, void *arg)
{
	struct warmup *w = arg;
	const struct plan *plan;
	uint64_t now = clock_now_us(), next = NEVER;
	struct timeval tv;

	(void)fd;
	(void)what;
	CHECK_OBJ(w, WARMUP_MAGIC);
	plan = publish_current(w->publish);
	for (size_t i = 0; i < plan->nservices; i++) {
		const struct service *s = plan->services[i];

		if (slow_start_step(s, now, &next))
			roster_dirty(w->roster, s->name);
	}
	if (next == NEVER)
		return;
	tv = (struct timeval){
	    (time_t)(next / 1000000), (suseconds_t)(next % 1000000)};
	if (evtimer_add(&w->step, &tv) < 0)
		log_error("slow start: no memory for a timer");
}

struct warmup *
warmup_new(
    struct event_base *base, struct publish *publish, struct roster *roster)
{
	struct warmup *w = calloc(1, sizeof *w);

	if (w == NULL)
		return NULL;
	w->magic = WARMUP_MAGIC;
	w->publish = publish;
	w->roster = roster;
	evtimer_assign(&w->step, base, warmup_on_step, w);
	return w;
}

void
warmup_stop(struct warmup *w)
{
	CHECK_OBJ(w, WARMUP_MAGIC);
	w->stopped = true;
	event_del(&w->step);
}

void
warmup_free(struct warmup *w)
{
	if (w == NULL)
		return;
	warmup_stop(w);
	w->magic = 0;
	free(w);
}

void
warmup_look(struct warmup *w)
{
	CHECK_OBJ(w, WARMUP_MAGIC);
	if (!w->stopped)
		warmup_on_step(-1, 0, w);
}
