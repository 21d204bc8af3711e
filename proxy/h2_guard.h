/*
 * Watches the frames that a client sends before anybody acts on them: stream
 * numbers and states as RFC 9113 5.1 wants them, and floods of frames that
 * are each legal and together an attack. Pure: it reads frame headers only,
 * and time is an argument. One thread.
 */
#ifndef PROXY_H2_GUARD_H
#define PROXY_H2_GUARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/span.h"
#include "conf/settings.h"

/* What a peer can do too much of; the names are labels of a metric. */
/* clang-format off */
#define H2_FLOODS(X)                        \
	X(RESETS,         "resets")         \
	X(CONTINUATIONS,  "continuations")  \
	X(HEADERS,        "headers")        \
	X(SETTINGS,       "settings")       \
	X(PINGS,          "pings")          \
	X(EMPTY_FRAMES,   "empty_frames")   \
	X(PRIORITIES,     "priorities")     \
	X(WINDOW_UPDATES, "window_updates") \
	X(STALLS,         "stalls")
/* clang-format on */

enum h2_flood {
#define X(id, name) H2_FLOOD_##id,
	H2_FLOODS(X)
#undef X
	H2_FLOOD_COUNT,
	H2_FLOOD_NONE = H2_FLOOD_COUNT,
};

/* The metric label. */
const char *h2_flood_name(enum h2_flood f);

/* What is wrong with a frame; it ends the connection. */
struct h2_fault {
	uint32_t code;	     /* RFC 9113 7; 0 = nothing is wrong */
	enum h2_flood flood; /* H2_FLOOD_NONE: a broken rule, not a flood */
	const char *why;     /* static words for the log */
};

/* Streams that ended lately are told from those that never were. */
#define H2_GUARD_ENDED 32u

/* About 250 bytes, and four for each stream that may be open. */
struct h2_guard;

/*
 * For a connection whose settings allow `streams` open ones. The client's
 * preface is expected first. NULL without memory.
 */
struct h2_guard *h2_guard_new(uint32_t streams);
void h2_guard_free(struct h2_guard *g);

/*
 * Looks at the next bytes of the connection, in pieces of any size. Returns
 * how many of them may be acted on: all, or what is in front of the frame
 * that `fault` is about; then nothing more may be asked. The limits may
 * change from call to call.
 */
size_t h2_guard_scan(struct h2_guard *g, const struct http2_limits *limits,
    struct span in, uint64_t now_us, struct h2_fault *fault);

/* What we did, for the states of streams. */
void h2_guard_sent_end(struct h2_guard *g, uint32_t stream); /* END_STREAM */
void h2_guard_sent_reset(struct h2_guard *g, uint32_t stream);
/* a HEADERS or a DATA frame, for any stream */
void h2_guard_sent_head(struct h2_guard *g);
void h2_guard_sent_data(struct h2_guard *g);

#endif
