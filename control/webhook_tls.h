/*
 * TLS of a webhook: the system's authorities must vouch for the host's name
 * (RFC 9110 4.3.4, RFC 9525). Main thread only.
 */
#ifndef CONTROL_WEBHOOK_TLS_H
#define CONTROL_WEBHOOK_TLS_H

#include <stdbool.h>

struct bufferevent;
struct event_base;

/*
 * Speaks TLS on a socket that is connected, which becomes the bufferevent's;
 * callbacks are deferred. The host is a name, or an IP address without
 * brackets. NULL, and the socket still the caller's, without memory.
 */
struct bufferevent *webhook_tls_new(
    struct event_base *base, int fd, const char *host, bool numeric);
/* Why it has failed; NULL where TLS is not to blame. Static words. */
const char *webhook_tls_reason(struct bufferevent *b);

#endif
