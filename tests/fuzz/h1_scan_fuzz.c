/* Any bytes, from any place in them: the fast scan and the plain one agree. */
#include "tests/fuzz/fuzz.h"
#include "tests/unit/proxy/h1_scan_ref.h"

/* Longer inputs are cut: looking from every place is quadratic. */
#define FUZZ_SCAN_MAX 256u

static void
from_everywhere(struct span in, const struct ref_kind *k)
{
	const char *end = in.p + in.n;

	for (const char *p = in.p; p <= end; p++)
		CHECK(k->scan(p, end) == ref_scan(k, p, end));
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct span in =
	    fuzz_copy(bytes, n < FUZZ_SCAN_MAX ? n : FUZZ_SCAN_MAX);

	for (size_t i = 0; i < REF_KINDS; i++)
		from_everywhere(in, &ref_kinds[i]);
	fuzz_free(in);
	return 0;
}
