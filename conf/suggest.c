/* Edit distance (optimal string alignment) and lists of words. */
#include "conf/suggest.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#define WORD_MAX 64u

static unsigned char
lower(char c)
{
	return (unsigned char)(c >= 'A' && c <= 'Z' ? c | 0x20 : c);
}

static unsigned
least(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

unsigned
suggest_distance(const char *a, const char *b)
{
	/* three rows of the table: two back, one back, this one */
	unsigned rows[3][WORD_MAX + 1];
	size_t na = strlen(a), nb = strlen(b);

	if (na > WORD_MAX || nb > WORD_MAX)
		return UINT_MAX;
	for (size_t j = 0; j <= nb; j++)
		rows[0][j] = (unsigned)j;
	for (size_t i = 1; i <= na; i++) {
		unsigned *row = rows[i % 3];
		const unsigned *above = rows[(i - 1) % 3];
		const unsigned *two_above = rows[(i + 1) % 3];

		row[0] = (unsigned)i;
		for (size_t j = 1; j <= nb; j++) {
			unsigned char ca = lower(a[i - 1]);
			unsigned char cb = lower(b[j - 1]);

			row[j] = least(above[j], row[j - 1]) + 1;
			row[j] = least(row[j], above[j - 1] + (ca != cb));
			if (i > 1 && j > 1 && ca == lower(b[j - 2]) &&
			    cb == lower(a[i - 2]))
				row[j] = least(row[j], two_above[j - 2] + 1);
		}
	}
	return rows[na % 3][nb];
}

const char *
suggest_nearest(const char *word, const char *const *known, size_t n)
{
	size_t len = strlen(word);
	unsigned best = len < 6 ? 1 : (unsigned)(len / 3);
	const char *nearest = NULL;

	for (size_t i = 0; i < n; i++) {
		unsigned d = suggest_distance(word, known[i]);

		/* at least one letter must be the same */
		if (d > best || d >= len || (nearest != NULL && d == best))
			continue;
		best = d;
		nearest = known[i];
	}
	return nearest;
}

void
suggest_list(const char *const *known, size_t n, char *buf, size_t size)
{
	static const char more[] = ", ...";
	size_t used = 0;

	buf[0] = '\0';
	for (size_t i = 0; i < n; i++) {
		const char *comma = i > 0 ? ", " : "";
		size_t want = strlen(comma) + strlen(known[i]);

		if (used + want + sizeof more > size) {
			snprintf(buf + used, size - used, "%s", more);
			return;
		}
		snprintf(buf + used, size - used, "%s%s", comma, known[i]);
		used += want;
	}
}
