/*
 * What one thread counts: requests, failures by kind, statuses and latencies,
 * a score for each version and profile together. Its thread writes; others may
 * read the numbers at any time.
 */
#ifndef LOAD_BOARD_H
#define LOAD_BOARD_H

#include <stdatomic.h>
#include <stdint.h>

#include "base/span.h"
#include "load/histogram.h"

/* Versions of one run: that of no version, and when all are taken, others. */
#define BOARD_VERSIONS	 64u
#define BOARD_NAME_MAX	 64u
#define BOARD_NO_VERSION 0u
#define BOARD_NO_NAME	 "-"
#define BOARD_OTHERS	 "(others)"
#define BOARD_PROFILES	 64u
#define BOARD_STATUS_MIN 100
#define BOARD_STATUS_MAX 599

/* Why a request failed; the words are those of reports and metrics. */
/* clang-format off */
#define FAILURES(X)                                            \
	X(CONNECT,  "connect")	/* no connection */            \
	X(RESET,    "reset")	/* it ended without an answer */ \
	X(TIMEOUT,  "timeout")	/* no whole answer in time */  \
	X(STATUS,   "status")	/* a status that is not good */ \
	X(BODY,     "body")	/* not what --ok-when wants */ \
	X(TLS,      "tls")	/* no handshake */             \
	X(PROTOCOL, "protocol")	/* the answer is not HTTP */   \
	X(NOT_SENT, "not_sent")	/* all connections were busy */
/* clang-format on */

enum failure {
#define X(id, word) FAILURE_##id,
	FAILURES(X)
#undef X
	FAILURE_COUNT,
	FAILURE_NONE = FAILURE_COUNT
};

/* Of what the system says of a failure, its NUL included. */
#define REASON_MAX 96u

extern const char *const failure_words[FAILURE_COUNT];

struct score {
	_Atomic uint64_t requests;
	_Atomic uint64_t failures[FAILURE_COUNT];
	_Atomic uint64_t statuses[BOARD_STATUS_MAX - BOARD_STATUS_MIN + 1];
	struct histogram latency; /* of what was answered */
};

struct board {
	unsigned nprofiles;
	_Atomic unsigned nversions;
	char names[BOARD_VERSIONS][BOARD_NAME_MAX + 1];
	_Atomic(struct score *) scores[BOARD_VERSIONS][BOARD_PROFILES];
};

/* NULL without memory. It knows BOARD_NO_VERSION. */
struct board *board_new(unsigned nprofiles);
void board_free(struct board *b);

/* By its thread: the version of that name, met before or new. */
unsigned board_version(struct board *b, struct span name);

/* By its thread: NULL without memory. */
struct score *board_score(struct board *b, unsigned version, unsigned profile);

/* By any thread: NULL when nothing was counted there. */
const struct score *board_look(
    const struct board *b, unsigned version, unsigned profile);
unsigned board_versions(const struct board *b);

uint64_t score_failures(const struct score *s);
void score_merge(struct score *to, const struct score *from);

#endif
