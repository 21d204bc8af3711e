/*
 * What the access log says about one request: numbers and borrowed texts,
 * and how they lie in a ring on their way to the writer. Pure.
 */
#ifndef PROXY_ACCESS_ENTRY_H
#define PROXY_ACCESS_ENTRY_H

#include <stddef.h>
#include <stdint.h>

#include "base/span.h"

/* A moment that was not reached, logged as null. */
#define ACCESS_NONE UINT64_MAX

/* The texts, each with the most bytes of it that are kept. */
/* clang-format off */
#define ACCESS_TEXTS(X)         \
	X(CLIENT,     64)      \
	X(METHOD,     64)      \
	X(TARGET,     4096)    \
	X(HOST,       256)     \
	X(USER_AGENT, 1024)    \
	X(REFERER,    2048)    \
	X(SERVICE,    128)     \
	X(VERSION,    128)     \
	X(POD,        128)    \
	X(REASON,     128)
/* clang-format on */

enum access_text {
#define X(name, most) ACCESS_##name,
	ACCESS_TEXTS(X)
#undef X
	ACCESS_TEXT_COUNT
};

/* All texts of an entry together are at most this long. */
#define X(name, most) +most
enum {
	ACCESS_TEXT_BYTES = 0 ACCESS_TEXTS(X)
};
#undef X

/* What the client spoke. */
enum access_protocol {
	ACCESS_UNKNOWN,
	ACCESS_HTTP_1_0,
	ACCESS_HTTP_1_1,
	ACCESS_HTTP_2_0,
	ACCESS_PROTOCOL_COUNT
};

struct access_entry {
	uint64_t time_us; /* wall clock, when the request began */
	uint64_t request_bytes, response_bytes; /* of the bodies */
	/* durations in microseconds, or ACCESS_NONE */
	uint64_t queue_us;	/* the request's start to the last attempt */
	uint64_t connect_us;	/* of that attempt */
	uint64_t first_byte_us; /* the request's start to a response's head */
	uint64_t total_us;
	int32_t rule;	  /* index of the rule that matched, -1 none */
	int16_t status;	  /* 0 when nothing was answered */
	uint8_t protocol; /* enum access_protocol */
	int8_t chosen;	  /* enum choice_by, -1 when no version was chosen */
	uint32_t retries;
	/* by enum access_text; an empty one is logged as null */
	struct span text[ACCESS_TEXT_COUNT];
};

/* Bytes that the entry takes when packed, long texts cut. */
size_t access_entry_size(const struct access_entry *e);

/* Writes access_entry_size() bytes to buf. */
void access_entry_pack(const struct access_entry *e, char *buf);

/* The entry of a packed one; its texts point into it. */
void access_entry_unpack(struct span packed, struct access_entry *e);

#endif
