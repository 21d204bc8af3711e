/* Any bytes as a response head, to HEAD and to anything else. */
#include "tests/fuzz/h1_head.h"

static enum h1_result
parse_get(struct span in, struct h1_head *h)
{
	enum h1_result r = h1_parse_response(in, false, h);

	if (r == H1_DONE)
		CHECK(h->status >= 100 && h->status <= 999);
	return r;
}

static enum h1_result
parse_head(struct span in, struct h1_head *h)
{
	enum h1_result r = h1_parse_response(in, true, h);

	if (r == H1_DONE)
		CHECK(h->body == H1_BODY_NONE);
	return r;
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct span in =
	    fuzz_copy(bytes, n < FUZZ_HEAD_MAX ? n : FUZZ_HEAD_MAX);

	fuzz_head(in, parse_get);
	fuzz_head(in, parse_head);
	fuzz_free(in);
	return 0;
}
