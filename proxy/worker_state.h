/*
 * What the files of this folder share of a worker: its loop, the plan and
 * settings in force, its connections. Everything here belongs to the worker's
 * thread.
 */
#ifndef PROXY_WORKER_STATE_H
#define PROXY_WORKER_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/queue.h"
#include "proxy/h2_guard.h"
#include "proxy/h2_memory.h"
#include "proxy/loop.h"
#include "proxy/tls_client.h"
#include "proxy/vacancy.h"
#include "proxy/waiting.h"
#include "router/route.h"
#include "router/sticky.h"

#define WORKER_MAGIC 0x30420001u

#define WORKER_FIELDS_ADDED (16u + EDITS_MAX)
/* Room for a Set-Cookie with a sticky cookie and its attributes. */
#define WORKER_COOKIE_MAX (STICKY_NAME_MAX + STICKY_TEXT_MAX + 96u)

struct access_ring;
struct bells;
struct client_table;
struct field;
struct mailbox;
struct plan_use;
struct session;
struct shadow;
struct settings;
struct trunk;
struct txn;
struct upstream;

TAILQ_HEAD(session_list, session);
TAILQ_HEAD(upstream_list, upstream);
TAILQ_HEAD(shadow_list, shadow);

struct worker {
	unsigned magic;
	unsigned index;
	struct loop loop;
	struct mailbox *to_main;
	/* valid until the next MSG_PLAN: never kept across a turn */
	const struct settings *settings;
	struct plan_use *plan;	 /* the current one */
	struct access_ring *log; /* NULL: the access log is off */
	/* connections per client address, all workers' */
	struct client_table *client_table;

	struct session_list sessions;
	unsigned nsessions;
	struct upstream_list idle; /* all idle ones, longest idle first */

	TAILQ_HEAD(, trunk) trunks; /* HTTP/2 connections to pods */
	struct h2_memory h2_memory;
	struct tls_clients tls_clients; /* towards pods */

	/* parsed heads: filled and used up within one callback; a head that
	 * we wrote ourselves may have WORKER_FIELDS_ADDED more */
	struct field *fields;
	unsigned nfields;
	/* likewise: a response's head as its route edits it, as many */
	struct field *edited;
	char cookie[WORKER_COOKIE_MAX]; /* likewise: a Set-Cookie's value */

	struct vacancy vacancy; /* queues of requests without a pod ... */
	struct waiting waiting; /* ... that has room */

	struct txn *spare_txns; /* freed ones, for the next requests */
	unsigned nspare_txns;
	struct shadow_list shadows; /* of requests that are being mirrored */

	/* HTTP/2 clients that did too much of something; read by main */
	_Atomic uint64_t h2_floods[H2_FLOOD_COUNT];

	/* finish what is in flight, take nothing new */
	bool draining;
	bool stopping;
};

#endif
