/* Looking through a request's cookies for the one that holds. */
#include "router/sticky_find.h"

#include "router/match.h"
#include "router/plan.h"
#include "router/sticky.h"
#include "router/sticky_pods.h"

/* Cookies of our name that are looked at: a browser may have one per path and
 * domain, but verifying is not free. */
#define COOKIES_MAX 4u

bool
sticky_is_on(const struct service *s)
{
	return s->terms->sticky.name != NULL && s->terms->sticky.key != NULL;
}

static const struct version *
version_named(const struct service *s, struct span name)
{
	for (size_t i = 0; i < s->nversions; i++)
		if (span_eq(span_of(s->versions[i].name), name))
			return &s->versions[i];
	return NULL;
}

/*
 * Less than half of the ttl is left; or much more than all of it, as the ttl
 * was longer once.
 */
static bool
is_due(uint64_t left_s, uint64_t ttl_s)
{
	return 2 * left_s < ttl_s || 2 * left_s > 3 * ttl_s;
}

static bool
holds(const struct service *s, struct span text, uint64_t now_s,
    struct sticky_found *found)
{
	const struct sticky *sticky = &s->terms->sticky;
	const struct version *v;
	struct sticky_mark m;

	if (!sticky_read(sticky->key, span_of(s->name), text, &m) ||
	    m.expires_s <= now_s)
		return false;
	v = version_named(s, m.version);
	if (v == NULL || v->epoch != m.epoch)
		return false;
	*found = (struct sticky_found){
	    .version = v,
	    .pod =
		v->sticky != NULL ? sticky_pods_find(v->sticky, m.pod) : NULL,
	    .renew = is_due(m.expires_s - now_s, sticky->ttl_s),
	};
	return true;
}

bool
sticky_find(const struct service *s, const struct request *r, uint64_t now_s,
    struct sticky_found *found)
{
	struct span name, rest, value;
	unsigned looked_at = 0;

	if (!sticky_is_on(s))
		return false;
	name = span_of(s->terms->sticky.name);
	for (unsigned i = 0; i < r->nfields; i++) {
		if (r->fields[i].id != FIELD_COOKIE)
			continue;
		rest = r->fields[i].value;
		while (field_cookie(rest, name, &value)) {
			if (holds(s, value, now_s, found))
				return true;
			if (++looked_at == COOKIES_MAX)
				return false;
			rest.n -= (size_t)(value.p + value.n - rest.p);
			rest.p = value.p + value.n;
		}
	}
	return false;
}
