/*
 * Runs of bytes, a vector at a time. The compiler's vector type becomes SSE2,
 * NEON or plain words, whatever the machine has: one source for all of them.
 *
 * For each kind a few comparisons find the bytes that are usual in it. What
 * they leave out is looked up in a table, so they may be too strict, but
 * never too lax.
 */
#include "proxy/h1_scan.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum {
	TCHAR = 1,
	VALUE = 2,
	TARGET = 4,
};

#define T (TCHAR | VALUE | TARGET)
#define V (VALUE | TARGET)

/* clang-format off */
static const unsigned char kinds[256] = {
	['\t'] = VALUE, [' '] = VALUE,
	['!'] = T, ['"'] = V, ['#'] = T, ['$'] = T, ['%'] = T, ['&'] = T,
	['\''] = T, ['('] = V, [')'] = V, ['*'] = T, ['+'] = T, [','] = V,
	['-'] = T, ['.'] = T, ['/'] = V,
	['0' ... '9'] = T,
	[':'] = V, [';'] = V, ['<'] = V, ['='] = V, ['>'] = V, ['?'] = V,
	['@'] = V,
	['A' ... 'Z'] = T,
	['['] = V, ['\\'] = V, [']'] = V, ['^'] = T, ['_'] = T, ['`'] = T,
	['a' ... 'z'] = T,
	['{'] = V, ['|'] = T, ['}'] = V, ['~'] = T,
	[0x80 ... 0xff] = VALUE,
};
/* clang-format on */

#undef T
#undef V

#define WIDTH 16

typedef unsigned char bytes __attribute__((vector_size(WIDTH)));
typedef uint64_t words __attribute__((vector_size(WIDTH)));

/* 0xff for each byte that needs a second look. */
typedef words unusual(bytes b);

static inline bytes
load(const char *p)
{
	bytes b;

	memcpy(&b, p, sizeof b);
	return b;
}

/* Where the first byte of a nonzero word lies. */
static inline unsigned
first_byte(uint64_t word)
{
	return (unsigned)(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
			      ? __builtin_ctzll(word)
			      : __builtin_clzll(word)) /
	       8;
}

/* The first marked byte; WIDTH without. */
static inline unsigned
first_marked(words mark)
{
	if (mark[0] != 0)
		return first_byte(mark[0]);
	if (mark[1] != 0)
		return 8 + first_byte(mark[1]);
	return WIDTH;
}

static inline const char *
scan(const char *p, const char *end, unsigned char kind, unusual *look)
{
	while (end - p >= WIDTH) {
		unsigned n = first_marked(look(load(p)));

		p += n;
		if (n == WIDTH)
			continue;
		if (!(kinds[(unsigned char)*p] & kind))
			return p;
		p++;
	}
	while (p < end && (kinds[(unsigned char)*p] & kind))
		p++;
	return p;
}

/* All but letters, digits and hyphens. */
static inline words
unusual_in_token(bytes b)
{
	return ~(words)(((b | 0x20) - 'a' <= 'z' - 'a') | (b - '0' <= 9) |
			(b == '-'));
}

static inline words
unusual_in_value(bytes b)
{
	return (words)((b < ' ') | (b == 0x7f));
}

static inline words
unusual_in_target(bytes b)
{
	return (words)(b - '!' > '~' - '!');
}

const char *
scan_token(const char *p, const char *end)
{
	return scan(p, end, TCHAR, unusual_in_token);
}

const char *
scan_value(const char *p, const char *end)
{
	return scan(p, end, VALUE, unusual_in_value);
}

const char *
scan_target(const char *p, const char *end)
{
	return scan(p, end, TARGET, unusual_in_target);
}
