/* Where a request should have gone: over TLS, or as its route says. Pure. */
#ifndef PROXY_REDIRECT_H
#define PROXY_REDIRECT_H

#include <stddef.h>
#include <stdint.h>

#include "router/match.h"
#include "router/route.h"

/*
 * The https URI (RFC 9110 4.2.2) of a request that has a host, with its path
 * and query; the port is left out where it is 443. Writes no more than
 * redirect_size() bytes and returns how many. The asterisk-form (RFC 9112
 * 3.2.4) has no path.
 */
size_t redirect_size(const struct request *r);
size_t redirect_write(char *buf, const struct request *r, uint16_t port);

/*
 * The URI to which a route redirects a request that came by `scheme`, with
 * its query. Without a port it is that of the request where scheme and host
 * stay, else that of the scheme; the scheme's own is left out. Without a host
 * the request must have one. 0 when it leads to where the request is.
 */
size_t redirect_route_size(
    const struct request *r, const struct route_action *a);
size_t redirect_route_write(char *buf, const struct request *r,
    struct span scheme, const struct route_action *a);

#endif
