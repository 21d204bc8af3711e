/* Reading the PROXY protocol's header: text of version 1, binary of 2. */
#include "proxy/proxy_header.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <string.h>

/* A line of version 1, with its CRLF. */
#define LINE_MAX_BYTES 107u
/* Version 2 up to its addresses: signature, command, family, length. */
#define FIXED_BYTES 16u

#define SIGNATURE SPAN("\r\n\r\n\0\r\nQUIT\n")

enum {
	COMMAND_LOCAL = 0x20, /* version 2 is the high half */
	COMMAND_PROXY = 0x21,
};

/* Bytes of both addresses and ports, by the byte of family and transport. */
static const struct layout {
	uint8_t family_transport;
	int family;
	size_t ip; /* bytes of one address; 0 = not used */
	size_t size;
} layouts[] = {
    {0x00, AF_UNSPEC, 0, 0},
    {0x11, AF_INET, 4, 12},
    {0x12, AF_INET, 4, 12},
    {0x21, AF_INET6, 16, 36},
    {0x22, AF_INET6, 16, 36},
    {0x31, AF_UNIX, 0, 216},
    {0x32, AF_UNIX, 0, 216},
};

/* `ip` and `port` in network order, as the sender wrote them. */
static void
set_source(struct proxy_header *h, int family, const void *ip, in_port_t port)
{
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = port};
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = port};

	if (family == AF_INET) {
		memcpy(&in.sin_addr, ip, sizeof in.sin_addr);
		memcpy(&h->source, &in, sizeof in);
		return;
	}
	memcpy(&in6.sin6_addr, ip, sizeof in6.sin6_addr);
	if (IN6_IS_ADDR_V4MAPPED(&in6.sin6_addr))
		set_source(h, AF_INET, &in6.sin6_addr.s6_addr[12], port);
	else
		memcpy(&h->source, &in6, sizeof in6);
}

/* Version 1. */

/*
 * The length of the line without its CRLF; MORE when it goes on. Nothing
 * but printing characters may stand in it.
 */
static enum h1_result
find_line(struct span in, size_t *length)
{
	for (size_t i = 0; i < in.n && i < LINE_MAX_BYTES - 1; i++) {
		unsigned char c = (unsigned char)in.p[i];

		if (c == '\r') {
			*length = i;
			if (i + 1 == in.n)
				return H1_MORE;
			return in.p[i + 1] == '\n' ? H1_DONE : H1_BAD;
		}
		if (c < 0x20 || c > 0x7e)
			return H1_BAD;
	}
	return in.n < LINE_MAX_BYTES - 1 ? H1_MORE : H1_BAD;
}

/* The next word of the line, which ends where the line does if `last`. */
static bool
next_word(struct span *line, bool last, struct span *word)
{
	*word = span_cut(line, ' ');
	return word->n > 0 && last == (line->p == NULL);
}

static bool
read_ip(int family, struct span text, struct in6_addr *ip)
{
	char buf[INET6_ADDRSTRLEN];

	if (text.n >= sizeof buf)
		return false;
	memcpy(buf, text.p, text.n);
	buf[text.n] = '\0';
	return inet_pton(family, buf, ip) == 1;
}

static bool
read_port(struct span text, in_port_t *port)
{
	uint64_t n;

	if (!span_to_u64(text, &n) || n > UINT16_MAX ||
	    (text.n > 1 && text.p[0] == '0'))
		return false;
	*port = htons((uint16_t)n);
	return true;
}

/* "SOURCE DESTINATION PORT PORT"; what it says is taken when all is right. */
static bool
read_endpoints(struct span line, int family, struct proxy_header *h)
{
	struct in6_addr source, destination;
	in_port_t from, to;
	struct span word;

	if (!next_word(&line, false, &word) || !read_ip(family, word, &source))
		return false;
	if (!next_word(&line, false, &word) ||
	    !read_ip(family, word, &destination))
		return false;
	if (!next_word(&line, false, &word) || !read_port(word, &from))
		return false;
	if (!next_word(&line, true, &word) || !read_port(word, &to))
		return false;
	set_source(h, family, &source, from);
	return true;
}

static bool
read_line(struct span line, struct proxy_header *h)
{
	struct span word;

	span_cut(&line, ' '); /* "PROXY" */
	word = span_cut(&line, ' ');
	/* what follows is for people (2.1) */
	if (span_eq(word, SPAN("UNKNOWN")))
		return true;
	if (line.p == NULL)
		return false;
	if (span_eq(word, SPAN("TCP4")))
		return read_endpoints(line, AF_INET, h);
	return span_eq(word, SPAN("TCP6")) && read_endpoints(line, AF_INET6, h);
}

static enum h1_result
parse_text(struct span in, struct proxy_header *h)
{
	size_t length;
	enum h1_result result = find_line(in, &length);

	if (result != H1_DONE)
		return result;
	if (!read_line((struct span){in.p, length}, h))
		return H1_BAD;
	h->size = length + 2;
	return H1_DONE;
}

/* Version 2. */

static size_t
read_u16(const char *p)
{
	return (size_t)(unsigned char)p[0] << 8 | (unsigned char)p[1];
}

static const struct layout *
find_layout(unsigned char family_transport)
{
	for (size_t i = 0; i < sizeof layouts / sizeof layouts[0]; i++)
		if (layouts[i].family_transport == family_transport)
			return &layouts[i];
	return NULL;
}

/* Type, length, value, again and again, to the end of the header exactly. */
static bool
skip_values(struct span in)
{
	while (in.n > 0) {
		size_t n;

		if (in.n < 3)
			return false;
		n = 3 + read_u16(in.p + 1);
		if (n > in.n)
			return false;
		in.p += n;
		in.n -= n;
	}
	return true;
}

/* What follows the fixed part. */
static bool
read_block(const struct layout *l, struct span block, struct proxy_header *h)
{
	in_port_t port;

	/* whoever names no family may put anything here (2.2) */
	if (l->family == AF_UNSPEC)
		return true;
	if (block.n < l->size)
		return false;
	if (l->ip > 0) {
		memcpy(&port, block.p + 2 * l->ip, sizeof port);
		set_source(h, l->family, block.p, port);
	}
	return skip_values((struct span){block.p + l->size, block.n - l->size});
}

static enum h1_result
parse_binary(struct span in, struct proxy_header *h)
{
	size_t at = SIGNATURE.n;
	const struct layout *l;
	unsigned char command;
	struct span block;

	if (in.n <= at)
		return H1_MORE;
	command = (unsigned char)in.p[at++];
	if (command != COMMAND_LOCAL && command != COMMAND_PROXY)
		return H1_BAD;
	if (in.n <= at)
		return H1_MORE;
	l = find_layout((unsigned char)in.p[at++]);
	if (l == NULL && command == COMMAND_PROXY)
		return H1_BAD;
	if (in.n < FIXED_BYTES)
		return H1_MORE;
	block = (struct span){in.p + FIXED_BYTES, read_u16(in.p + at)};
	if (block.n > PROXY_HEADER_MAX - FIXED_BYTES)
		return H1_BAD;
	if (in.n - FIXED_BYTES < block.n)
		return H1_MORE;
	/* the balancer's own check, its block is of no use (2.2) */
	if (command == COMMAND_PROXY && !read_block(l, block, h))
		return H1_BAD;
	h->size = FIXED_BYTES + block.n;
	return H1_DONE;
}

/* DONE when it begins so, MORE when it may. */
static enum h1_result
begins_with(struct span in, struct span prefix)
{
	size_t n = in.n < prefix.n ? in.n : prefix.n;

	if (n > 0 && memcmp(in.p, prefix.p, n) != 0)
		return H1_BAD;
	return n == prefix.n ? H1_DONE : H1_MORE;
}

enum h1_result
proxy_header_parse(struct span in, struct proxy_header *h)
{
	enum h1_result text = begins_with(in, SPAN("PROXY "));
	enum h1_result binary = begins_with(in, SIGNATURE);

	memset(h, 0, sizeof *h);
	h->source.ss_family = AF_UNSPEC;
	if (text == H1_DONE)
		return parse_text(in, h);
	if (binary == H1_DONE)
		return parse_binary(in, h);
	return text == H1_MORE || binary == H1_MORE ? H1_MORE : H1_BAD;
}
