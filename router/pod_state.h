/*
 * A pod's state, which follows from what is known of it: what people have
 * ordered comes before what traffic has shown, and that before what checks
 * say. Whoever learns something writes it down in the pod and calls
 * pod_settle(), the only place where a state is set. Main thread only.
 */
#ifndef ROUTER_POD_STATE_H
#define ROUTER_POD_STATE_H

#include <stdbool.h>
#include <stdint.h>

struct health_rules;
struct pod;

enum pod_state {
	POD_STARTING, /* joined, has not yet passed `rise` checks */
	POD_UP,	      /* takes requests: the only state in which it does */
	POD_DOWN,
	POD_EJECTED,  /* failed on live traffic, comes back by itself */
	POD_DRAINING, /* finishes what it has */
	POD_MAINT,    /* ordered away; not checked either */
	POD_STATE_COUNT,
};

/* What people have ordered. */
enum pod_order {
	POD_ORDER_NONE,
	POD_ORDER_DRAIN,
	POD_ORDER_MAINT,
};

/* Why a pod is as it was ordered to be, for people; NULL for no order. */
const char *pod_order_reason(enum pod_order order);

/* "starting", "up", ... as in status and API. */
const char *pod_state_name(enum pod_state s);

/*
 * Whether it is one of those that a version has: nobody has ordered it away,
 * and it is not new. What panic goes by, and who is asked then.
 */
bool pod_is_known(enum pod_state s);

/* Whether it is not to be checked: ordered to rest, or its process is gone. */
bool pod_rests(const struct pod *p);

/*
 * Sets the state that follows from pod->order, ->ended, ->ejected and
 * ->checked; true
 * when it is another one than before. The reason (why, for people) is kept as
 * long as the pod is not up, and may be NULL to leave it as it is. A pod that
 * checks find down is ejected no longer: its way back is theirs.
 */
bool pod_settle(struct pod *p, const char *reason);

#endif
