/* Reading and printing socket addresses. */
#include "base/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>

static bool
parse_port(struct span s, in_port_t *port)
{
	uint64_t n;

	if (s.n > 5 || !span_to_u64(s, &n) || n < 1 || n > 65535)
		return false;
	*port = htons((uint16_t)n);
	return true;
}

static bool
parse_v4(const char *ip, struct span port, struct address *a)
{
	struct sockaddr_in *in = (struct sockaddr_in *)&a->sa;

	in->sin_family = AF_INET;
	a->len = sizeof *in;
	return inet_pton(AF_INET, ip, &in->sin_addr) == 1 &&
	       parse_port(port, &in->sin_port);
}

static bool
parse_v6(const char *ip, struct span port, struct address *a)
{
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&a->sa;

	in6->sin6_family = AF_INET6;
	a->len = sizeof *in6;
	return inet_pton(AF_INET6, ip, &in6->sin6_addr) == 1 &&
	       parse_port(port, &in6->sin6_port);
}

bool
address_parse(struct span text, struct address *a)
{
	char ip[ADDRESS_TEXT_MAX];
	const char *colon;
	struct span host, port;

	memset(a, 0, sizeof *a);
	if (text.n == 0 || text.n >= sizeof a->text)
		return false;
	colon = memrchr(text.p, ':', text.n);
	if (colon == NULL)
		return false;
	memcpy(a->text, text.p, text.n);
	host = (struct span){text.p, (size_t)(colon - text.p)};
	port = (struct span){colon + 1, text.n - host.n - 1};
	if (host.n >= 2 && host.p[0] == '[' && host.p[host.n - 1] == ']') {
		snprintf(ip, sizeof ip, "%.*s", (int)host.n - 2, host.p + 1);
		return parse_v6(ip, port, a);
	}
	snprintf(ip, sizeof ip, "%.*s", SPAN_ARG(host));
	return parse_v4(ip, port, a);
}

unsigned
address_port(const struct address *a)
{
	if (a->sa.ss_family == AF_INET6)
		return ntohs(((const struct sockaddr_in6 *)&a->sa)->sin6_port);
	return ntohs(((const struct sockaddr_in *)&a->sa)->sin_port);
}

bool
address_eq(const struct address *a, const struct address *b)
{
	return a->len == b->len && memcmp(&a->sa, &b->sa, a->len) == 0;
}

size_t
address_ip(const struct sockaddr_storage *sa, char *buf, size_t size)
{
	const void *ip = &((const struct sockaddr_in *)sa)->sin_addr;

	if (sa->ss_family == AF_INET6)
		ip = &((const struct sockaddr_in6 *)sa)->sin6_addr;
	if (inet_ntop(sa->ss_family, ip, buf, (socklen_t)size) == NULL)
		buf[0] = '\0';
	return strlen(buf);
}
