/*
 * An accepted connection until it is known what it speaks: the PROXY header,
 * the TLS handshake, ALPN. Worker thread only.
 */
#ifndef PROXY_GREET_H
#define PROXY_GREET_H

#include <stdbool.h>
#include <sys/socket.h>

struct greeting;
struct listener;
struct worker;

/*
 * Takes over an accepted socket; it is closed if memory is short. `counted`:
 * it has entered the client table, and leaves it when it ends.
 */
void greet_accept(struct worker *w, struct listener *l, struct greeting *g,
    int fd, const struct sockaddr_storage *peer, bool counted);

#endif
