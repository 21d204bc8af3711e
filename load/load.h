/*
 * The load tester: what a run is to do, as its command line says it, and the
 * run itself.
 */
#ifndef LOAD_LOAD_H
#define LOAD_LOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Where nothing is said. */
#define LOAD_RATE	 "100"
#define LOAD_DURATION_MS 10000u
#define LOAD_CONNECTIONS 100u
#define LOAD_TIMEOUT_MS	 10000u
#define LOAD_QUEUE	 100000u
#define LOAD_STREAMS	 100u

/* Values of an option that was given several times, in order. */
struct load_words {
	const char *const *list;
	size_t n;
};

enum load_protocol {
	LOAD_PROTOCOL_AUTO, /* over TLS what the server picks, else h1 */
	LOAD_PROTOCOL_H1,
	LOAD_PROTOCOL_H2,
};

/* Strings are the caller's and outlive the run; NULL where not given. */
struct load_options {
	const char *url;
	const char *rate; /* "200" or "100..2000" */
	bool closed;
	uint64_t ramp_ms;		/* 0: all of the duration */
	uint64_t duration_ms, requests; /* 0: not given */
	uint64_t connections, threads, streams, queue, users;
	uint64_t timeout_ms;
	struct load_words agents, profiles, headers, cookies, methods, bodies;
	const char *version_from;
	struct load_words ok_when, expect;
	uint64_t protocol; /* enum load_protocol */
	const char *connect, *ca;
	bool insecure;
	const char *admin, *metrics;
	const char *html; /* file of the report */
	bool json;	  /* on stdout, else text */
};

struct trial;

/*
 * Reads all that the options say. NULL with the reason in why (one line): a
 * wrong command line.
 */
struct trial *load_prepare(
    const struct load_options *options, char *why, size_t why_size);
void load_forget(struct trial *trial);

/*
 * Runs it to its end, or to SIGINT or SIGTERM, and reports on stdout. 0, or 1
 * when it could not be carried out, nothing was answered, or an expectation
 * was not met; all is said on stderr then.
 */
int load_run(const struct trial *trial);

#endif
