/*
 * Any bytes as what a client sends: whole and in pieces the verdict is the
 * same. Between frames, as the bytes say, we answer and reset streams.
 *
 * The first byte is the size of pieces. Frames begin with a byte that says
 * what we do before them and three for type, flags and stream; so that
 * streams meet, their numbers are small. Then comes a length, and payload.
 */
#include "proxy/h2_guard.h"
#include "tests/fuzz/fuzz.h"

#define STREAMS	    4u
#define PREFACE	    24u
#define HEADER	    9u
#define DESCRIBED   5u
#define SECOND_US   1000000u
#define PAYLOAD_MAX 15u

static const struct http2_limits limits = {
    .streams = STREAMS,
    .continuations = 4,
    .resets = 8,
    .settings = 8,
    .pings = 8,
    .empty_frames = 8,
    .priorities = 8,
    .window_updates = 1,
};

struct watch {
	struct h2_guard *guard;
	uint64_t now_us;
	size_t step;
	size_t fed, consumed;
	struct h2_fault fault;
};

static void
feed(struct watch *w, const uint8_t *bytes, size_t n)
{
	size_t at = 0;

	while (at < n && w->fault.code == 0) {
		size_t size = n - at < w->step ? n - at : w->step;
		struct span piece = fuzz_copy(bytes + at, size);
		size_t took = h2_guard_scan(
		    w->guard, &limits, piece, w->now_us, &w->fault);

		CHECK(took <= size);
		CHECK(took == size || w->fault.code != 0);
		CHECK((w->fault.why != NULL) == (w->fault.code != 0));
		CHECK((w->fault.flood == H2_FLOOD_NONE) ==
		      (w->fault.code != 0xb));
		w->consumed += took;
		w->fed += size;
		at += size;
		fuzz_free(piece);
	}
}

/* What we do, and how time passes. */
static void
act(struct watch *w, uint8_t what)
{
	uint32_t stream = (uint32_t)(what >> 3) | 1u;

	switch (what & 7) {
	case 1:
		h2_guard_sent_end(w->guard, stream);
		break;
	case 2:
		h2_guard_sent_reset(w->guard, stream);
		break;
	case 3:
		h2_guard_sent_data(w->guard);
		break;
	case 4:
		w->now_us += SECOND_US * (what >> 3);
		break;
	case 5:
		h2_guard_sent_head(w->guard);
		break;
	default:
		break;
	}
}

/* The bytes on the wire of a frame that `d` describes. */
static size_t
compose(uint8_t *frame, const uint8_t *d, const uint8_t *payload, size_t n)
{
	memset(frame, 0, HEADER);
	frame[2] = (uint8_t)n;
	frame[3] = d[1] % 16; /* types, with some unknown */
	frame[4] = d[2];
	frame[8] = d[3] & 0x3f;
	memcpy(frame + HEADER, payload, n);
	return HEADER + n;
}

static struct watch
run(const uint8_t *bytes, size_t n, size_t step)
{
	static const uint8_t preface[PREFACE];
	struct watch w = {
	    .guard = h2_guard_new(STREAMS),
	    .now_us = SECOND_US,
	    .step = step,
	};
	uint8_t frame[HEADER + PAYLOAD_MAX];

	CHECK(w.guard != NULL);
	feed(&w, preface, sizeof preface);
	while (n >= DESCRIBED && w.fault.code == 0) {
		size_t size = bytes[4] & PAYLOAD_MAX;

		if (size > n - DESCRIBED)
			size = n - DESCRIBED;
		act(&w, bytes[0]);
		feed(&w, frame, compose(frame, bytes, bytes + DESCRIBED, size));
		bytes += DESCRIBED + size;
		n -= DESCRIBED + size;
	}
	h2_guard_free(w.guard);
	return w;
}

/* The bytes as they are. */
static struct watch
run_raw(const uint8_t *bytes, size_t n, size_t step)
{
	struct watch w = {.guard = h2_guard_new(STREAMS), .step = step};

	CHECK(w.guard != NULL);
	feed(&w, bytes, n);
	h2_guard_free(w.guard);
	return w;
}

static void
agree(const struct watch *whole, const struct watch *parts)
{
	CHECK(whole->fault.code == parts->fault.code);
	CHECK(whole->fault.flood == parts->fault.flood);
	CHECK(whole->fault.why == parts->fault.why);
	/* in pieces, part of the frame's header may have passed */
	CHECK(parts->consumed >= whole->consumed);
	CHECK(parts->consumed <= whole->consumed + HEADER);
	CHECK(whole->fault.code != 0 || parts->consumed == whole->consumed);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct watch whole, parts;
	size_t step;

	if (n < 2)
		return 0;
	step = 1 + bytes[0] % 16;
	whole = run(bytes + 1, n - 1, n + HEADER + PREFACE);
	parts = run(bytes + 1, n - 1, step);
	agree(&whole, &parts);
	whole = run_raw(bytes + 1, n - 1, n);
	parts = run_raw(bytes + 1, n - 1, step);
	agree(&whole, &parts);
	return 0;
}
