/*
 * Socket addresses as people write them: "127.0.0.1:8080", "[::1]:8080",
 * "unix:/run/app.sock", "unix:@app" (an abstract one). Pure; names are not
 * resolved.
 */
#ifndef BASE_ADDRESS_H
#define BASE_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/span.h"

#define ADDRESS_UNIX "unix:"
/* Bytes of a Unix socket's path, or of an abstract name with its "@". */
#define ADDRESS_PATH_MAX (sizeof(((struct sockaddr_un *)0)->sun_path) - 1)
/* Room for the text of any address, its NUL included. */
#define ADDRESS_TEXT_MAX (sizeof ADDRESS_UNIX + ADDRESS_PATH_MAX)

struct address {
	struct sockaddr_storage sa;
	socklen_t len;		     /* 0 = no address */
	char text[ADDRESS_TEXT_MAX]; /* as written */
};

/*
 * False when it is neither a numeric IPv4 or IPv6 address with a port
 * 1..65535 nor "unix:" and what address_unix_fault() finds nothing wrong with.
 */
bool address_parse(struct span text, struct address *a);

/* Of an IP address. */
unsigned address_port(const struct address *a);

/*
 * What is wrong with the text of a Unix socket's address, in words of what is
 * expected; NULL for a good one, and for a text that does not begin with
 * "unix:". A path begins with "/", so that it means the same in any folder, and
 * has nothing that would need quotes in logs and metrics.
 */
const char *address_unix_fault(struct span text);

/*
 * Why nobody in particular is there to be asked, in words of what is expected:
 * it is unspecified (0.0.0.0, ::), a multicast or the broadcast address. NULL
 * when one may connect to it.
 */
const char *address_peer_fault(const struct address *a);

static inline bool
address_is_unix(const struct address *a)
{
	return a->len != 0 && a->sa.ss_family == AF_UNIX;
}

/* The same IP address with another port. Not for Unix sockets. */
void address_set_port(struct address *a, uint16_t port);

bool address_eq(const struct address *a, const struct address *b);

/* The IP without port, as text ("::1" without brackets); returns its length. */
size_t address_ip(const struct sockaddr_storage *sa, char *buf, size_t size);

#endif
