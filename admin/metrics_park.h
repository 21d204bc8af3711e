/* The metrics of parked requests. Main thread only. */
#ifndef ADMIN_METRICS_PARK_H
#define ADMIN_METRICS_PARK_H

#include <stdbool.h>

struct evbuffer;
struct plan;

/* Their families, for all services. False: no memory. */
bool metrics_park(struct evbuffer *out, const struct plan *plan);

#endif
