/* The metrics of names that pods are resolved from. Main thread only. */
#ifndef ADMIN_METRICS_DNS_H
#define ADMIN_METRICS_DNS_H

#include <stdbool.h>

struct control;
struct evbuffer;

/* Their families; nothing where the config has no names. False: no memory. */
bool metrics_dns(struct evbuffer *out, const struct control *control);

#endif
