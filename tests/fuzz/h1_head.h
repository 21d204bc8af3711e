/* What must hold for any head, request or response, that was parsed. */
#ifndef TESTS_FUZZ_H1_HEAD_H
#define TESTS_FUZZ_H1_HEAD_H

#include "proxy/h1_parse.h"
#include "tests/fuzz/fuzz.h"

#define FUZZ_FIELDS 16u
/* Longer inputs are cut: feeding byte by byte is quadratic. */
#define FUZZ_HEAD_MAX 512u

typedef enum h1_result fuzz_parse(struct span in, struct h1_head *h);

/* Spans inside the input, no control bytes in what is passed on. */
static inline void
fuzz_head_done(struct span in, const struct h1_head *h)
{
	CHECK(h->size > 0 && h->size <= in.n);
	CHECK(memcmp(in.p + h->size - 2, "\r\n", 2) == 0);
	CHECK(h->nfields <= h->max_fields);
	fuzz_within(in, h->method);
	fuzz_within(in, h->target);
	fuzz_within(in, h->reason);
	fuzz_within(in, h->host);
	for (unsigned i = 0; i < h->nfields; i++) {
		struct span value = h->fields[i].value;

		fuzz_within(in, h->fields[i].name);
		fuzz_within(in, value);
		CHECK(h->fields[i].name.n > 0);
		CHECK(memchr(value.p, '\r', value.n) == NULL);
		CHECK(memchr(value.p, '\n', value.n) == NULL);
		CHECK(memchr(value.p, '\0', value.n) == NULL);
	}
}

/*
 * The verdict on any prefix is MORE or the final one: a head that grows
 * never changes its meaning, and its end does not move.
 */
static inline void
fuzz_head(struct span in, fuzz_parse *parse)
{
	struct field all_fields[FUZZ_FIELDS], fields[FUZZ_FIELDS];
	struct h1_head all, h;
	enum h1_result whole, r = H1_MORE;

	h1_head_init(&all, all_fields, FUZZ_FIELDS);
	whole = parse(in, &all);
	if (whole == H1_DONE)
		fuzz_head_done(in, &all);
	if (whole == H1_BAD)
		CHECK(all.error != ERR_NONE);
	for (size_t n = 0; n < in.n && r == H1_MORE; n++) {
		struct span part = fuzz_copy(in.p, n);

		h1_head_init(&h, fields, FUZZ_FIELDS);
		r = parse(part, &h);
		if (r == H1_BAD)
			CHECK(whole == H1_BAD && h.error == all.error);
		if (r == H1_DONE)
			CHECK(whole == H1_DONE && h.size == all.size &&
			      h.body == all.body && h.length == all.length);
		fuzz_free(part);
	}
}

#endif
