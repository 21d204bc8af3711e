/* Finding the key of a request, and hashing bytes. */
#include "router/hash_key.h"

#include "base/check.h"
#include "base/field.h"
#include "router/match.h"

/* Little-endian everywhere; compilers make one load of it. */
static uint64_t
load(const char *p, size_t n)
{
	uint64_t value = 0;

	for (size_t i = 0; i < n; i++)
		value |= (uint64_t)(unsigned char)p[i] << 8 * i;
	return value;
}

uint64_t
hash_bytes(struct span s, uint64_t seed)
{
	uint64_t h = hash_mix(seed + s.n);

	for (; s.n >= 8; s.p += 8, s.n -= 8)
		h = hash_mix(h ^ load(s.p, 8));
	if (s.n > 0)
		h = hash_mix(h ^ load(s.p, s.n));
	return h != 0 ? h : 1;
}

static struct span
find_header(const struct request *r, struct span name)
{
	for (unsigned i = 0; i < r->nfields; i++)
		if (span_eq_nocase(r->fields[i].name, name))
			return r->fields[i].value;
	return SPAN_NONE;
}

/* HTTP/2 may send each cookie in a field of its own: RFC 9113 8.2.3 */
static struct span
find_cookie(const struct request *r, struct span name)
{
	struct span value;

	for (unsigned i = 0; i < r->nfields; i++) {
		const struct field *f = &r->fields[i];

		if (f->id == FIELD_COOKIE &&
		    field_cookie(f->value, name, &value))
			return value;
	}
	return SPAN_NONE;
}

uint64_t
hash_key_seeded(const struct hash_key *k, const struct request *r,
    struct span client, uint64_t seed)
{
	struct span value = SPAN_NONE;

	switch (k->on) {
	case HASH_ON_NOTHING:
		break;
	case HASH_ON_CLIENT:
		value = client;
		break;
	case HASH_ON_URI:
		return hash_bytes(r->query, hash_bytes(r->path, seed));
	case HASH_ON_HEADER:
		value = find_header(r, span_of(k->name));
		break;
	case HASH_ON_COOKIE:
		value = find_cookie(r, span_of(k->name));
		break;
	}
	return value.n > 0 ? hash_bytes(value, seed) : 0;
}

uint64_t
hash_key_of(
    const struct hash_key *k, const struct request *r, struct span client)
{
	return hash_key_seeded(k, r, client, k->on);
}
