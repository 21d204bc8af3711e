/* Finding and decoding parameters, without memory of its own. */
#include "router/query.h"

static int
hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* Cuts the first byte, decoded, off *raw, which is not empty. */
static char
take_byte(struct span *raw)
{
	const char *p = raw->p;
	size_t used = 1;
	char c = *p;

	if (c == '+') {
		c = ' ';
	} else if (c == '%' && raw->n > 2 && hex(p[1]) >= 0 && hex(p[2]) >= 0) {
		c = (char)(hex(p[1]) << 4 | hex(p[2]));
		used = 3;
	}
	raw->p += used;
	raw->n -= used;
	return c;
}

static bool
is_name(struct span raw, struct span name)
{
	if (raw.n < name.n)
		return false;
	for (size_t i = 0; i < name.n; i++)
		if (raw.n == 0 || take_byte(&raw) != name.p[i])
			return false;
	return raw.n == 0;
}

bool
query_find(struct span *rest, struct span name, struct span *value)
{
	while (rest->p != NULL) {
		struct span after = span_cut(rest, '&');
		struct span raw = span_cut(&after, '=');

		/* "&&" has nothing in it, not even an empty name. */
		if (raw.n == 0 && after.p == NULL)
			continue;
		if (is_name(raw, name)) {
			*value = after;
			return true;
		}
	}
	return false;
}

bool
query_coded(struct span raw)
{
	return raw.n > 0 && (memchr(raw.p, '%', raw.n) != NULL ||
				memchr(raw.p, '+', raw.n) != NULL);
}

bool
query_decode(struct span raw, char *buf, size_t size, size_t *n)
{
	size_t used = 0;

	while (raw.n > 0) {
		if (used == size)
			return false;
		buf[used++] = take_byte(&raw);
	}
	*n = used;
	return true;
}
