/*
 * Predicates on a request: a pattern tests one value (exact, prefix,
 * contains, regex or present), a match joins tests of what a request has:
 * AND within an alternative, OR between alternatives. Patterns are compiled
 * when the config is read; matching is safe in any thread.
 */
#ifndef ROUTER_MATCH_H
#define ROUTER_MATCH_H

#include <stdint.h>

#include "base/field.h"
#include "base/span.h"
#include "router/regex.h"

/* What a request decides on; borrowed, valid while it is being routed. */
struct request {
	struct span method;
	struct span authority; /* host and port, as sent */
	struct span host;      /* without port, as sent */
	struct span path;      /* without query */
	struct span query;     /* without '?', p == NULL when there is none */
	const struct field *fields;
	unsigned nfields;
	int family;	    /* of the client's address; 0 = not known */
	uint8_t client[16]; /* 4 or 16 bytes */
	/* value of the cohort's cookie that it is about to be given, and is
	 * treated as if it had; n == 0: none */
	struct span newcomer;
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
 * than PATTERN_REGEX_MAX, nor one that costs it more than 100,000 steps, which
 * are 2 ms.
 */
bool pattern_test(const struct pattern *p, struct span value);
/*
 * Of a regex, in a text of any length, such as a body; five times as many
 * steps: ten milliseconds at worst, so not for workers.
 */
enum regex_verdict pattern_find(const struct pattern *p, struct span text);
/*
 * The same for a part of a longer text: whether a match begins in it, from
 * `from` bytes on, which are what came before, and before `until`. With until
 * beyond its end the text ends there, too. Takes what it costs from *steps;
 * once there are none left, nothing is found.
 */
bool pattern_in_window(const struct pattern *p, struct span window, size_t from,
    size_t until, uint32_t *steps);
const char *pattern_text(const struct pattern *p);
enum pattern_kind pattern_kind(const struct pattern *p);

/* What a test looks at. */
enum match_source {
	MATCH_HEADER,
	MATCH_COOKIE,
	MATCH_QUERY, /* a parameter, decoded; see router/query.h */
	MATCH_METHOD,
	MATCH_PATH, /* as sent, without query */
	MATCH_CLIENT,
};

/* A longer value of a parameter has only PATTERN_PRESENT; see uri_bytes. */
#define MATCH_QUERY_MAX (64u * 1024)

struct cidr;
struct match;

/* Without a test, which is every request. */
struct match *match_new(void);
void match_free(struct match *m);

/*
 * One more test of the alternative. It holds when one of the values that the
 * source has matches one of the patterns, or, negated, when none does: so it
 * does where there is no value. The name is that of a header (in any case),
 * cookie or parameter, else NULL. Consumes the patterns, but not their array,
 * also on failure (-1: no memory).
 *
 * All regexes of a match together may cost as much as one at its limit; those
 * that come after do not match.
 */
int match_add(struct match *m, enum match_source source, const char *name,
    struct pattern *const *patterns, size_t n, bool negated);
/* Likewise: the client's address is in one of the blocks. Copies them. */
int match_add_client(
    struct match *m, const struct cidr *blocks, size_t n, bool negated);
/* What is added from here on is another alternative. */
void match_or(struct match *m);

bool match_test(const struct match *m, const struct request *r);
/* For people: "User-Agent ~ Sometimes-Fail and cookie release = beta". */
void match_describe(const struct match *m, char *buf, size_t size);

#endif
