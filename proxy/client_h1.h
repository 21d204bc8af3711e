/* HTTP/1.x from a client: heads and bodies in, framed responses out. */
#ifndef PROXY_CLIENT_H1_H
#define PROXY_CLIENT_H1_H

#include <stdbool.h>
#include <sys/socket.h>

struct listener;
struct worker;

/*
 * Takes over an accepted socket; it is closed if memory is short. `counted`:
 * it has entered the client table, and leaves it when it ends.
 */
void client_h1_accept(struct worker *w, struct listener *l, int fd,
    const struct sockaddr_storage *peer, bool counted);

#endif
