/*
 * A client of the admin API: one request over the Unix socket, its answer
 * read to the end. Blocks, at most as many seconds as it is given in all.
 */
#ifndef CLI_ADMIN_CLIENT_H
#define CLI_ADMIN_CLIENT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/span.h"

struct invocation;

/* Enough for whatever does not wait for something itself. */
#define ADMIN_TIMEOUT_S 10u

struct admin_answer {
	int status;
	struct span body; /* within bytes */
	char *bytes;
};

/* A path being put together; zeroed but for buf and size. */
struct admin_path {
	char *buf;
	size_t size, used;
};

/* As it is, or as one segment, percent-encoded. */
void admin_path_add(struct admin_path *p, const char *text);
void admin_path_encode(struct admin_path *p, const char *segment);
bool admin_path_fits(const struct admin_path *p);

/* The path of a service, percent-encoded; false when it does not fit. */
bool admin_service_path(
    const char *service, const char *rest, char *path, size_t size);

/* `body` may be NULL. -1 with the reason in why (one line). */
int admin_request(const char *socket_path, unsigned seconds, const char *method,
    const char *path, const char *body, struct admin_answer *answer, char *why,
    size_t why_size);
void admin_answer_free(struct admin_answer *answer);

/*
 * The same for a subcommand: any failure, and any answer but 200, is told on
 * stderr. -1 then, with nothing to free.
 */
int admin_fetch(const struct invocation *in, const char *method,
    const char *path, const char *body, struct admin_answer *answer);
int admin_fetch_within(const struct invocation *in, unsigned seconds,
    const char *method, const char *path, const char *body,
    struct admin_answer *answer);

#endif
