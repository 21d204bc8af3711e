/* Composing the Location of a redirect. */
#include "proxy/redirect.h"

#include <stdio.h>

/* "https://", ":65535", '?' and the end of a string */
#define AROUND 16u

static unsigned
default_port(struct span scheme)
{
	return span_eq(scheme, SPAN("https")) ? 443 : 80;
}

/* A port that is the scheme's own, or 0, is left out. */
static char *
put_origin(char *p, struct span scheme, struct span host, unsigned port)
{
	p = span_put(p, scheme);
	p = span_put(p, SPAN("://"));
	p = span_put(p, host);
	if (port != 0 && port != default_port(scheme))
		p += snprintf(p, sizeof ":65535", ":%u", port);
	return p;
}

static char *
put_query(char *p, const struct request *r)
{
	if (r->query.p == NULL)
		return p;
	*p++ = '?';
	return span_put(p, r->query);
}

size_t
redirect_size(const struct request *r)
{
	return AROUND + r->host.n + r->path.n + r->query.n;
}

size_t
redirect_write(char *buf, const struct request *r, uint16_t port)
{
	char *p = put_origin(buf, SPAN("https"), r->host, port);

	if (!span_eq(r->path, SPAN("*")))
		p = span_put(p, r->path);
	return (size_t)(put_query(p, r) - buf);
}

/* That the client has named; 0: none, or none that is one. */
static unsigned
request_port(const struct request *r)
{
	struct span port = r->authority;
	uint64_t n;

	if (port.n <= r->host.n + 1)
		return 0;
	port.p += r->host.n + 1;
	port.n -= r->host.n + 1;
	return span_to_u64(port, &n) && n <= UINT16_MAX ? (unsigned)n : 0;
}

static struct span
or_else(const char *text, struct span otherwise)
{
	return text != NULL ? span_of(text) : otherwise;
}

size_t
redirect_route_size(const struct request *r, const struct route_action *a)
{
	return AROUND + or_else(a->host, r->host).n +
	       route_path_size(a, r->path) + r->query.n;
}

size_t
redirect_route_write(char *buf, const struct request *r, struct span scheme,
    const struct route_action *a)
{
	struct span to_scheme = or_else(a->scheme, scheme);
	struct span host = or_else(a->host, r->host), path;
	unsigned from_port = request_port(r), port = a->port;
	bool stays =
	    span_eq(to_scheme, scheme) && span_eq_nocase(host, r->host);
	char *p;

	if (from_port == 0)
		from_port = default_port(scheme);
	if (port == 0)
		port = stays ? from_port : default_port(to_scheme);
	p = put_origin(buf, to_scheme, host, port);
	path.p = p;
	path.n = route_path_write(p, a, r->path);
	if (stays && port == from_port && span_eq(path, r->path))
		return 0;
	if (!span_eq(path, SPAN("*")))
		p += path.n;
	return (size_t)(put_query(p, r) - buf);
}
