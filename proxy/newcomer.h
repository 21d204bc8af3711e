/*
 * Users that a service's cohort does not know yet: given an id of their own,
 * in a cookie (RFC 6265 4.1), before a version is chosen for them by it. Any
 * thread.
 */
#ifndef PROXY_NEWCOMER_H
#define PROXY_NEWCOMER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/span.h"

struct arena;
struct cohort;
struct request;

#define NEWCOMER_ID_BYTES 16u

/*
 * Where the request's user is one: sets r->newcomer, and returns the value of
 * the Set-Cookie that tells him. Both are in the arena. Empty for others, and
 * when the arena or the kernel has nothing to give: then nobody is new.
 */
struct span newcomer_greet(const struct cohort *c, bool secure,
    struct arena *arena, struct request *r);

/* The room that newcomer_write() needs. */
size_t newcomer_size(const struct cohort *c);
/*
 * Pure: the value of Set-Cookie for that id, not terminated; its length. The
 * cookie's own value is `id`, in buf. `secure`: over TLS only.
 */
size_t newcomer_write(char *buf, const struct cohort *c,
    const uint8_t random[NEWCOMER_ID_BYTES], bool secure, struct span *id);

#endif
