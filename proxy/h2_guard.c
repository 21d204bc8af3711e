/*
 * Frame headers against the states of their streams, and counters of what
 * costs a client less than us.
 */
#include "proxy/h2_guard.h"

#include <stdlib.h>

#include "base/check.h"

#define GUARD_MAGIC 0x48324744u

#define PREFACE_BYTES 24u /* RFC 9113 3.4 */
#define HEADER_BYTES  9u  /* RFC 9113 4.1 */
#define WINDOW_US     10000000u
/* WINDOW_UPDATE frames that nobody has to earn. */
#define FREE_UPDATES 1000u

/* Error codes of RFC 9113 7. */
enum code {
	PROTOCOL_ERROR = 0x1,
	STREAM_CLOSED = 0x5,
	ENHANCE_YOUR_CALM = 0xb,
};

/* RFC 9113 6; what is behind them are extensions. */
enum type {
	DATA,
	HEADERS,
	PRIORITY,
	RST_STREAM,
	SETTINGS,
	PUSH_PROMISE,
	PING,
	GOAWAY,
	WINDOW_UPDATE,
	CONTINUATION,
};

#define END_STREAM  0x01u
#define ACK	    0x01u
#define END_HEADERS 0x04u
#define PADDED	    0x08u

/*
 * A stream's number is odd and has 31 bits: that leaves the lowest and the
 * highest for where it stands. These are streams that are still open,
 */
#define NUMBER	     0x7ffffffeu
#define CLIENT_ENDED 0x00000001u /* RFC 9113 5.1: half-closed (remote) */
#define WE_ENDED     0x80000000u /* half-closed (local) */
/* and these are closed, with nothing set by END_STREAM of both sides */
#define CLIENT_RESET 0x00000001u
#define WE_RESET     0x80000000u /* before the client had ended it */

struct h2_guard {
	unsigned magic;
	uint32_t left;	    /* bytes of the preface or a payload to come */
	unsigned char have; /* bytes in header */
	unsigned char header[HEADER_BYTES + 1]; /* and a pad length */
	bool over;				/* a fault was found */
	uint32_t section; /* the stream whose field section goes on, or 0 */
	uint32_t continuations; /* of it */
	uint32_t highest;	/* stream that the client opened */
	/* of all streams that we reset and ended[] has lost, the highest */
	uint32_t forgotten;
	uint32_t nended; /* its remainder is the next place in ended[] */
	uint32_t room, nopen;
	uint64_t window_us; /* when the counters were zero */
	uint32_t counts[H2_FLOOD_COUNT];
	/* frames since the beginning */
	uint64_t updates, echoes, heads_sent, data_sent;
	uint32_t ended[H2_GUARD_ENDED];
	uint32_t open[];
};

struct frame {
	uint32_t length, stream;
	uint8_t type, flags;
	bool empty; /* nothing in it but padding */
};

const char *
h2_flood_name(enum h2_flood f)
{
	static const char *const names[] = {
#define X(id, name) [H2_FLOOD_##id] = name,
	    H2_FLOODS(X)
#undef X
		[H2_FLOOD_NONE] = "none",
	};

	CHECK(f <= H2_FLOOD_NONE);
	return names[f];
}

struct h2_guard *
h2_guard_new(uint32_t streams)
{
	struct h2_guard *g;

	g = calloc(1, sizeof *g + streams * sizeof g->open[0]);
	if (g == NULL)
		return NULL;
	g->magic = GUARD_MAGIC;
	g->left = PREFACE_BYTES;
	g->room = streams;
	return g;
}

void
h2_guard_free(struct h2_guard *g)
{
	if (g == NULL)
		return;
	CHECK_OBJ(g, GUARD_MAGIC);
	g->magic = 0;
	free(g);
}

static struct h2_fault
fine(void)
{
	return (struct h2_fault){.flood = H2_FLOOD_NONE};
}

static struct h2_fault
broken(enum code code, const char *why)
{
	return (struct h2_fault){code, H2_FLOOD_NONE, why};
}

static struct h2_fault
flooded(enum h2_flood f)
{
	static const char *const why[] = {
#define X(id, name) [H2_FLOOD_##id] = "too many " name,
	    H2_FLOODS(X)
#undef X
	};

	return (struct h2_fault){ENHANCE_YOUR_CALM, f, why[f]};
}

static struct h2_fault
count(struct h2_guard *g, enum h2_flood f, uint32_t limit)
{
	return ++g->counts[f] > limit ? flooded(f) : fine();
}

static uint32_t *
find(uint32_t *streams, uint32_t n, uint32_t stream)
{
	for (uint32_t i = 0; i < n; i++)
		if (((streams[i] ^ stream) & NUMBER) == 0)
			return &streams[i];
	return NULL;
}

static uint32_t *
find_open(struct h2_guard *g, uint32_t stream)
{
	return find(g->open, g->nopen, stream);
}

static uint32_t *
find_ended(struct h2_guard *g, uint32_t stream)
{
	uint32_t n = g->nended < H2_GUARD_ENDED ? g->nended : H2_GUARD_ENDED;

	return find(g->ended, n, stream);
}

/* The oldest of them makes room. */
static void
remember(struct h2_guard *g, uint32_t stream, uint32_t how)
{
	uint32_t *place = &g->ended[g->nended % H2_GUARD_ENDED];
	uint32_t lost = (*place & NUMBER) | 1u;

	if (g->nended >= H2_GUARD_ENDED && (*place & WE_RESET) != 0 &&
	    lost > g->forgotten)
		g->forgotten = lost;
	*place = (stream & NUMBER) | how;
	if (++g->nended == 2 * H2_GUARD_ENDED)
		g->nended = H2_GUARD_ENDED;
}

static void
close_stream(struct h2_guard *g, uint32_t *open, uint32_t how)
{
	uint32_t stream = *open;

	*open = g->open[--g->nopen];
	remember(g, stream, how);
}

static bool
is_idle(const struct h2_guard *g, uint32_t stream)
{
	return stream % 2 == 0 || stream > g->highest;
}

static struct h2_fault
open_stream(struct h2_guard *g, const struct frame *f)
{
	uint32_t ended = f->flags & END_STREAM ? CLIENT_ENDED : 0;

	if (f->stream % 2 == 0)
		return broken(PROTOCOL_ERROR, "even stream number");
	g->highest = f->stream;
	/* one too many: it will be refused */
	if (g->nopen == g->room)
		remember(g, f->stream, ended != 0 ? 0 : WE_RESET);
	else
		g->open[g->nopen++] = (f->stream & NUMBER) | ended;
	return fine();
}

/* The client's END_STREAM, on a stream that it has not ended before. */
static void
end_by_client(struct h2_guard *g, uint32_t *open)
{
	if (*open & WE_ENDED)
		close_stream(g, open, 0);
	else
		*open |= CLIENT_ENDED;
}

/*
 * HEADERS or DATA on a stream that is not idle. What was on its way when we
 * reset the stream is let through, nghttp2 drops it.
 */
static struct h2_fault
take_content(struct h2_guard *g, const struct frame *f)
{
	uint32_t *at = find_open(g, f->stream);

	if (at != NULL) {
		if (*at & CLIENT_ENDED)
			return broken(STREAM_CLOSED, "frame behind END_STREAM");
		if (f->flags & END_STREAM)
			end_by_client(g, at);
		return fine();
	}
	at = find_ended(g, f->stream);
	if (at != NULL) {
		if ((*at & WE_RESET) == 0)
			return broken(STREAM_CLOSED, "frame on closed stream");
		if (f->flags & END_STREAM)
			*at &= NUMBER;
		return fine();
	}
	if (f->stream <= g->forgotten)
		return fine();
	if (f->type == HEADERS)
		return broken(PROTOCOL_ERROR, "stream number not increasing");
	return broken(STREAM_CLOSED, "frame on closed stream");
}

static struct h2_fault
take_data(
    struct h2_guard *g, const struct http2_limits *l, const struct frame *f)
{
	struct h2_fault fault;

	if (is_idle(g, f->stream))
		return broken(PROTOCOL_ERROR, "DATA on idle stream");
	fault = take_content(g, f);
	if (fault.code == 0 && f->empty && (f->flags & END_STREAM) == 0)
		fault = count(g, H2_FLOOD_EMPTY_FRAMES, l->empty_frames);
	return fault;
}

/*
 * A field section that opens no stream. Where the stream is closed it is
 * decoded in vain: a client that did not know yet may send its trailers, once.
 */
static struct h2_fault
take_trailers(
    struct h2_guard *g, const struct http2_limits *l, const struct frame *f)
{
	bool open = find_open(g, f->stream) != NULL;
	struct h2_fault fault = take_content(g, f);

	if (open || fault.code != 0)
		return fault;
	if ((f->flags & END_STREAM) == 0)
		return broken(PROTOCOL_ERROR, "trailers without END_STREAM");
	if (find_ended(g, f->stream) == NULL)
		return count(g, H2_FLOOD_PRIORITIES, l->priorities);
	return fault;
}

/* Without END_HEADERS, CONTINUATION and nothing else must follow. */
static struct h2_fault
go_on(struct h2_guard *g, const struct http2_limits *l, const struct frame *f)
{
	g->section = f->flags & END_HEADERS ? 0 : f->stream;
	if (g->section != 0 && f->empty)
		return count(g, H2_FLOOD_EMPTY_FRAMES, l->empty_frames);
	return fine();
}

static struct h2_fault
take_headers(
    struct h2_guard *g, const struct http2_limits *l, const struct frame *f)
{
	struct h2_fault fault;

	if (is_idle(g, f->stream))
		fault = open_stream(g, f);
	else
		fault = take_trailers(g, l, f);
	g->continuations = 0;
	return fault.code != 0 ? fault : go_on(g, l, f);
}

static struct h2_fault
take_continuation(
    struct h2_guard *g, const struct http2_limits *l, const struct frame *f)
{
	if (g->section == 0)
		return broken(PROTOCOL_ERROR, "CONTINUATION of nothing");
	if (++g->continuations > l->continuations)
		return flooded(H2_FLOOD_CONTINUATIONS);
	return go_on(g, l, f);
}

/*
 * A reset of a closed stream does nothing. The first may have crossed our end
 * of the stream, or our reset (RFC 9113 5.1). Others answer frames that were
 * on their way to who had reset it, as Python's h2 sends them: as many as we
 * have sent are not counted as a flood.
 */
static struct h2_fault
take_echo(
    struct h2_guard *g, const struct http2_limits *l, const struct frame *f)
{
	uint32_t *at = find_ended(g, f->stream);

	if (at != NULL && (*at & CLIENT_RESET) == 0) {
		*at = (*at & NUMBER) | CLIENT_RESET;
		return fine();
	}
	if (g->echoes == g->heads_sent + g->data_sent)
		return count(g, H2_FLOOD_RESETS, l->resets);
	g->echoes++;
	return fine();
}

/* Only an answer that is not complete yet was worth anything to us. */
static struct h2_fault
take_reset(
    struct h2_guard *g, const struct http2_limits *l, const struct frame *f)
{
	uint32_t *at = find_open(g, f->stream);
	bool answered;

	if (is_idle(g, f->stream))
		return broken(PROTOCOL_ERROR, "RST_STREAM on idle stream");
	if (at == NULL)
		return take_echo(g, l, f);
	answered = *at & WE_ENDED;
	close_stream(g, at, CLIENT_RESET);
	return answered ? fine() : count(g, H2_FLOOD_RESETS, l->resets);
}

static struct h2_fault
take_update(
    struct h2_guard *g, const struct http2_limits *l, const struct frame *f)
{
	if (f->stream != 0 && is_idle(g, f->stream))
		return broken(PROTOCOL_ERROR, "WINDOW_UPDATE on idle stream");
	if (++g->updates > FREE_UPDATES + l->window_updates * g->data_sent)
		return flooded(H2_FLOOD_WINDOW_UPDATES);
	return fine();
}

static struct h2_fault
take_frame(
    struct h2_guard *g, const struct http2_limits *l, const struct frame *f)
{
	if (g->section != 0 &&
	    (f->type != CONTINUATION || f->stream != g->section))
		return broken(PROTOCOL_ERROR, "frame inside a field section");
	switch (f->type) {
	case DATA:
		return take_data(g, l, f);
	case HEADERS:
		return take_headers(g, l, f);
	case RST_STREAM:
		return take_reset(g, l, f);
	case SETTINGS:
		return f->flags & ACK
			   ? fine()
			   : count(g, H2_FLOOD_SETTINGS, l->settings);
	case PUSH_PROMISE:
		return broken(PROTOCOL_ERROR, "PUSH_PROMISE from a client");
	case PING:
		return f->flags & ACK ? fine()
				      : count(g, H2_FLOOD_PINGS, l->pings);
	case GOAWAY:
		return fine();
	case WINDOW_UPDATE:
		return take_update(g, l, f);
	case CONTINUATION:
		return take_continuation(g, l, f);
	default: /* PRIORITY, PRIORITY_UPDATE, and what we do not know */
		return count(g, H2_FLOOD_PRIORITIES, l->priorities);
	}
}

static uint32_t
frame_length(const struct h2_guard *g)
{
	return (uint32_t)g->header[0] << 16 | (uint32_t)g->header[1] << 8 |
	       g->header[2];
}

/* Whether the header is complete: with a pad length where that matters. */
static bool
has_header(const struct h2_guard *g)
{
	bool padded = g->header[3] == DATA && (g->header[4] & PADDED) != 0;

	if (g->have < HEADER_BYTES)
		return false;
	return g->have > HEADER_BYTES || !padded || frame_length(g) == 0;
}

static struct frame
read_frame(const struct h2_guard *g)
{
	const unsigned char *h = g->header;
	struct frame f = {
	    .length = frame_length(g),
	    .type = h[3],
	    .flags = h[4],
	    .stream = (uint32_t)(h[5] & 0x7f) << 24 | (uint32_t)h[6] << 16 |
		      (uint32_t)h[7] << 8 | h[8],
	};

	f.empty = f.length == 0;
	if (g->have > HEADER_BYTES)
		f.empty = f.length == 1u + h[HEADER_BYTES];
	return f;
}

static void
roll_window(struct h2_guard *g, uint64_t now_us)
{
	if (now_us - g->window_us < WINDOW_US)
		return;
	g->window_us = now_us;
	memset(g->counts, 0, sizeof g->counts);
}

size_t
h2_guard_scan(struct h2_guard *g, const struct http2_limits *limits,
    struct span in, uint64_t now_us, struct h2_fault *fault)
{
	size_t at = 0, begin = 0;

	CHECK_OBJ(g, GUARD_MAGIC);
	CHECK(!g->over);
	*fault = fine();
	roll_window(g, now_us);
	while (at < in.n) {
		size_t n = in.n - at < g->left ? in.n - at : g->left;
		struct frame f;

		if (n > 0) {
			g->left -= (uint32_t)n;
			at += n;
			continue;
		}
		if (g->have == 0)
			begin = at;
		g->header[g->have++] = (unsigned char)in.p[at++];
		if (!has_header(g))
			continue;
		f = read_frame(g);
		*fault = take_frame(g, limits, &f);
		if (fault->code != 0) {
			g->over = true;
			return begin;
		}
		g->left = f.length - (g->have - HEADER_BYTES);
		g->have = 0;
	}
	return at;
}

void
h2_guard_sent_end(struct h2_guard *g, uint32_t stream)
{
	uint32_t *at;

	CHECK_OBJ(g, GUARD_MAGIC);
	at = find_open(g, stream);
	if (at == NULL)
		return;
	if (*at & CLIENT_ENDED)
		close_stream(g, at, 0);
	else
		*at |= WE_ENDED;
}

void
h2_guard_sent_reset(struct h2_guard *g, uint32_t stream)
{
	uint32_t *at;

	CHECK_OBJ(g, GUARD_MAGIC);
	at = find_open(g, stream);
	if (at != NULL)
		close_stream(g, at, *at & CLIENT_ENDED ? 0 : WE_RESET);
}

void
h2_guard_sent_head(struct h2_guard *g)
{
	CHECK_OBJ(g, GUARD_MAGIC);
	g->heads_sent++;
}

void
h2_guard_sent_data(struct h2_guard *g)
{
	CHECK_OBJ(g, GUARD_MAGIC);
	g->data_sent++;
}
