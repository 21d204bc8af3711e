/* Checking and writing a request that somebody asks about. */
#include "control/question.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/opt.h"
#include "proxy/client_address.h"
#include "proxy/h1_parse.h"
#include "proxy/h1_scan.h"

#define URL_SHAPE "a URL such as http://shop.example.com/cart?x=1"

struct reading {
	const struct question *q;
	struct asked *a;
	struct span authority;
	struct span target; /* may lack its slash */
	char *why;
	size_t why_size;
};

/* False, after saying so. */
static bool
wrong(struct reading *r, const char *what, const char *expected,
    struct span found)
{
	char quoted[OPT_QUOTE_MAX];

	opt_quote(found, quoted, sizeof quoted);
	snprintf(r->why, r->why_size, "%s: expected %s, found %s", what,
	    expected, quoted);
	return false;
}

static bool
is_token(struct span s)
{
	return s.n > 0 && scan_token(s.p, s.p + s.n) == s.p + s.n;
}

/* The authority's port, or that of the scheme. */
static unsigned
port_of(struct span authority, bool https)
{
	const char *colon = memrchr(authority.p, ':', authority.n);
	uint64_t port;

	if (colon == NULL || colon[1] == '\0' ||
	    !span_to_u64((struct span){colon + 1,
			     (size_t)(authority.p + authority.n - colon) - 1},
		&port) ||
	    port > UINT16_MAX)
		return https ? 443 : 80;
	return (unsigned)port;
}

static bool
read_url(struct reading *r)
{
	struct span url = span_of(r->q->url), rest = url;
	size_t scheme = 0;

	if (strncasecmp(url.p, "http://", 7) == 0)
		scheme = 7;
	else if (strncasecmp(url.p, "https://", 8) == 0)
		scheme = 8;
	else
		return wrong(r, "url", URL_SHAPE, url);
	rest.p += scheme;
	rest.n -= scheme;
	r->authority = (struct span){rest.p, strcspn(rest.p, "/?#")};
	r->target.p = rest.p + r->authority.n;
	r->target.n = rest.n - r->authority.n;
	if (!h1_valid_host(r->authority))
		return wrong(r, "url", "a host, perhaps with a port, in it",
		    r->authority);
	if (strchr(r->target.p, '#') != NULL)
		return wrong(r, "url",
		    "no fragment (\"#...\"), as that is never sent", url);
	if (scan_target(r->target.p, url.p + url.n) != url.p + url.n)
		return wrong(r, "url",
		    "bytes other than visible ASCII as %XX in it", url);
	r->a->https = scheme == 8;
	r->a->port = port_of(r->authority, r->a->https);
	return true;
}

static bool
read_fields(struct reading *r)
{
	for (size_t i = 0; i < r->q->nfields; i++) {
		struct span name = span_of(r->q->fields[i].name);
		struct span value = span_of(r->q->fields[i].value);

		if (!is_token(name))
			return wrong(
			    r, "headers", "the name of a header", name);
		if (scan_value(value.p, value.p + value.n) != value.p + value.n)
			return wrong(r, "headers",
			    "a value without control characters", value);
	}
	return true;
}

static bool
read_client(struct reading *r)
{
	const char *client = r->q->client;
	struct asked *a = r->a;

	if (client == NULL)
		client = QUESTION_CLIENT;
	if (!client_address_parse(span_of(client), &a->family, a->address))
		return wrong(r, "client",
		    "an IP address such as 192.0.2.7 or 2001:db8::7",
		    span_of(client));
	inet_ntop(a->family, a->address, a->ip, sizeof a->ip);
	return true;
}

static bool
names_host(const struct question *q)
{
	for (size_t i = 0; i < q->nfields; i++)
		if (strcasecmp(q->fields[i].name, "host") == 0)
			return true;
	return false;
}

static void
write_head(FILE *out, const struct reading *r, const char *method)
{
	const struct question *q = r->q;

	fprintf(out, "%s %s%.*s HTTP/1.1\r\n", method,
	    r->target.n > 0 && r->target.p[0] == '/' ? "" : "/",
	    SPAN_ARG(r->target));
	if (!names_host(q))
		fprintf(out, "Host: %.*s\r\n", SPAN_ARG(r->authority));
	for (size_t i = 0; i < q->nfields; i++)
		fprintf(
		    out, "%s: %s\r\n", q->fields[i].name, q->fields[i].value);
	fprintf(out, "\r\n");
}

bool
question_read(
    const struct question *q, struct asked *a, char *why, size_t why_size)
{
	struct reading r = {.q = q, .a = a, .why = why, .why_size = why_size};
	const char *method = q->method != NULL ? q->method : "GET";
	FILE *out;

	*a = (struct asked){0};
	if (!is_token(span_of(method)))
		return wrong(
		    &r, "method", "a method such as GET", span_of(method));
	if (!read_url(&r) || !read_fields(&r) || !read_client(&r))
		return false;
	snprintf(why, why_size, "out of memory");
	out = open_memstream(&a->head, &a->n);
	if (out == NULL)
		return false;
	write_head(out, &r, method);
	return fclose(out) == 0;
}

void
asked_clear(struct asked *a)
{
	free(a->head);
	a->head = NULL;
}
