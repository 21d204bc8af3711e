/*
 * A client of the admin API: one request over the Unix socket, its answer
 * read to the end. Blocks, at most 10 seconds in all.
 */
#ifndef CLI_ADMIN_CLIENT_H
#define CLI_ADMIN_CLIENT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/span.h"

struct invocation;

struct admin_answer {
	int status;
	struct span body; /* within bytes */
	char *bytes;
};

/* The path of a service, percent-encoded; false when it does not fit. */
bool admin_service_path(
    const char *service, const char *rest, char *path, size_t size);

/* `body` may be NULL. -1 with the reason in why (one line). */
int admin_request(const char *socket_path, const char *method, const char *path,
    const char *body, struct admin_answer *answer, char *why, size_t why_size);
void admin_answer_free(struct admin_answer *answer);

/*
 * The same for a subcommand: any failure, and any answer but 200, is told on
 * stderr. -1 then, with nothing to free.
 */
int admin_fetch(const struct invocation *in, const char *method,
    const char *path, const char *body, struct admin_answer *answer);

#endif
