/*
 * The cookie that keeps a client at its version: what it says, how it is
 * signed, written and read. Time and secrets are arguments. Pure.
 */
#ifndef ROUTER_STICKY_H
#define ROUTER_STICKY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/span.h"

struct address;
struct sticky_key;

/* A cookie's value is no longer, nor its name. */
#define STICKY_TEXT_MAX 160u
#define STICKY_NAME_MAX 64u
/* Bytes of a secret that cannot be guessed. */
#define STICKY_SECRET_MIN 16u

/* What a service says about it; sticky when it has a name and a key. */
struct sticky {
	char *name;		/* of the cookie; NULL = off */
	struct sticky_key *key; /* held; NULL = see spec_stick() */
	uint32_t ttl_s;
	bool pod; /* the cookie names the pod, too */
};

/* What a cookie says. */
struct sticky_mark {
	struct span version; /* its name */
	uint32_t epoch;	     /* of the version, when the cookie was made */
	uint64_t expires_s;  /* wall clock, seconds since 1970 */
	uint64_t pod;	     /* sticky_pod_id(), 0 = none */
};

/*
 * Signs and verifies; nothing of the secret can be had back from it. Made,
 * held and dropped by the main thread, used by any. One reference; NULL
 * without memory.
 */
struct sticky_key *sticky_key_new(struct span secret);
/* NULL is fine in both. */
struct sticky_key *sticky_key_hold(struct sticky_key *k);
void sticky_key_drop(struct sticky_key *k);

/*
 * The value of a cookie of the service: cookie-octets only (RFC 6265 4.1.1).
 * How many bytes; 0 without memory, or when the version's name is none that
 * conf would read.
 */
size_t sticky_write(const struct sticky_key *k, struct span service,
    const struct sticky_mark *m, char buf[STICKY_TEXT_MAX]);
/*
 * False unless this key has written the value, for this service. The version
 * borrows from the text; whether it is known and the cookie still holds is
 * the caller's to decide.
 */
bool sticky_read(const struct sticky_key *k, struct span service,
    struct span text, struct sticky_mark *m);

/* Stands for the pod in cookies, never 0; says nothing about its address to
 * who has no key. 0 without memory. */
uint64_t sticky_pod_id(const struct sticky_key *k, const struct address *a);

#endif
