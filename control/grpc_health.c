/* A few bytes of protobuf, written and read by hand. */
#include "control/grpc_health.h"

#include <stdbool.h>
#include <stdint.h>

#include "base/check.h"

#define PREFIX_BYTES 5u

/* Wire types of protobuf's fields. */
enum wire {
	WIRE_VARINT = 0,
	WIRE_FIXED64 = 1,
	WIRE_BYTES = 2,
	WIRE_FIXED32 = 5,
};

/* Field 1 of either message, with its wire type. */
#define SERVICE_TAG (1u << 3 | WIRE_BYTES)
#define STATUS_TAG  (1u << 3 | WIRE_VARINT)

static const char *const names[] = {
    [GRPC_HEALTH_UNKNOWN] = "UNKNOWN",
    [GRPC_HEALTH_SERVING] = "SERVING",
    [GRPC_HEALTH_NOT_SERVING] = "NOT_SERVING",
    [GRPC_HEALTH_SERVICE_UNKNOWN] = "SERVICE_UNKNOWN",
    [GRPC_HEALTH_MALFORMED] = "malformed answer",
};

const char *
grpc_health_name(enum grpc_health h)
{
	CHECK(h <= GRPC_HEALTH_MALFORMED);
	return names[h];
}

/* An empty name is the default, which is not written. */
size_t
grpc_health_ask(const char *service, char buf[GRPC_HEALTH_ASK_MAX])
{
	const size_t n = strlen(service);
	char *p = buf + PREFIX_BYTES;

	CHECK(n <= HEALTH_GRPC_SERVICE_MAX);
	if (n > 0) {
		*p++ = (char)SERVICE_TAG;
		if (n >= 0x80)
			*p++ = (char)(n | 0x80);
		*p++ = (char)(n >= 0x80 ? n >> 7 : n);
		p = span_put(p, (struct span){service, n});
	}
	memset(buf, 0, PREFIX_BYTES);
	buf[PREFIX_BYTES - 1] = (char)(p - buf - PREFIX_BYTES);
	return (size_t)(p - buf);
}

_Static_assert(
    HEALTH_GRPC_SERVICE_MAX + 3 < 256, "a length fits the prefix's last byte");

static bool
take_varint(struct span *in, uint64_t *value)
{
	*value = 0;
	for (unsigned shift = 0; shift < 64 && in->n > 0; shift += 7) {
		const unsigned char c = (unsigned char)*in->p;

		in->p++;
		in->n--;
		*value |= (uint64_t)(c & 0x7f) << shift;
		if ((c & 0x80) == 0)
			return true;
	}
	return false;
}

static bool
skip(struct span *in, uint64_t n)
{
	if (n > in->n)
		return false;
	in->p += n;
	in->n -= (size_t)n;
	return true;
}

/* What is in a field that is not ours. */
static bool
skip_field(struct span *in, unsigned wire)
{
	uint64_t n;

	switch (wire) {
	case WIRE_VARINT:
		return take_varint(in, &n);
	case WIRE_FIXED64:
		return skip(in, 8);
	case WIRE_BYTES:
		return take_varint(in, &n) && skip(in, n);
	case WIRE_FIXED32:
		return skip(in, 4);
	default:
		return false;
	}
}

/* Of a field that comes twice the last counts. */
static bool
read_status(struct span in, uint64_t *status)
{
	uint64_t tag;

	*status = GRPC_HEALTH_UNKNOWN;
	while (in.n > 0) {
		if (!take_varint(&in, &tag) || tag >> 3 == 0)
			return false;
		if (tag == STATUS_TAG ? !take_varint(&in, status)
				      : !skip_field(&in, tag & 7))
			return false;
	}
	return true;
}

/* We accept no encoding, so the message is not compressed. */
enum grpc_health
grpc_health_read(struct span body)
{
	uint64_t n = 0, status;

	if (body.n < PREFIX_BYTES || body.p[0] != 0)
		return GRPC_HEALTH_MALFORMED;
	for (size_t i = 1; i < PREFIX_BYTES; i++)
		n = n << 8 | (unsigned char)body.p[i];
	body.p += PREFIX_BYTES;
	body.n -= PREFIX_BYTES;
	if (n != body.n || !read_status(body, &status))
		return GRPC_HEALTH_MALFORMED;
	return status < GRPC_HEALTH_MALFORMED ? (enum grpc_health)status
					      : GRPC_HEALTH_UNKNOWN;
}
