/* Any bytes as a request head. */
#include "tests/fuzz/h1_head.h"

/* A valid Host, and a framing that only one reading fits. */
static enum h1_result
parse(struct span in, struct h1_head *h)
{
	enum h1_result r = h1_parse_request(in, h);
	unsigned lengths = 0, codings = 0, hosts = 0;

	if (r != H1_DONE)
		return r;
	for (unsigned i = 0; i < h->nfields; i++) {
		lengths += h->fields[i].id == FIELD_CONTENT_LENGTH;
		codings += h->fields[i].id == FIELD_TRANSFER_ENCODING;
		hosts += h->fields[i].id == FIELD_HOST;
	}
	CHECK(lengths + codings <= 1);
	CHECK(hosts == 1 || (hosts == 0 && h->minor == 0));
	CHECK(h->body != H1_BODY_CLOSE);
	CHECK((h->body == H1_BODY_CHUNKED) == (codings == 1));
	CHECK(h->method.n > 0 && h->target.n > 0);
	return r;
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct span in =
	    fuzz_copy(bytes, n < FUZZ_HEAD_MAX ? n : FUZZ_HEAD_MAX);

	fuzz_head(in, parse);
	fuzz_free(in);
	return 0;
}
