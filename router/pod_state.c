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
	if (p->checked == POD_UP && p->ejected)
		return POD_EJECTED;
	return p->checked;
}

bool
pod_settle(struct pod *p, const char *reason)
{
	enum pod_state was = p->state;

	CHECK(p->checked <= POD_DOWN);
	p->state = follows(p);
	if (p->state == POD_UP)
		p->reason[0] = '\0';
	else if (reason != NULL)
		snprintf(p->reason, sizeof p->reason, "%s", reason);
	return p->state != was;
}
