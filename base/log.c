/* Writing log lines to stderr. */
#include "base/log.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"

#define LOG_LINE_MAX 2048

static _Atomic int threshold = LOG_LEVEL_INFO;

static const char *const level_names[] = {
    [LOG_LEVEL_DEBUG] = "debug",
    [LOG_LEVEL_INFO] = "info",
    [LOG_LEVEL_WARN] = "warn",
    [LOG_LEVEL_ERROR] = "error",
};

void
log_set_level(enum log_level level)
{
	atomic_store_explicit(&threshold, (int)level, memory_order_relaxed);
}

bool
log_has_room(void)
{
	struct pollfd p = {.fd = STDERR_FILENO, .events = POLLOUT};

	return poll(&p, 1, 0) != 0;
}

/* A newline or control byte inside a message must not forge a second line. */
static void
blank_controls(char *p, const char *end)
{
	for (; p < end; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			*p = ' ';
}

__attribute__((format(printf, 2, 0))) static void
log_line(enum log_level level, const char *fmt, va_list args)
{
	int saved = errno;
	char line[LOG_LINE_MAX], when[32];
	int head, n;
	ssize_t ignored;

	if ((int)level < atomic_load_explicit(&threshold, memory_order_relaxed))
		return;
	clock_format(clock_wall_us(), when, sizeof when);
	head =
	    snprintf(line, sizeof line, "%s %-5s ", when, level_names[level]);
	n = vsnprintf(line + head, sizeof line - (size_t)head, fmt, args);
	if (n < 0)
		n = 0;
	n += head;
	if (n > LOG_LINE_MAX - 1)
		n = LOG_LINE_MAX - 1;
	blank_controls(line, line + n);
	line[n] = '\n';
	ignored = write(STDERR_FILENO, line, (size_t)n + 1);
	(void)ignored;
	errno = saved;
}

#define LOG_FUNCTION(name, level)           \
	void name(const char *fmt, ...)     \
	{                                   \
		va_list args;               \
                                            \
		va_start(args, fmt);        \
		log_line(level, fmt, args); \
		va_end(args);               \
	}

LOG_FUNCTION(log_debug, LOG_LEVEL_DEBUG)
LOG_FUNCTION(log_info, LOG_LEVEL_INFO)
LOG_FUNCTION(log_warn, LOG_LEVEL_WARN)
LOG_FUNCTION(log_error, LOG_LEVEL_ERROR)
