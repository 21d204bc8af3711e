/*
 * What a script expects of a run: "failures=0", "share:v2=20%±1%",
 * "p99:v1<=50ms". Read before, judged behind. Pure.
 */
#ifndef LOAD_EXPECT_H
#define LOAD_EXPECT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/span.h"

#define EXPECT_MAX	 64u
#define EXPECT_FOUND_MAX 64u

struct load_words;
struct result;

enum expect_relation {
	EXPECT_EQUAL,
	EXPECT_NOT_EQUAL,
	EXPECT_LESS,
	EXPECT_AT_MOST,
	EXPECT_MORE,
	EXPECT_AT_LEAST,
};

struct expectation {
	const char *text;
	unsigned measure;    /* its row in expect.c */
	struct span version; /* p == NULL: of all */
	enum expect_relation relation;
	double value, tolerance; /* numbers, per cent, milliseconds */
};

struct expectations {
	struct expectation list[EXPECT_MAX];
	size_t n;
};

/* False with the reason in why (one line). */
bool expect_read(struct expectations *e, const struct load_words *words,
    char *why, size_t why_size);

/* Whether it is met; `found` says what was, for people. */
bool expect_met(const struct expectation *e, const struct result *r,
    char found[EXPECT_FOUND_MAX]);

#endif
