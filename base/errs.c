/* The error table's rows. */
#include "base/errs.h"

#include "base/check.h"

static const struct {
	int status;
	bool retry;
	enum reason reason;
	const char *words, *line;
} rows[] = {
#define X(name, status, retry, reason, words) \
	[ERR_##name] = {status, retry, reason, words, #status " " words "\n"},
    ERRORS(X)
#undef X
};

static const char *const reason_names[REASON_COUNT] = {
    [REASON_NONE] = "",
    [REASON_STATUS] = "status",
    [REASON_BODY] = "body",
    [REASON_HEADER] = "header",
    [REASON_CONNECT] = "connect",
    [REASON_TIMEOUT] = "timeout",
    [REASON_RESET] = "reset",
    [REASON_NO_POD] = "no_pod",
    [REASON_CLIENT_ABORT] = "client_abort",
    [REASON_QUEUE_FULL] = "queue_full",
    [REASON_QUEUE_TIMEOUT] = "queue_timeout",
};

int
err_status(enum err e)
{
	CHECK(e < ERR_COUNT);
	return rows[e].status;
}

bool
err_may_retry(enum err e)
{
	CHECK(e < ERR_COUNT);
	return rows[e].retry;
}

enum reason
err_reason(enum err e)
{
	CHECK(e < ERR_COUNT);
	return rows[e].reason;
}

const char *
err_words(enum err e)
{
	CHECK(e < ERR_COUNT);
	return rows[e].words;
}

const char *
err_line(enum err e)
{
	CHECK(e < ERR_COUNT);
	return rows[e].line;
}

const char *
reason_name(enum reason r)
{
	CHECK(r < REASON_COUNT);
	return reason_names[r];
}
