/* Where users stand, and whose that place is. */
#include "router/cohort.h"

#include <netinet/in.h>

#include "base/check.h"
#include "router/match.h"

/* Another function than those of the balance policy `hash`, whose seeds are
 * small: or one version's users would crowd on some of its pods. */
#define SEED 0x5ec7104e11a6e50du

uint64_t
cohort_salt(const char *service)
{
	return hash_bytes(span_of(service), SEED);
}

static struct span
client_of(const struct request *r)
{
	size_t n = 0;

	if (r->family != 0)
		n = r->family == AF_INET6 ? 16 : 4;
	return (struct span){(const char *)r->client, n};
}

bool
cohort_lacks_cookie(const struct cohort *c, const struct request *r)
{
	return c->ttl_s > 0 &&
	       hash_key_seeded(&c->key, r, SPAN_NONE, c->salt) == 0;
}

bool
cohort_bucket(const struct cohort *c, const struct request *r, uint64_t *bucket)
{
	if (r->newcomer.n > 0)
		*bucket = hash_bytes(r->newcomer, c->salt);
	else
		*bucket = hash_key_seeded(&c->key, r, client_of(r), c->salt);
	return *bucket != 0;
}

size_t
cohort_version(
    const uint64_t *weights, size_t n, size_t stable, uint64_t bucket)
{
	uint64_t total = 0, left = 0, right = 0, place;

	for (size_t i = 0; i < n; i++)
		total += weights[i];
	CHECK(total > 0);
	place = (uint64_t)((unsigned __int128)bucket * total >> 64);
	for (size_t i = 0; i < n; i++) {
		if (i == stable)
			continue;
		if (i % 2 == 0) {
			left += weights[i];
			if (place < left)
				return i;
		} else {
			right += weights[i];
			if (place >= total - right)
				return i;
		}
	}
	return stable;
}
