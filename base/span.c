/* Comparing and cutting borrowed bytes. */
#include "base/span.h"

/* Whether two bytes that differ are one letter in two cases. */
static bool
is_other_case(unsigned char a, unsigned char b)
{
	return (a ^ b) == 0x20 && (a | 0x20) >= 'a' && (a | 0x20) <= 'z';
}

bool
span_eq_nocase(struct span a, struct span b)
{
	if (a.n != b.n)
		return false;
	for (size_t i = 0; i < a.n; i++)
		if (a.p[i] != b.p[i] && !is_other_case((unsigned char)a.p[i],
					    (unsigned char)b.p[i]))
			return false;
	return true;
}

const char *
span_find(struct span s, struct span needle)
{
	if (needle.n == 0)
		return s.p;
	if (s.n < needle.n)
		return NULL;
	return memmem(s.p, s.n, needle.p, needle.n);
}

struct span
span_trim(struct span s)
{
	while (s.n > 0 && (s.p[0] == ' ' || s.p[0] == '\t')) {
		s.p++;
		s.n--;
	}
	while (s.n > 0 && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
		s.n--;
	return s;
}

struct span
span_cut(struct span *rest, char sep)
{
	struct span part = *rest;
	const char *at;

	at = rest->n > 0 ? memchr(rest->p, sep, rest->n) : NULL;
	if (at == NULL) {
		*rest = SPAN_NONE;
		return part;
	}
	part.n = (size_t)(at - part.p);
	rest->n -= part.n + 1;
	rest->p = at + 1;
	return part;
}

bool
span_list_next(struct span *rest, struct span *element)
{
	while (rest->p != NULL) {
		*element = span_trim(span_cut(rest, ','));
		if (element->n > 0)
			return true;
	}
	return false;
}

bool
span_to_u64(struct span s, uint64_t *value)
{
	uint64_t v = 0;

	if (s.n == 0)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		unsigned digit = (unsigned)(unsigned char)s.p[i] - '0';

		if (digit > 9 || v > (UINT64_MAX - digit) / 10)
			return false;
		v = v * 10 + digit;
	}
	*value = v;
	return true;
}
