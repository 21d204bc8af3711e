/*
 * What is needed to speak TLS with the pods of a version, and the sessions
 * that may be resumed. A list and all in it belong to one thread: a worker, or
 * main for its checks.
 */
#ifndef PROXY_TLS_CLIENT_H
#define PROXY_TLS_CLIENT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/queue.h"

struct address;
struct pod_slot;
struct pod_tls;
struct ssl_st;
struct tls_client;

/* A thread's; TAILQ_INIT(&list.clients) makes an empty one. */
struct tls_clients {
	TAILQ_HEAD(, tls_client) clients;
	uint64_t last_id;
};

/*
 * The one for these settings, made when it is first asked for; `http2` is
 * insisted on then. NULL without memory.
 */
struct tls_client *tls_client_get(
    struct tls_clients *list, struct pod_tls *settings, bool http2);
/* Frees those whose settings nobody else uses any more, or all. */
void tls_clients_prune(struct tls_clients *list);
void tls_clients_free(struct tls_clients *list);

/*
 * A connection's SSL, about to resume what the slot keeps; without a slot no
 * session is resumed or kept. NULL without memory.
 */
struct ssl_st *tls_client_ssl(
    struct tls_client *c, const struct address *address, struct pod_slot *slot);

#endif
