/*
 * Cohorts: users, known by what their requests have in common, who stay with
 * one version. A user has a place on [0, 2^64), the weights say which part of
 * it is whose: so a version that gains only wins users and one that loses only
 * loses some, and replicas of the proxy agree without a word. Pure.
 */
#ifndef ROUTER_COHORT_H
#define ROUTER_COHORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "router/hash_key.h"

struct request;

struct cohort {
	struct hash_key key; /* on nothing: each request by itself */
	uint64_t salt;	     /* cohort_salt() of the service's name */
	uint32_t ttl_s;	     /* of the cookie we give newcomers; 0 = none */
};

/* Services with different names share out the same users independently. */
uint64_t cohort_salt(const char *service);

/* Whether its user has no cookie yet and is to be given one by us. */
bool cohort_lacks_cookie(const struct cohort *c, const struct request *r);

/*
 * The place of the request's user, or of the newcomer it says; false, and 0,
 * when the request has no key: then each request is by itself.
 */
bool cohort_bucket(
    const struct cohort *c, const struct request *r, uint64_t *bucket);

/*
 * Index of the version that has the place, of n weights, at least one above
 * 0, whose sum fits 64 bits. Exact: a version has what share of [0, 2^64) its
 * weight is of their sum.
 *
 * From the left end come the versions of even index, one after the other,
 * from the right end inwards those of odd index; `stable` has what is between.
 * So where a version is depends on its own share and on those of the versions
 * further out: when its share grows it keeps its users and wins others, when
 * it shrinks it loses the last it won, as long as the shares further out stay
 * as they are. Of two versions that holds for both under any change,
 * whichever is stable; with more, for the outermost ones. Stable gives and
 * takes.
 *
 * So when a version has become stable that has all of the weight, nobody
 * moves, and the next one may grow from there.
 *
 * It cannot hold for all of three versions, whatever the function of the
 * weights. With (1/2, 1/2, 0) let A and B be the users of the first two. With
 * (1/2, 0, 1/2) the first must still have A, so the third has B; with
 * (0, 1/2, 1/2) the second must have B, and so must the third.
 */
size_t cohort_version(
    const uint64_t *weights, size_t n, size_t stable, uint64_t bucket);

#endif
