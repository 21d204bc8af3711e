/* Watches what an HTTP/2 server sends: whole frames, in a legal order. */
#ifndef TESTS_FUZZ_H2_ANSWER_H
#define TESTS_FUZZ_H2_ANSWER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/check.h"
#include "base/span.h"

#define H2_ANSWER_HEADER  9u
#define H2_ANSWER_MAX	  16384u /* RFC 9113 4.2: nobody asked for more */
#define H2_ANSWER_STREAMS 256u	 /* that are watched */

struct h2_answer_seen {
	uint8_t header[H2_ANSWER_HEADER];
	unsigned have; /* bytes in header */
	uint32_t left; /* of a payload */
	uint64_t frames;
	uint32_t section;	      /* whose field section goes on, or 0 */
	bool over[H2_ANSWER_STREAMS]; /* END_STREAM or RST_STREAM was sent */
};

enum h2_answer_type {
	H2_ANSWER_DATA = 0,
	H2_ANSWER_HEADERS = 1,
	H2_ANSWER_RST_STREAM = 3,
	H2_ANSWER_SETTINGS = 4,
	H2_ANSWER_PING = 6,
	H2_ANSWER_GOAWAY = 7,
	H2_ANSWER_WINDOW_UPDATE = 8,
	H2_ANSWER_CONTINUATION = 9,
};

/* Nothing of a message behind its end (RFC 9113 5.1). */
static inline void
h2_answer_stream(struct h2_answer_seen *s, unsigned type, bool end, uint32_t id)
{
	bool message = type == H2_ANSWER_DATA || type == H2_ANSWER_HEADERS;

	CHECK(id % 2 == 1);
	if (id >= H2_ANSWER_STREAMS)
		return;
	CHECK(!message || !s->over[id]);
	if (type == H2_ANSWER_RST_STREAM || (message && end))
		s->over[id] = true;
}

/* Its kind, its length, and where it may stand (RFC 9113 6). */
static inline void
h2_answer_frame(struct h2_answer_seen *s)
{
	const uint8_t *h = s->header;
	uint32_t n = (uint32_t)h[0] << 16 | (uint32_t)h[1] << 8 | h[2];
	uint32_t id = (uint32_t)h[5] << 24 | (uint32_t)h[6] << 16 |
		      (uint32_t)h[7] << 8 | h[8];
	bool section =
	    h[3] == H2_ANSWER_HEADERS || h[3] == H2_ANSWER_CONTINUATION;

	CHECK(n <= H2_ANSWER_MAX);
	CHECK(s->frames++ > 0 || h[3] == H2_ANSWER_SETTINGS);
	CHECK((h[3] == H2_ANSWER_CONTINUATION) == (s->section != 0));
	CHECK(s->section == 0 || s->section == id);
	s->section = section && (h[4] & 0x4) == 0 ? id : 0;
	s->left = n;
	switch (h[3]) {
	case H2_ANSWER_SETTINGS:
		CHECK(id == 0 && n % 6 == 0 && ((h[4] & 1) == 0 || n == 0));
		return;
	case H2_ANSWER_PING:
		CHECK(id == 0 && n == 8);
		return;
	case H2_ANSWER_GOAWAY:
		CHECK(id == 0 && n >= 8);
		return;
	case H2_ANSWER_WINDOW_UPDATE:
		CHECK(n == 4);
		return;
	case H2_ANSWER_RST_STREAM:
		CHECK(n == 4);
		break;
	case H2_ANSWER_DATA:
	case H2_ANSWER_HEADERS:
	case H2_ANSWER_CONTINUATION:
		break;
	default:
		WRONG("a frame that we have no use for");
	}
	h2_answer_stream(s, h[3], h[4] & 1, id);
}

static inline void
h2_answer_read(struct h2_answer_seen *s, struct span in)
{
	size_t n;

	while (in.n > 0) {
		n = in.n < s->left ? in.n : s->left;
		s->left -= (uint32_t)n;
		if (n == 0) {
			n = 1;
			s->header[s->have++] = (uint8_t)in.p[0];
			if (s->have == H2_ANSWER_HEADER) {
				s->have = 0;
				h2_answer_frame(s);
			}
		}
		in.p += n;
		in.n -= n;
	}
}

/* Not in the middle of a frame. */
static inline bool
h2_answer_whole(const struct h2_answer_seen *s)
{
	return s->have == 0 && s->left == 0;
}

#endif
