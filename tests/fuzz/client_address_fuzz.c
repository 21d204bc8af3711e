/* Any bytes as X-Forwarded-For, line by line a field, from a trusted peer. */
#include <arpa/inet.h>

#include "proxy/client_address.h"
#include "tests/fuzz/fuzz.h"

#define FIELDS_MAX 8u

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct span in = fuzz_copy(bytes, n), rest = in;
	struct cidr trusted = {AF_INET, {10}, 8};
	struct forward f = {.trusted = &trusted, .ntrusted = 1};
	struct field fields[FIELDS_MAX];
	struct request r = {.fields = fields};
	const uint8_t inside[4] = {10, 1}, outside[4] = {11, 1};
	uint8_t address[16];
	int family;

	while (rest.p != NULL && r.nfields < FIELDS_MAX)
		fields[r.nfields++] = (struct field){SPAN("X-Forwarded-For"),
		    span_cut(&rest, '\n'), FIELD_X_FORWARDED_FOR};
	client_address_find(&r, &f, AF_INET, inside);
	CHECK(r.family == AF_INET || r.family == AF_INET6);
	client_address_find(&r, &f, AF_INET, outside);
	CHECK(r.family == AF_INET && memcmp(r.client, outside, 4) == 0);
	if (client_address_parse(in, &family, address)) {
		char text[INET6_ADDRSTRLEN];

		/* What was read is read again as the same. */
		CHECK(inet_ntop(family, address, text, sizeof text) != NULL);
		CHECK(client_address_parse(span_of(text), &r.family, r.client));
		CHECK(
		    r.family == family &&
		    memcmp(r.client, address, family == AF_INET ? 4 : 16) == 0);
	}
	fuzz_free(in);
	return 0;
}
