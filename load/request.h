/*
 * The request of one profile, rendered once in the form of each protocol.
 * "{user}" in the path, in headers and in cookies stands for the number of the
 * simulated user, or without such, of the request. Read-only while it runs.
 */
#ifndef LOAD_REQUEST_H
#define LOAD_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/span.h"
#include "load/buffer.h"
#include "load/profile.h"

struct jar;
struct target;

#define REQUEST_USER SPAN("{user}")
/* The profile's, and our own. */
#define REQUEST_FIELDS_MAX (PROFILE_FIELDS_MAX + 8u)

struct request {
	bool head;	 /* the answer has no body */
	bool fixed;	 /* the same bytes each time */
	bool idempotent; /* may be sent again (RFC 9110 9.2.2) */
	/* HTTP/1.1: the head but its empty line, and all of a fixed one */
	struct buffer h1_lines, h1_whole;
	/* HTTP/2: pseudo-header fields first, names in lower case */
	struct profile_field fields[REQUEST_FIELDS_MAX];
	size_t nfields;
	struct span body;
	struct buffer names;   /* what names of fields point to */
	struct buffer cookies; /* of all, when no jar is kept */
	char length[24];
};

/* jars: Cookie is written for each user. False without memory. */
bool request_render(struct request *r, const struct profile *p,
    const struct target *t, bool jars);
void request_free(struct request *r);

/* Appends the text with the user's number in it. */
void request_expand(struct span text, uint64_t user, struct buffer *out);

/* Appends a whole request of HTTP/1.1; jar may be NULL. */
void request_write_h1(const struct request *r, uint64_t user,
    const struct jar *jar, uint64_t wall_us, struct buffer *out);

#endif
