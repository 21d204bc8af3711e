/*
 * Any bytes as a PROXY header: whole, and cut at every place. What it says
 * of the client, written as text, is read as the same again.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>

#include "proxy/proxy_header.h"
#include "tests/fuzz/fuzz.h"

/* Beyond so many bytes only some cuts are tried. */
#define CUTS_ALL 300u

static enum h1_result
parse(struct span in, size_t n, struct proxy_header *h)
{
	struct span piece = fuzz_copy(in.p, n);
	enum h1_result result = proxy_header_parse(piece, h);

	fuzz_free(piece);
	return result;
}

static void
check_source(const struct proxy_header *h)
{
	struct sockaddr_in6 in6;

	if (h->source.ss_family != AF_INET6) {
		CHECK(h->source.ss_family == AF_INET ||
		      h->source.ss_family == AF_UNSPEC);
		return;
	}
	memcpy(&in6, &h->source, sizeof in6);
	CHECK(!IN6_IS_ADDR_V4MAPPED(&in6.sin6_addr));
}

static void
check_text(const struct proxy_header *h)
{
	const struct sockaddr_in *in = (const struct sockaddr_in *)&h->source;
	const struct sockaddr_in6 *in6 =
	    (const struct sockaddr_in6 *)&h->source;
	char ip[INET6_ADDRSTRLEN], text[128];
	bool v6 = h->source.ss_family == AF_INET6;
	struct proxy_header again;
	int n;

	if (h->source.ss_family == AF_UNSPEC)
		return;
	CHECK(inet_ntop(h->source.ss_family,
		  v6 ? (const void *)&in6->sin6_addr
		     : (const void *)&in->sin_addr,
		  ip, sizeof ip) != NULL);
	n = snprintf(text, sizeof text, "PROXY TCP%d %s %s %u 1\r\n",
	    v6 ? 6 : 4, ip, ip, ntohs(v6 ? in6->sin6_port : in->sin_port));
	CHECK(n > 0 && (size_t)n < sizeof text);
	CHECK(proxy_header_parse((struct span){text, (size_t)n}, &again) ==
	      H1_DONE);
	CHECK(again.size == (size_t)n);
	CHECK(memcmp(&again.source, &h->source, sizeof again.source) == 0);
}

/* MORE up to one place, from there on the verdict of the whole. */
static void
check_cuts(struct span in, enum h1_result whole, const struct proxy_header *h)
{
	size_t step = 1 + in.n / CUTS_ALL;
	bool decided = false;

	for (size_t n = 0; n <= in.n; n += n < CUTS_ALL ? 1 : step) {
		struct proxy_header part;
		enum h1_result result = parse(in, n, &part);

		CHECK(result == whole || (result == H1_MORE && !decided));
		decided = result != H1_MORE;
		if (result != H1_DONE)
			continue;
		CHECK(n >= part.size && part.size == h->size);
		CHECK(
		    memcmp(&part.source, &h->source, sizeof part.source) == 0);
	}
	if (whole == H1_DONE)
		CHECK(parse(in, h->size - 1, &(struct proxy_header){0}) ==
		      H1_MORE);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct span in = fuzz_copy(bytes, n);
	struct proxy_header h;
	enum h1_result result = proxy_header_parse(in, &h);

	if (result == H1_MORE)
		CHECK(n < PROXY_HEADER_MAX);
	if (result == H1_DONE) {
		CHECK(h.size > 0 && h.size <= n && h.size <= PROXY_HEADER_MAX);
		check_source(&h);
		check_text(&h);
	}
	check_cuts(in, result, &h);
	fuzz_free(in);
	return 0;
}
