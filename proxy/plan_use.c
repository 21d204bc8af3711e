/* Counting who still uses which plan. */
#include "proxy/plan_use.h"

#include <stdlib.h>

#include "base/check.h"
#include "proxy/mailbox.h"
#include "proxy/worker_state.h"

int
plan_use_set(struct worker *w, struct plan *p)
{
	struct plan_use *u = malloc(sizeof *u), *old = w->plan;

	if (u == NULL)
		return -1;
	*u = (struct plan_use){.plan = p, .worker = w, .users = 1};
	w->plan = u;
	if (old != NULL)
		plan_use_drop(old);
	return 0;
}

struct plan_use *
plan_use_hold(struct plan_use *u)
{
	CHECK(u->users > 0);
	u->users++;
	return u;
}

void
plan_use_drop(struct plan_use *u)
{
	CHECK(u->users > 0);
	if (--u->users > 0)
		return;
	mailbox_send(u->worker->to_main, &(struct message){
					     .kind = MSG_PLAN_LEFT,
					     .worker = u->worker->index,
					     .plan = u->plan,
					 });
	free(u);
}

void
plan_use_fini(struct worker *w)
{
	free(w->plan);
	w->plan = NULL;
}
