/* Any bytes as a parameter's name, a newline, and a query. */
#include "router/query.h"
#include "tests/fuzz/fuzz.h"

/* Each byte as %XX behind others: found, and itself again. */
static void
found_behind(struct span query, struct span name)
{
	static const char digits[] = "0123456789aBcDeF";
	size_t size = query.n + 6 * name.n + 2, used, n, found = 0;
	char *p = malloc(size), *out = malloc(name.n + 1);
	struct span rest, value, last = SPAN_NONE;

	CHECK(p != NULL && out != NULL);
	memcpy(p, query.p, query.n);
	used = query.n;
	p[used++] = '&';
	for (int part = 0; part < 2; part++) {
		for (size_t i = 0; i < name.n; i++) {
			unsigned char c = (unsigned char)name.p[i];

			p[used++] = '%';
			p[used++] = digits[c >> 4];
			p[used++] = digits[c & 15];
		}
		if (part == 0)
			p[used++] = '=';
	}
	CHECK(used == size);
	rest = (struct span){p, used};
	while (query_find(&rest, name, &value)) {
		fuzz_within((struct span){p, used}, value);
		last = value;
		found++;
	}
	CHECK(found > 0 && last.n == 3 * name.n);
	CHECK(query_decode(last, out, name.n + 1, &n));
	CHECK(span_eq((struct span){out, n}, name));
	free(out);
	free(p);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct span in = fuzz_copy(bytes, n), query = in, value;
	struct span name = span_cut(&query, '\n');
	char *out = malloc(n + 1);
	size_t decoded;

	CHECK(out != NULL);
	CHECK(query_decode(in, out, n, &decoded) && decoded <= n);
	CHECK(query_coded(in) || span_eq((struct span){out, decoded}, in));
	if (query.p != NULL)
		found_behind(query, name);
	while (query_find(&query, name, &value))
		fuzz_within(in, value);
	free(out);
	fuzz_free(in);
	return 0;
}
