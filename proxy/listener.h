/*
 * An address we accept on: one socket per worker, bound by main with
 * SO_REUSEPORT so that the kernel spreads connections.
 */
#ifndef PROXY_LISTENER_H
#define PROXY_LISTENER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/address.h"

#define LISTENER_MAGIC 0x115e0001u

/*
 * Shared by main and all workers; freed by main when the listener is closed
 * everywhere and no connection refers to it (at the latest at exit).
 */
struct listener {
	unsigned magic;
	struct address address;
	/* connections begin with a PROXY header; set before workers know it */
	bool proxy_protocol;
	/* open client connections; each worker adds and subtracts */
	_Atomic uint32_t connections;
};

struct listener *listener_new(const struct address *address);
void listener_free(struct listener *l);

/* A bound, listening, non-blocking socket; -1 with errno set. Main. */
int listener_open(const struct listener *l);

#endif
