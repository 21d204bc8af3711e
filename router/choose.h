/*
 * Which version takes a request: the candidate, where a match of the release
 * under way leads to it, else that of the first matching rule, or by the
 * rule's own weights, else that of a sticky cookie that holds, else by the
 * service's weights; then what `empty` says where that version has no ready
 * pod. Weights go by the request's cohort, or exactly where it has none. Any
 * thread, no lock, no allocation but what it takes to verify a cookie.
 */
#ifndef ROUTER_CHOOSE_H
#define ROUTER_CHOOSE_H

#include "router/plan.h"

enum choice_by {
	CHOICE_RULE,
	CHOICE_WEIGHT,
	CHOICE_STABLE,	/* the wanted version had no pod that is up */
	CHOICE_STICKY,	/* the client's cookie */
	CHOICE_RELEASE, /* the lead of the release under way */
};

/* What the version's answer does to the client's sticky cookie. */
enum choice_cookie {
	COOKIE_LEAVE, /* nothing: it is not about this choice */
	COOKIE_KEEP,  /* it holds, and names `pod` */
	COOKIE_ISSUE, /* a new one, for the version that answers */
};

struct choice {
	const struct version *version; /* never NULL; may have no ready pod */
	const struct version *wanted;  /* what lead, rule or weight said */
	int rule; /* index of the rule that decided, -1 when none did */
	enum choice_by by;
	bool hashed;	 /* the cohort decided which of the weights */
	uint64_t bucket; /* its place on [0, 2^64); 0 unless hashed */
	bool stuck;	 /* a sticky cookie said so, not the weights */
	bool led;	 /* the release's match said so */
	enum choice_cookie cookie;
	struct pod *pod; /* that the cookie names, ready; NULL = any */
};

/*
 * Of a service that is not closed. `now_s`: wall clock, seconds since 1970;
 * only read where sticky_is_on().
 */
void choose_version(const struct service *s, const struct request *r,
    uint64_t now_s, struct choice *c);
/*
 * What it would say of the request if that came now, for explanations:
 * nothing is drawn.
 */
void choose_foresee(const struct service *s, const struct request *r,
    uint64_t now_s, struct choice *c);

/*
 * Rules of a service with so many versions. Consumes what the specs point
 * to, also on failure. A split goes on that `old` (NULL: none), rules of a
 * service with the same versions, has at the same place with the same
 * weights. One reference; NULL with the reason in why. Main thread only.
 */
struct ruleset *ruleset_new(struct rule_spec *rules, size_t n, size_t nversions,
    const struct ruleset *old, char *why, size_t why_size);
/* main thread only */
struct ruleset *ruleset_hold(struct ruleset *r);
void ruleset_drop(struct ruleset *r);
/* Index of the first match, or -1. Draws no ticket. */
int ruleset_find(const struct ruleset *rs, const struct request *r);
/* How many rules there are. */
size_t ruleset_size(const struct ruleset *rs);
/* A rule's own weights, one per version, in 1/WEIGHT_ONE; NULL: it has none. */
const uint64_t *ruleset_weights(const struct ruleset *rs, int rule);
/* Whether a rule names the version, or has a weight for it. */
bool ruleset_leads(const struct ruleset *rs, size_t version);
/* For people; see match_describe(). */
void ruleset_describe(
    const struct ruleset *rs, int rule, char *buf, size_t size);
/* Whether stable takes over for the rule where the service says `stable`. */
bool ruleset_empty_stable(const struct ruleset *rs, int rule, bool stable);

#endif
