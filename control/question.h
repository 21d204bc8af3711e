/*
 * A request that somebody asks about: checked word by word, then written as a
 * client would send it, so that the data path's own parser reads it. Pure.
 */
#ifndef CONTROL_QUESTION_H
#define CONTROL_QUESTION_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/span.h"

struct question_field {
	const char *name, *value;
};

struct question {
	const char *url;
	const char *method; /* NULL: GET */
	const char *client; /* who connects; NULL: QUESTION_CLIENT */
	/* a Host among them is sent instead of the URL's */
	const struct question_field *fields;
	size_t nfields;
};

#define QUESTION_CLIENT "127.0.0.1"

/* The question as a request on its way to the proxy. */
struct asked {
	char *head; /* of HTTP/1.1 */
	size_t n;
	bool https;
	unsigned port; /* that the URL leads to */
	int family;
	uint8_t address[16];
	char ip[INET6_ADDRSTRLEN];
};

/*
 * False, with what was expected in why (one line), when a word of it cannot
 * be part of any request; what the proxy would refuse is no such thing. The
 * caller gives `a` to asked_clear() in any case.
 */
bool question_read(
    const struct question *q, struct asked *a, char *why, size_t why_size);
void asked_clear(struct asked *a);

#endif
