/*
 * A worker: one thread, one event base, its own listening sockets, its own
 * connections to clients and pods. What main may do with it.
 */
#ifndef PROXY_WORKER_H
#define PROXY_WORKER_H

#include <stdint.h>

#include "proxy/h2_guard.h"
#include "proxy/tls_tickets.h"

struct access_ring;
struct bells;
struct client_table;
struct mailbox;
struct plan;
struct settings;
struct worker;

/*
 * The plan must have been held once for this worker (it says MSG_PLAN_LEFT
 * when it is done with it); the settings stay valid until the worker has
 * answered the next MSG_PLAN. The ring, the client table and the bells
 * outlive the worker. All workers get the same seed: they take each other's
 * tickets. NULL with errno set.
 */
struct worker *worker_new(unsigned index, struct mailbox *to_main,
    struct plan *plan, const struct settings *settings,
    struct access_ring *ring, struct client_table *client_table,
    struct bells *bells, const uint8_t ticket_seed[TLS_TICKETS_SEED]);
/* Starts the thread; -1 with errno set. */
int worker_start(struct worker *w);
/* Any thread. */
struct mailbox *worker_mailbox(struct worker *w);
/* How many HTTP/2 clients it has sent away for that. Any thread. */
uint64_t worker_h2_floods(const struct worker *w, enum h2_flood flood);
/* Waits for the thread (after MSG_STOP), then frees all it owned. */
void worker_free(struct worker *w);

#endif
