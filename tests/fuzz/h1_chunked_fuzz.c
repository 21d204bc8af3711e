/* Any bytes as a chunked body: whole, and in pieces of one size. */
#include "proxy/h1_parse.h"
#include "tests/fuzz/fuzz.h"

struct read_body {
	enum h1_result result;
	size_t consumed;
	size_t size;
	uint32_t sum; /* of the data, in order */
};

static void
read_piece(struct h1_chunks *c, struct span piece, struct read_body *b)
{
	struct span in = piece, data;

	for (;;) {
		size_t before = in.n;

		b->result = h1_parse_chunked(c, &in, &data);
		CHECK(in.n <= before && in.p + in.n == piece.p + piece.n);
		if (b->result != H1_DONE || data.n == 0)
			break;
		CHECK(in.n < before);
		fuzz_within(piece, data);
		b->size += data.n;
		for (size_t i = 0; i < data.n; i++)
			b->sum = b->sum * 31 + (unsigned char)data.p[i];
	}
	if (b->result == H1_MORE)
		CHECK(in.n == 0);
	b->consumed += piece.n - in.n;
}

static struct read_body
read_all(const uint8_t *bytes, size_t n, size_t step)
{
	struct read_body b = {.result = H1_MORE};
	struct h1_chunks c = {0};

	for (size_t at = 0; at < n && b.result == H1_MORE; at += step) {
		struct span piece =
		    fuzz_copy(bytes + at, n - at < step ? n - at : step);

		read_piece(&c, piece, &b);
		fuzz_free(piece);
	}
	return b;
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct read_body whole, parts;
	size_t step;

	if (n < 2)
		return 0;
	step = 1 + bytes[0] % 16;
	whole = read_all(bytes + 1, n - 1, n - 1);
	parts = read_all(bytes + 1, n - 1, step);
	CHECK(whole.result == parts.result);
	CHECK(whole.consumed == parts.consumed);
	CHECK(whole.size == parts.size && whole.sum == parts.sum);
	CHECK(whole.size <= whole.consumed);
	return 0;
}
