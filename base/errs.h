/*
 * The error table: everything that can end a transaction or an attempt, and
 * for each its HTTP status, whether the attempt may be made again, whom the
 * counters blame, and the words for logs and clients. Pure.
 */
#ifndef BASE_ERRS_H
#define BASE_ERRS_H

#include <stdbool.h>

/* Values of the `reason` label of shunt_errors_total. */
enum reason {
	REASON_NONE, /* not the version's doing */
	REASON_STATUS,
	REASON_BODY,
	REASON_HEADER,
	REASON_CONNECT,
	REASON_TIMEOUT,
	REASON_RESET,
	REASON_NO_POD,
	REASON_CLIENT_ABORT,
	REASON_QUEUE_FULL,
	REASON_QUEUE_TIMEOUT,
	REASON_COUNT,
};

/* clang-format off */
/*    name               status retry  reason               words */
#define ERRORS(X)                                                            \
	X(NONE,               0, false, REASON_NONE,         "ok")                                    \
	X(LAST_HOP,         200, false, REASON_NONE,         "Max-Forwards ends here")                \
	X(USE_HTTPS,        301, false, REASON_NONE,         "redirected to https")                   \
	X(USE_HTTPS_ALIKE,  308, false, REASON_NONE,         "redirected to https, same method")      \
	X(REDIRECT_301,     301, false, REASON_NONE,         "redirected for good")             \
	X(REDIRECT_302,     302, false, REASON_NONE,         "redirected")                      \
	X(REDIRECT_303,     303, false, REASON_NONE,         "redirected, to be asked for with GET") \
	X(REDIRECT_307,     307, false, REASON_NONE,         "redirected, same method")         \
	X(REDIRECT_308,     308, false, REASON_NONE,         "redirected for good, same method") \
	X(BAD_REQUEST,      400, false, REASON_NONE,         "malformed request")                     \
	X(NO_ROUTE,         404, false, REASON_NONE,         "no service takes this request")         \
	X(HEADER_TIMEOUT,   408, false, REASON_NONE,         "request head took too long")            \
	X(BODY_TIMEOUT,     408, false, REASON_CLIENT_ABORT, "request body took too long")            \
	X(BODY_TOO_LARGE,   413, false, REASON_NONE,         "request body exceeds the limit")        \
	X(URI_TOO_LONG,     414, false, REASON_NONE,         "request target exceeds the limit")      \
	X(EXPECTATION,      417, false, REASON_NONE,         "expectation is not supported")          \
	X(HEAD_TOO_LARGE,   431, false, REASON_NONE,         "request head exceeds the limit")        \
	X(INTERNAL,         500, false, REASON_NONE,         "out of memory")                         \
	X(NOT_IMPLEMENTED,  501, false, REASON_NONE,         "not implemented")                       \
	X(NO_WEBSOCKET,     501, false, REASON_NONE,         "pod takes no WebSocket over HTTP/2")    \
	X(CONNECT_FAILED,   502, true,  REASON_CONNECT,      "pod did not accept the connection")     \
	X(POD_TLS,          502, true,  REASON_CONNECT,      "TLS with the pod failed")               \
	X(POD_RESET,        502, true,  REASON_RESET,        "pod closed the connection early")       \
	X(POD_STATUS,       502, true,  REASON_STATUS,       "pod answered that it failed")           \
	X(BAD_RESPONSE,     502, false, REASON_RESET,        "pod sent a malformed response")         \
	X(NO_POD,           503, false, REASON_NO_POD,       "no pod is ready")                       \
	X(QUEUE_FULL,       503, false, REASON_QUEUE_FULL,   "every pod is busy, the queue full")     \
	X(QUEUE_TIMEOUT,    503, false, REASON_QUEUE_TIMEOUT, "no pod had room in time")              \
	X(CLOSED,           503, false, REASON_NO_POD,       "no version takes requests")             \
	X(PARK_FULL,        503, false, REASON_QUEUE_FULL,   "too many requests are parked")          \
	X(PARK_TIMEOUT,     503, false, REASON_QUEUE_TIMEOUT, "parked for too long")                  \
	X(POD_REMOVED,      503, false, REASON_NONE,         "pod was taken away")                    \
	X(OVERLOADED,       503, false, REASON_NONE,         "connection limit reached")              \
	X(CLIENT_LIMIT,     503, false, REASON_NONE,         "too many connections from this address") \
	X(CONNECT_TIMEOUT,  504, true,  REASON_CONNECT,      "pod did not accept in time")            \
	X(RESPONSE_TIMEOUT, 504, true,  REASON_TIMEOUT,      "pod did not answer in time")            \
	X(VERSION,          505, false, REASON_NONE,         "HTTP version is not supported")         \
	X(CLIENT_ABORT,       0, false, REASON_CLIENT_ABORT, "client went away")                      \
	X(IDLE,               0, false, REASON_NONE,         "idle too long")                         \
	X(SHUTDOWN,           0, false, REASON_NONE,         "shutting down")
/* clang-format on */

enum err {
#define X(name, status, retry, reason, words) ERR_##name,
	ERRORS(X)
#undef X
	ERR_COUNT
};

/* 0 where no answer can or should be sent. */
int err_status(enum err e);
/* Whether the same request may be tried on another pod. */
bool err_may_retry(enum err e);
enum reason err_reason(enum err e);
/* For logs. */
const char *err_words(enum err e);
/* Status and words, a newline behind them: the body of our own answer. */
const char *err_line(enum err e);
/* The metric label; "" for REASON_NONE. */
const char *reason_name(enum reason r);

#endif
