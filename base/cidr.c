/* Reading, writing and searching blocks of IP addresses. */
#include "base/cidr.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "base/span.h"

static unsigned
family_bits(int family)
{
	return family == AF_INET ? 32 : 128;
}

/* Whether all bits after the first `bits` are 0. */
static bool
tail_clear(const struct cidr *c)
{
	for (unsigned i = c->bits; i < family_bits(c->family); i++)
		if (c->address[i / 8] & (0x80 >> (i % 8)))
			return false;
	return true;
}

bool
cidr_parse(const char *text, struct cidr *c)
{
	char ip[INET6_ADDRSTRLEN];
	const char *slash = strchrnul(text, '/');
	size_t n = (size_t)(slash - text);
	uint64_t bits;

	if (n >= sizeof ip)
		return false;
	memcpy(ip, text, n);
	ip[n] = '\0';
	*c = (struct cidr){
	    .family = strchr(ip, ':') != NULL ? AF_INET6 : AF_INET,
	};
	c->bits = family_bits(c->family);
	if (inet_pton(c->family, ip, c->address) != 1)
		return false;
	if (*slash == '\0')
		return true;
	if (!span_to_u64(span_of(slash + 1), &bits) || bits > c->bits)
		return false;
	c->bits = (unsigned)bits;
	return tail_clear(c);
}

bool
cidr_has(const struct cidr *c, int family, const uint8_t *address)
{
	unsigned whole = c->bits / 8, rest = c->bits % 8;
	uint8_t mask = (uint8_t)(0xff00u >> rest);

	return c->family == family && memcmp(c->address, address, whole) == 0 &&
	       (rest == 0 ||
		   ((c->address[whole] ^ address[whole]) & mask) == 0);
}

bool
cidr_any_has(
    const struct cidr *blocks, size_t n, int family, const uint8_t *address)
{
	for (size_t i = 0; i < n; i++)
		if (cidr_has(&blocks[i], family, address))
			return true;
	return false;
}

void
cidr_format(const struct cidr *c, char *buf)
{
	char ip[INET6_ADDRSTRLEN] = "";

	inet_ntop(c->family, c->address, ip, sizeof ip);
	if (c->bits == family_bits(c->family))
		snprintf(buf, CIDR_TEXT_MAX, "%s", ip);
	else
		snprintf(buf, CIDR_TEXT_MAX, "%s/%u", ip, c->bits);
}
