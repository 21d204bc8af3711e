/*
 * One check of a pod: connect, ask, read the whole answer, say how it went; in
 * what the pod speaks. Main only.
 */
#ifndef CONTROL_POD_CHECK_H
#define CONTROL_POD_CHECK_H

#include "base/address.h"
#include "router/spec.h"

struct event_base;
struct pod_check;
struct pod_tls;
struct terms;
struct tls_clients;

enum check_result {
	CHECK_GOOD,
	CHECK_BAD,
	CHECK_UNMADE, /* our own fault (descriptors, ports, memory) */
};

struct check_wish {
	const struct address *address; /* where to ask */
	enum pod_protocol protocol;
	struct pod_tls *tls;		 /* NULL = in clear text */
	struct tls_clients *tls_clients; /* must outlive the check */
	struct terms *terms; /* ->health: what to ask, and what is good */
};

/* reason: "" when good, else like "connect: Connection refused". */
typedef void check_done(
    void *arg, enum check_result result, const char *reason);

/*
 * Begins; the wish is not needed afterwards. done is called once, from the
 * loop and never from here, and may not be called after pod_check_cancel();
 * the check is gone when it is called. NULL without memory.
 */
struct pod_check *pod_check_new(struct event_base *base,
    const struct check_wish *wish, check_done *done, void *arg);
/* Ends it without a word; NULL is fine. */
void pod_check_cancel(struct pod_check *c);

#endif
