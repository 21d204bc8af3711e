/*
 * What of a request the policy `hash` and cohorts look at, and its hash: the
 * same in every replica of the proxy, whatever its version of the C library,
 * byte order or moment of start. Pure.
 */
#ifndef ROUTER_HASH_KEY_H
#define ROUTER_HASH_KEY_H

#include <stdint.h>

#include "base/span.h"

struct request;

enum hash_on {
	HASH_ON_NOTHING, /* there is no key */
	HASH_ON_CLIENT,	 /* its IP address */
	HASH_ON_URI,	 /* path and query */
	HASH_ON_HEADER,
	HASH_ON_COOKIE,
};

struct hash_key {
	enum hash_on on;
	char *name; /* of the header or cookie; owned by who has the struct */
};

/*
 * Of what it is on; 0 = the request has none, or an empty one. `client` is
 * its IP address, 4 or 16 bytes.
 */
uint64_t hash_key_of(
    const struct hash_key *k, const struct request *r, struct span client);
/* The same by another function for each seed; of the value alone, whatever
 * it was found in. */
uint64_t hash_key_seeded(const struct hash_key *k, const struct request *r,
    struct span client, uint64_t seed);

/* Of any bytes; never 0. For different seeds they are different functions. */
uint64_t hash_bytes(struct span s, uint64_t seed);

/* One number into another, every bit of which depends on every bit of it. */
static inline uint64_t
hash_mix(uint64_t h)
{
	h = (h ^ h >> 30) * 0xbf58476d1ce4e5b9u;
	h = (h ^ h >> 27) * 0x94d049bb133111ebu;
	return h ^ h >> 31;
}

#endif
