/* Packing entries: the numbers, the lengths of the texts, the texts. */
#include "proxy/access_entry.h"

#include "base/check.h"

#define NUMBERS offsetof(struct access_entry, text)

static const uint16_t text_max[ACCESS_TEXT_COUNT] = {
#define X(name, most) [ACCESS_##name] = (most),
    ACCESS_TEXTS(X)
#undef X
};

struct lengths {
	uint16_t n[ACCESS_TEXT_COUNT];
};

static uint16_t
text_length(const struct access_entry *e, unsigned i)
{
	size_t n = e->text[i].n;

	return n < text_max[i] ? (uint16_t)n : text_max[i];
}

size_t
access_entry_size(const struct access_entry *e)
{
	size_t size = NUMBERS + sizeof(struct lengths);

	for (unsigned i = 0; i < ACCESS_TEXT_COUNT; i++)
		size += text_length(e, i);
	return size;
}

void
access_entry_pack(const struct access_entry *e, char *buf)
{
	struct lengths lengths;
	char *p = buf + NUMBERS + sizeof lengths;

	memcpy(buf, e, NUMBERS);
	for (unsigned i = 0; i < ACCESS_TEXT_COUNT; i++) {
		lengths.n[i] = text_length(e, i);
		if (lengths.n[i] > 0)
			memcpy(p, e->text[i].p, lengths.n[i]);
		p += lengths.n[i];
	}
	memcpy(buf + NUMBERS, &lengths, sizeof lengths);
}

void
access_entry_unpack(struct span packed, struct access_entry *e)
{
	const char *p = packed.p + NUMBERS + sizeof(struct lengths);
	struct lengths lengths;

	CHECK(packed.n >= NUMBERS + sizeof lengths);
	memcpy(e, packed.p, NUMBERS);
	memcpy(&lengths, packed.p + NUMBERS, sizeof lengths);
	for (unsigned i = 0; i < ACCESS_TEXT_COUNT; i++) {
		e->text[i] = (struct span){p, lengths.n[i]};
		p += lengths.n[i];
	}
	CHECK(p == packed.p + packed.n);
}
