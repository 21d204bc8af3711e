/*
 * Which version, and which of its pods, a client's cookie keeps it at, as
 * far as this plan still knows them. Any thread, no lock.
 */
#ifndef ROUTER_STICKY_FIND_H
#define ROUTER_STICKY_FIND_H

#include <stdbool.h>
#include <stdint.h>

struct pod;
struct request;
struct service;
struct version;

struct sticky_found {
	const struct version *version; /* may have no ready pod */
	struct pod *pod;	       /* ready; NULL = any */
	bool renew;		       /* the client should get a new cookie */
};

/* Whether clients of the service get cookies at all. */
bool sticky_is_on(const struct service *s);

/*
 * The first cookie of the request that holds at `now_s` (wall clock, seconds
 * since 1970): signed for this service, not expired, of a version it has,
 * with that version's epoch. False when there is none.
 */
bool sticky_find(const struct service *s, const struct request *r,
    uint64_t now_s, struct sticky_found *found);

#endif
