/* Ids for new users, and the cookies that carry them. */
#include "proxy/newcomer.h"

#include <sys/random.h>

#include "base/arena.h"
#include "proxy/set_cookie.h"
#include "router/cohort.h"
#include "router/match.h"

size_t
newcomer_size(const struct cohort *c)
{
	return strlen(c->key.name) + 1 + 2 * NEWCOMER_ID_BYTES +
	       SET_COOKIE_ATTRIBUTES;
}

size_t
newcomer_write(char *buf, const struct cohort *c,
    const uint8_t random[NEWCOMER_ID_BYTES], bool secure, struct span *id)
{
	static const char digits[] = "0123456789abcdef";
	char *p = span_put(buf, span_of(c->key.name));

	*p++ = '=';
	*id = (struct span){p, 2 * NEWCOMER_ID_BYTES};
	for (size_t i = 0; i < NEWCOMER_ID_BYTES; i++) {
		*p++ = digits[random[i] >> 4];
		*p++ = digits[random[i] & 15];
	}
	p += set_cookie_attributes(p, c->ttl_s, secure);
	return (size_t)(p - buf);
}

struct span
newcomer_greet(
    const struct cohort *c, bool secure, struct arena *arena, struct request *r)
{
	uint8_t random[NEWCOMER_ID_BYTES];
	char *buf;

	if (!cohort_lacks_cookie(c, r) ||
	    getrandom(random, sizeof random, 0) != (ssize_t)sizeof random)
		return SPAN_NONE;
	buf = arena_alloc(arena, newcomer_size(c));
	if (buf == NULL)
		return SPAN_NONE;
	return (struct span){
	    buf, newcomer_write(buf, c, random, secure, &r->newcomer)};
}
