/*
 * The demo app: a small HTTP server that says which version it is and can be
 * told to warm up, to be slow and to fail for some clients.
 */
#ifndef BENCH_APP_H
#define BENCH_APP_H

#include <stdint.h>

struct app_options {
	const char *version; /* letters, digits, "._-" */
	const char *address;
	uint64_t port;		/* 0 = any free one */
	uint64_t warmup_ms;	/* not ready so long after the start */
	uint64_t delay_ms;	/* before each answer */
	const char *fail_agent; /* in the User-Agent of who gets failures */
	uint64_t fail_rate;	/* how often, in 1/OPT_DECIMALS per cent */
	uint64_t fail_status;	/* the HTTP status of a failure */
	uint64_t seed;		/* of the failures; equal seeds fail alike */
};

/*
 * Serves until SIGTERM or SIGINT, then answers what is in flight; prints
 * "listening on ADDRESS:PORT" on stdout when it accepts. 0, or 1 with the
 * reason on stderr.
 */
int app_run(const struct app_options *options);

#endif
