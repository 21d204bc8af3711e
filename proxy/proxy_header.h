/*
 * The PROXY protocol's header, versions 1 and 2 (HAProxy's
 * doc/proxy-protocol.txt, 2.1-2.2): what a balancer in front of us says of
 * the client before the first byte of HTTP. Pure: bytes in, verdict out.
 */
#ifndef PROXY_PROXY_HEADER_H
#define PROXY_PROXY_HEADER_H

#include <stddef.h>
#include <sys/socket.h>

#include "base/span.h"
#include "proxy/h1_parse.h"

/* A longer one is refused; H1_MORE never comes with so many bytes. */
#define PROXY_HEADER_MAX 4096u

struct proxy_header {
	size_t size; /* bytes of the header; what follows is the client's */
	/*
	 * The client, with its port. ss_family is AF_UNSPEC when none is
	 * announced (UNKNOWN, LOCAL, Unix sockets): then the socket's own
	 * peer is the client. IPv4 in IPv6 (::ffff:0:0/96) becomes AF_INET.
	 */
	struct sockaddr_storage source;
};

/*
 * `in` begins with the connection's first byte. Everything of *h is set with
 * H1_DONE only; H1_BAD: no header, or a broken one, nothing behind it can be
 * trusted. The same bytes give the same verdict however they are cut.
 */
enum h1_result proxy_header_parse(struct span in, struct proxy_header *h);

#endif
