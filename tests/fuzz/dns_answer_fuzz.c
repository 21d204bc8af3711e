/*
 * Any bytes as the answer of a name server, for each type of record, and what
 * becomes of them as one of a name.
 */
#include "base/address.h"
#include "conf/settings.h"
#include "control/dns_answer.h"
#include "control/name.h"
#include "router/spec.h"
#include "tests/fuzz/fuzz.h"

static enum dns_outcome
read_copy_of(
    const uint8_t *in, size_t n, enum dns_type type, struct dns_answer *answer)
{
	struct span copy = fuzz_copy((const char *)in, n);
	enum dns_outcome outcome =
	    dns_answer_read((const uint8_t *)copy.p, n, type, answer);

	fuzz_free(copy);
	CHECK((outcome == DNS_OK) == (answer->n > 0));
	return outcome;
}

/* Every question is answered with the same bytes. */
static void
play(struct name *n, const uint8_t *in, size_t size)
{
	const struct address *list;
	const uint16_t *weights;
	struct name_question q;
	size_t count;

	CHECK(name_begin(n) == 0);
	while (name_next(n, &q)) {
		struct dns_answer answer;
		enum dns_outcome outcome =
		    read_copy_of(in, size, q.type, &answer);

		CHECK(strlen(q.host) < DNS_NAME_MAX);
		name_answer(n, q.number, outcome, &answer);
		dns_answer_clear(&answer);
	}
	name_end(n, 1, 0);
	count = name_addresses(n, &list, &weights);
	CHECK(count <= NAME_ADDRESSES_MAX);
	for (size_t i = 0; i < count; i++) {
		struct address again;

		CHECK(weights[i] >= 1 && weights[i] <= POD_WEIGHT_MAX);
		CHECK(address_parse(span_of(list[i].text), &again));
		CHECK(address_eq(&again, &list[i]));
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *in, size_t size)
{
	const struct resolver_settings settings = {
	    .max_ttl_ms = 1000, .backoff_ms = 1000, .max_backoff_ms = 1000};

	for (uint16_t port = 0; port <= 80; port += 80) {
		const struct pod_name as = {.text = (char *)"n",
		    .host = (char *)"n",
		    .port = port,
		    .weight = 1};
		struct name *n = name_new(&as, &settings);

		play(n, in, size);
		play(n, in, size / 2);
		play(n, in, size);
		name_free(n);
	}
	return 0;
}
