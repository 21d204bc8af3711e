/* How much the versions of a service and their pods get at a time. */
#include "conf/tables.h"

#define MILLION 1000000u
#define DAY	86400000u
#define LIMIT(field, most)                        \
	.read = option_read_value, .max = (most), \
	OPTION_FIELD(struct load_limits, field)

const struct option load_options[] = {
    {
	.key = "pod_requests",
	LIMIT(pod_requests, MILLION),
	.kind = OPT_COUNT,
	.fallback = "0",
	.help = "Requests in flight at a pod, over all workers; 0 = any.",
    },
    {
	.key = "version_requests",
	LIMIT(version_requests, MILLION),
	.kind = OPT_COUNT,
	.fallback = "0",
	.help = "The same at all pods of a version together.",
    },
    {
	.key = "pending_connects",
	LIMIT(pending_connects, MILLION),
	.kind = OPT_COUNT,
	.fallback = "0",
	.help = "Connections that each worker is making to a pod; 0 = any.",
    },
    {
	.key = "queue",
	LIMIT(queue, MILLION),
	.kind = OPT_COUNT,
	.fallback = "0",
	.help = "Requests that wait while every pod of their version has as "
		"much as it may; 0 = none waits.",
    },
    {
	.key = "queue_timeout",
	LIMIT(queue_timeout_ms, DAY),
	.min = 1,
	.kind = OPT_DURATION,
	.fallback = "1s",
	.help = "How long a request may wait.",
    },
    {.key = NULL},
};

/* Without a limit nothing would ever wait. */
void
read_load(struct errors *e, const struct option *o, const struct node *value,
    void *field)
{
	const struct load_limits *l = field;

	option_read_map(e, o, value, field);
	if (value->kind == NODE_MAP && l->queue > 0 &&
	    node_get(value, "pod_requests") == NULL &&
	    node_get(value, "version_requests") == NULL &&
	    node_get(value, "pending_connects") == NULL)
		errors_add(e, node_get(value, "queue")->at,
		    "expected a limit with the queue: pod_requests, "
		    "version_requests or pending_connects");
}
