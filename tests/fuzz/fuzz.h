/* What every fuzzer here needs: its entry point, and spans that stay inside. */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include <stdint.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/span.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

/* A copy of exactly that size, so that the sanitizer sees every overread. */
static inline struct span
fuzz_copy(const void *bytes, size_t n)
{
	char *p = malloc(n > 0 ? n : 1);

	CHECK(p != NULL);
	if (n > 0)
		memcpy(p, bytes, n);
	return (struct span){p, n};
}

static inline void
fuzz_free(struct span s)
{
	free((char *)s.p);
}

/* `part` is absent or lies within `in`. */
static inline void
fuzz_within(struct span in, struct span part)
{
	if (part.p == NULL)
		return;
	CHECK(part.p >= in.p && part.p <= in.p + in.n);
	CHECK(part.n <= (size_t)(in.p + in.n - part.p));
}

#endif
