/* The metrics of mirrors. Main thread only. */
#ifndef ADMIN_METRICS_MIRROR_H
#define ADMIN_METRICS_MIRROR_H

#include <stdbool.h>

struct evbuffer;
struct plan;

/* Their families; nothing where no service has a mirror. False: no memory. */
bool metrics_mirror(struct evbuffer *out, const struct plan *plan);

#endif
