/* Reading and printing socket addresses. */
#include "base/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>

#include "base/check.h"

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

static bool
is_unix(struct span text)
{
	const struct span head = SPAN(ADDRESS_UNIX);

	return text.n >= head.n && span_eq((struct span){text.p, head.n}, head);
}

static struct span
path_of(struct span text)
{
	const size_t head = sizeof ADDRESS_UNIX - 1;

	return (struct span){text.p + head, text.n - head};
}

const char *
address_unix_fault(struct span text)
{
	struct span path;

	if (!is_unix(text))
		return NULL;
	path = path_of(text);
	if (path.n < 2 || (path.p[0] != '/' && path.p[0] != '@'))
		return "a path that begins with / behind \"unix:\", or @ and "
		       "an abstract name";
	for (size_t i = 0; i < path.n; i++)
		if ((unsigned char)path.p[i] <= ' ' || path.p[i] == 0x7f ||
		    path.p[i] == '"' || path.p[i] == '\\')
			return "no spaces, control characters, \" and \\ "
			       "behind "
			       "\"unix:\"";
	if (path.n > ADDRESS_PATH_MAX)
		return "at most 107 bytes behind \"unix:\"";
	return NULL;
}

_Static_assert(ADDRESS_PATH_MAX == 107, "as address_unix_fault() says");

/* An abstract name begins with a NUL and has none at its end (unix(7)). */
static bool
parse_unix(struct span text, struct address *a)
{
	struct sockaddr_un *un = (struct sockaddr_un *)&a->sa;
	struct span path = path_of(text);
	const bool abstract = path.n > 0 && path.p[0] == '@';

	if (address_unix_fault(text) != NULL)
		return false;
	un->sun_family = AF_UNIX;
	memcpy(un->sun_path, path.p, path.n);
	if (abstract)
		un->sun_path[0] = '\0';
	a->len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + path.n +
			     (abstract ? 0 : 1));
	memcpy(a->text, text.p, text.n);
	return true;
}

bool
address_parse(struct span text, struct address *a)
{
	char ip[ADDRESS_TEXT_MAX];
	const char *colon;
	struct span host, port;

	memset(a, 0, sizeof *a);
	if (is_unix(text))
		return parse_unix(text, a);
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

static const char *
v4_fault(in_addr_t ip)
{
	if (ip == INADDR_ANY)
		return "an address of one machine, not the unspecified one";
	if (ip == INADDR_BROADCAST)
		return "an address of one machine, not that of broadcast";
	if (IN_MULTICAST(ip))
		return "an address of one machine, not one of multicast";
	return NULL;
}

static const char *
v6_fault(const struct in6_addr *ip)
{
	in_addr_t v4;

	if (IN6_IS_ADDR_MULTICAST(ip))
		return v4_fault(INADDR_UNSPEC_GROUP);
	if (IN6_IS_ADDR_UNSPECIFIED(ip))
		return v4_fault(INADDR_ANY);
	if (!IN6_IS_ADDR_V4MAPPED(ip))
		return NULL;
	memcpy(&v4, &ip->s6_addr[12], sizeof v4);
	return v4_fault(ntohl(v4));
}

const char *
address_peer_fault(const struct address *a)
{
	if (a->sa.ss_family == AF_INET6)
		return v6_fault(
		    &((const struct sockaddr_in6 *)&a->sa)->sin6_addr);
	if (a->sa.ss_family != AF_INET)
		return NULL;
	return v4_fault(
	    ntohl(((const struct sockaddr_in *)&a->sa)->sin_addr.s_addr));
}

unsigned
address_port(const struct address *a)
{
	if (a->sa.ss_family == AF_INET6)
		return ntohs(((const struct sockaddr_in6 *)&a->sa)->sin6_port);
	return ntohs(((const struct sockaddr_in *)&a->sa)->sin_port);
}

void
address_set_port(struct address *a, uint16_t port)
{
	char ip[INET6_ADDRSTRLEN];

	CHECK(a->sa.ss_family == AF_INET || a->sa.ss_family == AF_INET6);
	address_ip(&a->sa, ip, sizeof ip);
	if (a->sa.ss_family == AF_INET6) {
		((struct sockaddr_in6 *)&a->sa)->sin6_port = htons(port);
		snprintf(a->text, sizeof a->text, "[%s]:%u", ip, port);
	} else {
		((struct sockaddr_in *)&a->sa)->sin_port = htons(port);
		snprintf(a->text, sizeof a->text, "%s:%u", ip, port);
	}
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
