/*
 * Any bytes as the answer to a health check in HTTP/1.1: what it comes to does
 * not depend on how it comes. And as the body of one of gRPC's.
 */
#include "control/check_codec.h"
#include "control/grpc_health.h"
#include "control/pod_check.h"
#include "proxy/fifo.h"
#include "router/match.h"
#include "tests/fuzz/fuzz.h"

static struct check_codec *
ask(struct terms *terms)
{
	struct address address;
	const struct check_wish wish = {.address = &address, .terms = terms};
	struct fifo out = {NULL};
	struct check_codec *c;

	CHECK(address_parse(SPAN("127.0.0.1:80"), &address));
	c = check_h1_new(&wish, &out);
	CHECK(c != NULL);
	fifo_free(&out);
	return c;
}

/* In pieces of so many bytes, up to the verdict. */
static enum check_read
answer(struct check_codec *c, struct span in, size_t step)
{
	enum check_read r = CHECK_READ_MORE;

	for (size_t at = 0; at < in.n && r == CHECK_READ_MORE; at += step) {
		const size_t n = step < in.n - at ? step : in.n - at;
		struct span piece = fuzz_copy(in.p + at, n);

		r = c->ops->read(c, piece, NULL);
		CHECK(c->nbody <= HEALTH_BODY_MAX && c->nbody <= c->seen);
		fuzz_free(piece);
	}
	CHECK(!c->lost);
	return r;
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	static struct terms terms;
	struct span in = fuzz_copy(bytes, n);
	char why[64];

	if (terms.health.path == NULL) {
		terms.health.path = strdup("/");
		terms.health.body =
		    pattern_new(PATTERN_REGEX, "x", why, sizeof why);
	}
	CHECK(grpc_health_read(in) <= GRPC_HEALTH_MALFORMED);
	for (int method = HEALTH_GET; method <= HEALTH_HEAD; method++) {
		struct check_codec *whole, *parts;
		enum check_read r;

		terms.health.method = (enum health_method)method;
		whole = ask(&terms);
		parts = ask(&terms);
		r = answer(whole, in, in.n + 1);
		CHECK(answer(parts, in, 1) == r);
		CHECK(parts->status == whole->status);
		if (r == CHECK_READ_DONE)
			CHECK(span_eq((struct span){parts->body, parts->nbody},
			    (struct span){whole->body, whole->nbody}));
		whole->ops->free(whole);
		parts->ops->free(parts);
	}
	fuzz_free(in);
	return 0;
}
