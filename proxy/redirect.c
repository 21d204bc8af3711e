/* Composing the Location of a redirect. */
#include "proxy/redirect.h"

#include <stdio.h>

/* "https://", ":65535", '?' and the end of a string */
#define AROUND 16u

static char *
put(char *p, struct span s)
{
	if (s.n > 0)
		memcpy(p, s.p, s.n);
	return p + s.n;
}

size_t
redirect_size(const struct request *r)
{
	return AROUND + r->host.n + r->path.n + r->query.n;
}

size_t
redirect_write(char *buf, const struct request *r, uint16_t port)
{
	char *p = put(buf, SPAN("https://"));

	p = put(p, r->host);
	if (port != 443)
		p += snprintf(p, sizeof ":65535", ":%u", (unsigned)port);
	if (!span_eq(r->path, SPAN("*")))
		p = put(p, r->path);
	if (r->query.p != NULL) {
		*p++ = '?';
		p = put(p, r->query);
	}
	return (size_t)(p - buf);
}
