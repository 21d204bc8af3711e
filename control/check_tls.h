/*
 * The connection of a health check over TLS. Every check shakes hands in
 * full, so that the pod's certificate is verified each time. Main only.
 */
#ifndef CONTROL_CHECK_TLS_H
#define CONTROL_CHECK_TLS_H

#include <stdbool.h>

struct bufferevent;
struct check_wish;
struct event_base;

/*
 * On a connected socket, which it owns from then on; it begins to shake
 * hands. NULL without memory: the socket is still the caller's.
 */
struct bufferevent *check_tls_new(
    struct event_base *base, int fd, const struct check_wish *wish);

/* After the handshake: whether HTTP/2 was agreed on. */
bool check_tls_speaks_h2(struct bufferevent *b);

/* Why it failed: static words, NULL when it was not TLS that did. */
const char *check_tls_reason(struct bufferevent *b);

/* Says close_notify. */
void check_tls_end(struct bufferevent *b);

#endif
