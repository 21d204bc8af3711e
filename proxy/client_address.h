/*
 * Whose request it is: the peer's, or, where the peer is a trusted proxy, that
 * of whom X-Forwarded-For names. Pure.
 */
#ifndef PROXY_CLIENT_ADDRESS_H
#define PROXY_CLIENT_ADDRESS_H

#include <stdint.h>

#include "conf/settings.h"
#include "router/match.h"

/*
 * Sets the request's client. From the peer (4 or 16 bytes) on, and then from
 * the last element of its X-Forwarded-For to the first, the first address that
 * is not trusted is the client's; when all are, the first element is. An
 * element that is no address ends the search at the one before.
 */
void client_address_find(struct request *r, const struct forward *f, int family,
    const uint8_t *peer);

/*
 * An element of X-Forwarded-For: an address, perhaps with brackets or a port;
 * an IPv4 address in IPv6 clothes (RFC 4291 2.5.5.2) becomes one. False when
 * it is none.
 */
bool client_address_parse(struct span element, int *family, uint8_t *address);

#endif
