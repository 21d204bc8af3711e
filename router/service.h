/*
 * One service of a plan: made from its spec or as a copy of another one,
 * then settled, then never changed again. Main thread only.
 */
#ifndef ROUTER_SERVICE_H
#define ROUTER_SERVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "router/plan.h"

struct service_spec;
struct address;
struct pod;
struct pod_spec;

/*
 * Takes the matches and terms out of the spec, also on failure. Pods, tallies
 * and the splits of `old` (NULL: none) go on where they fit; `old` is not
 * changed. Has no ready pods before service_settle(). One reference; NULL with
 * the reason in why.
 */
struct service *service_new(struct service_spec *spec,
    const struct service *old, unsigned nworkers, uint64_t now_us, char *why,
    size_t why_size);

/*
 * Another service of the same parts and weights, to be changed and settled.
 * One reference; NULL without memory.
 */
struct service *service_copy(const struct service *old);

struct service *service_hold(struct service *s);
void service_drop(struct service *s);

/*
 * Gives the service the split of its versions' weights: that of `old` when
 * it has the same; none when it is closed and they are all 0. -1 with the
 * reason in why.
 */
int service_split(
    struct service *s, const struct service *old, char *why, size_t why_size);

/*
 * To which version the release's matches lead, by those that the terms have;
 * nversions: nobody is named, only without a lead.
 */
void service_lead(struct service *s, enum release_lead lead, size_t candidate);

/*
 * The last touch: pods that no check will ever raise are up, and `ready` is
 * what is up now. Cannot fail.
 */
void service_settle(struct service *s);

/*
 * Gives a copy, not yet settled, exactly these pods for the version that was
 * `old` in the service it was copied from. -1 without memory.
 */
int service_set_pods(struct service *s, const struct version *old,
    const struct pod_spec *pods, size_t n, uint64_t now_us);

/*
 * Whether requests may lead to it: it is stable, has a weight, or a rule, the
 * mirror or the release leads to it.
 */
bool service_leads(const struct service *s, const struct version *v);

/* The version's pod of that address; or NULL. */
struct pod *version_pod(const struct version *v, const struct address *address);

#endif
