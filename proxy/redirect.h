/* Where a request should have come over TLS. Pure. */
#ifndef PROXY_REDIRECT_H
#define PROXY_REDIRECT_H

#include <stddef.h>
#include <stdint.h>

#include "router/match.h"

/*
 * The https URI (RFC 9110 4.2.2) of a request that has a host, with its path
 * and query; the port is left out where it is 443. Writes no more than
 * redirect_size() bytes and returns how many. The asterisk-form (RFC 9112
 * 3.2.4) has no path.
 */
size_t redirect_size(const struct request *r);
size_t redirect_write(char *buf, const struct request *r, uint16_t port);

#endif
