/* What all clients have in common, whatever protocol they speak. */
#include "proxy/client.h"

#include <arpa/inet.h>
#include <string.h>

static char *
put_byte(char *p, uint8_t n)
{
	if (n >= 100)
		*p++ = (char)('0' + n / 100);
	if (n >= 10)
		*p++ = (char)('0' + n / 10 % 10);
	*p++ = (char)('0' + n % 10);
	return p;
}

/* Done for every request: inet_ntop() would cost more than all the parsing. */
struct span
client_ip(const struct client *c, char *buf)
{
	char *p = buf;

	if (c->family != AF_INET) {
		inet_ntop(AF_INET6, c->address, buf, INET6_ADDRSTRLEN);
		return span_of(buf);
	}
	for (int i = 0; i < 4; i++) {
		if (i > 0)
			*p++ = '.';
		p = put_byte(p, c->address[i]);
	}
	return (struct span){buf, (size_t)(p - buf)};
}
