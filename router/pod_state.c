/* From what is known of a pod to its state. */
#include "router/pod_state.h"

#include <stdio.h>

#include "base/check.h"
#include "router/pod.h"

static const char *const names[POD_STATE_COUNT] = {
    [POD_STARTING] = "starting",
    [POD_UP] = "up",
    [POD_DOWN] = "down",
    [POD_EJECTED] = "ejected",
    [POD_DRAINING] = "draining",
    [POD_MAINT] = "maint",
};

static const char *const order_reasons[] = {
    [POD_ORDER_NONE] = NULL,
    [POD_ORDER_DRAIN] = "ordered to drain",
    [POD_ORDER_MAINT] = "ordered to rest",
};

const char *
pod_order_reason(enum pod_order order)
{
	CHECK(order <= POD_ORDER_MAINT);
	return order_reasons[order];
}

const char *
pod_state_name(enum pod_state s)
{
	CHECK(s < POD_STATE_COUNT);
	return names[s];
}

bool
pod_is_known(enum pod_state s)
{
	return s == POD_UP || s == POD_DOWN || s == POD_EJECTED;
}

static enum pod_state
follows(const struct pod *p)
{
	switch (p->order) {
	case POD_ORDER_MAINT:
		return POD_MAINT;
	case POD_ORDER_DRAIN:
		return POD_DRAINING;
	case POD_ORDER_NONE:
		break;
	}
	if (p->ended)
		return POD_DOWN;
	if (p->checked == POD_UP && p->ejected)
		return POD_EJECTED;
	return p->checked;
}

bool
pod_rests(const struct pod *p)
{
	return p->order == POD_ORDER_MAINT || p->ended;
}

/* It begins to take requests, with a clean record and perhaps cold. */
static void
begin(struct pod *p)
{
	outlier_restart(p);
	p->warmth = p->seasoned ? POD_WARM : POD_COLD;
	p->seasoned = false;
	p->warms_us = 0;
}

bool
pod_settle(struct pod *p, const char *reason)
{
	enum pod_state was = p->state;

	CHECK(p->checked <= POD_DOWN);
	if (p->checked == POD_DOWN || p->ended)
		p->ejected = false;
	p->state = follows(p);
	if (p->state == POD_UP && was != POD_UP)
		begin(p);
	if (p->state == POD_UP)
		p->reason[0] = '\0';
	else if (reason != NULL)
		snprintf(p->reason, sizeof p->reason, "%s", reason);
	return p->state != was;
}
