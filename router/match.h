/*
 * Predicates on a request: one value (exact, prefix, contains, regex or
 * present) and a match that joins several with AND. Patterns are compiled
 * when the config is read; matching is safe in any thread.
 */
#ifndef ROUTER_MATCH_H
#define ROUTER_MATCH_H

#include "base/field.h"
#include "base/span.h"

/* What a request decides on; borrowed, valid while it is being routed. */
struct request {
	struct span method;
	struct span authority; /* host and port, as sent */
	struct span host;      /* without port, as sent */
	struct span path;      /* without query */
	struct span query;     /* without '?', p == NULL when there is none */
	const struct field *fields;
	unsigned nfields;
};

enum pattern_kind {
	PATTERN_EXACT,
	PATTERN_PREFIX,
	PATTERN_CONTAINS,
	PATTERN_REGEX,
	PATTERN_PRESENT,
};

/* Bytes of a value that a regex looks at. */
#define PATTERN_REGEX_MAX 4096u

/* A test of one value. */
struct pattern;

/*
 * Copies the text. NULL for a regex that does not compile, with pcre2's
 * words and the offset in why, or without memory.
 */
struct pattern *pattern_new(
    enum pattern_kind kind, const char *text, char *why, size_t why_size);
void pattern_free(struct pattern *p);
/*
 * A regex may occur anywhere in the value. It does not match a value longer
 * than PATTERN_REGEX_MAX, nor one on which it exceeds its match limit.
 */
bool pattern_test(const struct pattern *p, struct span value);
const char *pattern_text(const struct pattern *p);
enum pattern_kind pattern_kind(const struct pattern *p);

/* Several tests that must all hold. */
struct match;

struct match *match_new(void);
void match_free(struct match *m);
/* Both consume the pattern, also on failure (-1: no memory). */
int match_add_header(struct match *m, const char *name, struct pattern *p);
int match_add_cookie(struct match *m, const char *name, struct pattern *p);
/* A header that occurs several times matches when one of them does. */
bool match_test(const struct match *m, const struct request *r);
/* For people: "User-Agent ~ Sometimes-Fail and cookie release = beta". */
void match_describe(const struct match *m, char *buf, size_t size);

#endif
