/*
 * Socket addresses as people write them: "127.0.0.1:8080", "[::1]:8080".
 * Pure; names are not resolved.
 */
#ifndef BASE_ADDRESS_H
#define BASE_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#include "base/span.h"

#define ADDRESS_TEXT_MAX 64

struct address {
	struct sockaddr_storage sa;
	socklen_t len;		     /* 0 = no address */
	char text[ADDRESS_TEXT_MAX]; /* as written */
};

/* False when it is not a numeric IPv4 or IPv6 address with a port 1..65535. */
bool address_parse(struct span text, struct address *a);

/* Of an address that there is. */
unsigned address_port(const struct address *a);

bool address_eq(const struct address *a, const struct address *b);

/* The IP without port, as text ("::1" without brackets); returns its length. */
size_t address_ip(const struct sockaddr_storage *sa, char *buf, size_t size);

#endif
