/* Any bytes as the value of a sticky cookie, alone and in a Cookie field. */
#include "base/field.h"
#include "router/sticky.h"
#include "tests/fuzz/fuzz.h"

static struct sticky_key *key;
static const struct span service = SPAN("shop");

/* It is read only if writing what was read gives the same bytes. */
static void
judge(struct span text)
{
	struct sticky_mark m;
	char again[STICKY_TEXT_MAX];

	if (!sticky_read(key, service, text, &m))
		return;
	fuzz_within(text, m.version);
	CHECK(sticky_write(key, service, &m, again) == text.n);
	CHECK(memcmp(again, text.p, text.n) == 0);
}

/* As a mark: written, it can be read, but for no other service. */
static void
round_trip(struct span in)
{
	struct sticky_mark m = {.version = in}, found;
	char text[STICKY_TEXT_MAX];
	size_t n;

	for (size_t i = 0; i < in.n; i++) {
		m.epoch = m.epoch * 31 + (unsigned char)in.p[i];
		m.expires_s = m.expires_s * 257 + (unsigned char)in.p[i];
		m.pod = m.pod * 65537 + (unsigned char)in.p[i];
	}
	n = sticky_write(key, service, &m, text);
	CHECK((n > 0) == (in.n > 0 && in.n <= 63));
	if (n == 0)
		return;
	CHECK(sticky_read(key, service, (struct span){text, n}, &found));
	CHECK(span_eq(found.version, in) && found.epoch == m.epoch &&
	      found.expires_s == m.expires_s && found.pod == m.pod);
	CHECK(!sticky_read(key, SPAN("shop2"), (struct span){text, n}, &found));
	text[in.p[0] & 15] ^= 1;
	CHECK(!sticky_read(key, service, (struct span){text, n}, &found));
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct span in = fuzz_copy(bytes, n), value;

	if (key == NULL)
		key = sticky_key_new(SPAN("0123456789abcdef"));
	CHECK(key != NULL);
	judge(in);
	if (field_cookie(in, SPAN("shunt"), &value))
		judge(value);
	if (n == 0 || memchr(bytes, '\0', n) == NULL)
		round_trip(in);
	fuzz_free(in);
	return 0;
}
