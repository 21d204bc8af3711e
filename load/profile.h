/*
 * Client profiles: what kinds of clients a run plays, in which shares, and
 * what each of them sends.
 */
#ifndef LOAD_PROFILE_H
#define LOAD_PROFILE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/span.h"
#include "load/board.h"

#define PROFILE_FIELDS_MAX 64u
#define PROFILE_BODY_MAX   (64u << 20)
/* The one that is there when none is named. */
#define PROFILE_DEFAULT "default"
#define PROFILE_AGENT	"shunt-load/" SHUNT_VERSION

struct load_options;
struct split;

struct profile_field {
	struct span name, value;
};

/* Spans point into the options, or into the profile's own memory. */
struct profile {
	char *name;
	struct span agent;
	struct span method;
	struct profile_field fields[PROFILE_FIELDS_MAX];
	size_t nfields;
	struct span cookies[PROFILE_FIELDS_MAX];
	size_t ncookies;
	struct span body;
	bool has_body;
	char *file; /* of the body, or NULL */
	double share;
};

struct profiles {
	struct profile list[BOARD_PROFILES];
	size_t n;
	struct split *split; /* whose turn it is */
};

/* False with the reason in why (one line); free what is there in any case. */
bool profiles_read(struct profiles *p, const struct load_options *options,
    char *why, size_t why_size);
void profiles_free(struct profiles *p);

/* The field's value, or NULL; names compare without case. */
const struct span *profile_field(const struct profile *p, struct span name);

#endif
