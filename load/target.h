/* Where requests go: a URL, taken apart and looked up once. */
#ifndef LOAD_TARGET_H
#define LOAD_TARGET_H

#include <stdbool.h>
#include <stddef.h>

#include "base/address.h"

struct addrinfo;

#define TARGET_HOST_MAX 255u

struct target {
	bool tls;
	char host[TARGET_HOST_MAX + 1];	      /* without brackets: for SNI */
	char authority[TARGET_HOST_MAX + 16]; /* as Host says it */
	char *path;			      /* with its query */
	struct address address;
};

/*
 * http:// or https://, a host, perhaps a port and a path; `connect` is the
 * address to go to instead of the URL's, or NULL. False with the reason in
 * why (one line). Asks the resolver, which may take its time.
 */
bool target_read(struct target *t, const char *url, const char *connect,
    char *why, size_t why_size);
/*
 * Of the addresses of a host the first one where something listens, so that
 * "localhost" is found where only 127.0.0.1 is served; else the first of all.
 * `found` is not empty.
 */
void target_choose(struct target *t, const struct addrinfo *found);
void target_free(struct target *t);

#endif
