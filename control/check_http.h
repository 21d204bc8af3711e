/*
 * One HTTP health check: connect, ask, read the whole answer, say how it
 * went; in what the pod speaks. Main only.
 */
#ifndef CONTROL_CHECK_HTTP_H
#define CONTROL_CHECK_HTTP_H

#include "base/address.h"
#include "router/spec.h"

struct check_http;
struct event_base;
struct pod_tls;
struct tls_clients;

enum check_result {
	CHECK_GOOD,
	CHECK_BAD,
	CHECK_UNMADE, /* our own fault (descriptors, ports, memory) */
};

struct check_wish {
	const struct address *address;
	enum pod_protocol protocol;
	struct pod_tls *tls;		 /* NULL = in clear text */
	struct tls_clients *tls_clients; /* must outlive the check */
	const char *path;
	unsigned timeout_ms;	    /* over the whole check */
	int status_min, status_max; /* what is good, inclusive */
};

/* reason: "" when good, else like "connect: Connection refused". */
typedef void check_done(
    void *arg, enum check_result result, const char *reason);

/*
 * Begins; the wish is not needed afterwards. done is called once, from the
 * loop and never from here, and may not be called after check_http_cancel();
 * the check is gone when it is called. NULL without memory.
 */
struct check_http *check_http_new(struct event_base *base,
    const struct check_wish *wish, check_done *done, void *arg);
/* Ends it without a word; NULL is fine. */
void check_http_cancel(struct check_http *c);

#endif
