/*
 * A span is borrowed bytes: a pointer and a length, never owned, never
 * terminated. Everything here is pure and safe in any thread.
 */
#ifndef BASE_SPAN_H
#define BASE_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct span {
	const char *p;
	size_t n;
};

/* For printf: "%.*s", SPAN_ARG(s) */
#define SPAN_ARG(s) (int)(s).n, (s).p
/* A literal as a span. */
#define SPAN(lit) ((struct span){"" lit, sizeof(lit) - 1})
#define SPAN_NONE ((struct span){NULL, 0})

static inline struct span
span_of(const char *s)
{
	return (struct span){s, strlen(s)};
}

static inline bool
span_eq(struct span a, struct span b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

/* Copies the bytes to p, where there is room; the place behind them. */
static inline char *
span_put(char *p, struct span s)
{
	if (s.n > 0)
		memcpy(p, s.p, s.n);
	return p + s.n;
}

/* ASCII letters compare without case; other bytes exactly. */
bool span_eq_nocase(struct span a, struct span b);

/* Where needle first occurs in s, or NULL; an empty needle is at s.p. */
const char *span_find(struct span s, struct span needle);

/* Without SP and HTAB at both ends (OWS of RFC 9110 5.6.3). */
struct span span_trim(struct span s);

/*
 * Cuts the part before the first `sep` off *rest and returns it; *rest is
 * what follows the separator, with p == NULL when there was none left.
 */
struct span span_cut(struct span *rest, char sep);

/*
 * The next element of a comma-separated list field (RFC 9110 5.6.1), trimmed;
 * empty elements are skipped. False when the list is at its end.
 */
bool span_list_next(struct span *rest, struct span *element);

/* Decimal digits only, at least one, no overflow; else false. */
bool span_to_u64(struct span s, uint64_t *value);

#endif
