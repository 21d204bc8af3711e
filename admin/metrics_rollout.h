/* The metrics of releases. Main thread only. */
#ifndef ADMIN_METRICS_ROLLOUT_H
#define ADMIN_METRICS_ROLLOUT_H

#include <stdbool.h>

struct control;
struct evbuffer;

/* Their families, of services that were released. False: no memory. */
bool metrics_rollout(struct evbuffer *out, struct control *control);

#endif
