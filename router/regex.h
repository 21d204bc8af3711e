/*
 * Perl-compatible regular expressions whose cost is counted, for bytes that
 * peers send: what a search may take is given in steps, and the same text
 * always takes the same. Safe in any thread.
 */
#ifndef ROUTER_REGEX_H
#define ROUTER_REGEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/span.h"

struct regex;

/*
 * NULL for one that does not compile, with pcre2's words and the offset in
 * why, or without memory.
 */
struct regex *regex_new(const char *text, char *why, size_t why_size);
void regex_free(struct regex *r);

enum regex_verdict {
	REGEX_MISSES,
	REGEX_MATCHES,
	REGEX_COSTLY, /* given up: no steps left, or too deep a recursion */
};

/*
 * Looks for a match that begins at `from` or later; what is before is its
 * surroundings. With `more` the text goes on behind its end, so `$` is not
 * there. *begin, which may be NULL, is where the match begins, if any.
 *
 * Takes what it costs from *steps, and ends when they do. A step is an item of
 * the expression tried at a place, or REGEX_STEP_BYTES bytes that one item
 * runs over: about 20 ns, so 100,000 are 2 ms.
 */
#define REGEX_STEP_BYTES 16u
enum regex_verdict regex_search(const struct regex *r, struct span text,
    size_t from, bool more, uint32_t *steps, size_t *begin);

#endif
