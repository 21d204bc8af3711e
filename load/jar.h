/*
 * The cookies of one simulated user (RFC 6265 5.3, 5.4). All requests of a run
 * go to one URL, so Domain, Path and Secure decide nothing and are not kept.
 * One thread.
 */
#ifndef LOAD_JAR_H
#define LOAD_JAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/span.h"
#include "load/buffer.h"

#define JAR_COOKIES_MAX 32u
#define JAR_COOKIE_MAX	4096u /* bytes of name and value */

struct jar_cookie {
	char *text; /* "name=value" */
	size_t name_n, n;
	uint64_t until_us; /* of the wall clock; UINT64_MAX: no end */
};

/* Zeroed at first. */
struct jar {
	size_t n;
	struct jar_cookie list[JAR_COOKIES_MAX];
};

/* "name=value", as a user is given it. False when it is none. */
bool jar_put(struct jar *j, struct span pair);

/*
 * What a Set-Cookie field says. One that is none is left out; where there is
 * no room, one that has expired makes it, else the oldest.
 */
void jar_set(struct jar *j, struct span set_cookie, uint64_t wall_us);

/* "a=1; b=2" of those that have not expired; may add nothing. */
void jar_write(const struct jar *j, uint64_t wall_us, struct buffer *out);
bool jar_empty(const struct jar *j, uint64_t wall_us);

void jar_free(struct jar *j);

#endif
