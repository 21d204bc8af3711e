/*
 * Reading the config file again and putting it in force, listeners too,
 * without losing a connection or a counter. One at a time. Main only.
 */
#ifndef CONTROL_RELOAD_H
#define CONTROL_RELOAD_H

#include "control/control.h"

struct access_log;
struct discovery;
struct events;
struct launch;
struct listeners;
struct mailbox;
struct pods;
struct probes;
struct publish;
struct reload;
struct rollouts;
struct sticky_key;
struct store;

/* What a reload works on; all outlive it. */
struct reload_parts {
	const char *path; /* of the config file */
	unsigned nworkers;
	struct mailbox *const *workers;
	struct publish *publish;
	struct listeners *listeners;
	struct probes *probes;
	struct pods *pods;
	struct discovery *discovery;
	struct rollouts *rollouts;
	struct launch *launch;
	struct store *store;
	struct events *events;
	struct access_log *log;
	struct sticky_key *sticky_key; /* see spec_stick() */
};

struct reload *reload_new(const struct reload_parts *parts);
/* Implies reload_stop(); NULL is fine. */
void reload_free(struct reload *r);

/*
 * As control_reload(). While a reload is under way, all who ask share the
 * one that follows it.
 */
void reload_run(struct reload *r, control_done *done, void *arg);

/* A worker has closed a listener: the reload may be over. */
void reload_on_listener_closed(struct reload *r);

/* Whoever waits is told "shutting down"; nothing is reloaded any more. */
void reload_stop(struct reload *r);

#endif
