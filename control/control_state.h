/*
 * What the files of the main thread's centre share: control_make.c puts the
 * parts together, control.c runs them. Main thread only.
 */
#ifndef CONTROL_CONTROL_STATE_H
#define CONTROL_CONTROL_STATE_H

#include <event2/event_struct.h>
#include <event2/util.h>
#include <stdbool.h>

#include "control/control.h"

struct bells;
struct launch;
struct access_log;
struct client_table;
struct discovery;
struct listeners;
struct mailbox;
struct message;
struct outliers;
struct probes;
struct publish;
struct reload;
struct rollouts;
struct roster;
struct sticky_key;
struct store;
struct warmup;
struct worker;

#define CONTROL_MAGIC 0xc0470001u

enum control_state {
	CONTROL_STARTING,
	CONTROL_RUNNING,
	CONTROL_DRAINING, /* requests in flight finish */
	CONTROL_STOPPED,  /* no worker is left, maybe pods that we run */
};

enum {
	SIGNAL_HUP,
	SIGNAL_TERM,
	SIGNAL_INT,
	SIGNAL_USR1,
	SIGNAL_COUNT
};

struct control {
	unsigned magic;
	enum control_state state;
	char *config_path;
	struct event_base *base;
	struct mailbox *mailbox; /* workers write to it */
	unsigned nworkers;
	struct worker **workers;
	struct mailbox **boxes; /* the workers' */
	bool *drained;		/* by worker */
	unsigned started;	/* threads that run */
	struct publish *publish;
	struct listeners *listeners;
	struct client_table *client_table; /* the workers' */
	struct bells *bells;		   /* theirs, too */
	struct events *events;
	struct roster *roster;
	struct store *store;
	struct pods *pods;
	struct discovery *discovery;
	struct launch *launch;
	struct probes *probes;
	struct outliers *outliers;
	struct warmup *warmup;
	struct windows *windows;
	struct reload *reload;
	struct rollouts *rollouts;
	struct access_log *log;
	struct sticky_key *sticky_key; /* of services without secret_file */
	struct event tick, deadline;
	struct event *signals[SIGNAL_COUNT];
};

/* What happens: control_make.c registers them. `arg` is the control. */
void control_on_deadline(evutil_socket_t fd, short what, void *arg);
void control_on_tick(evutil_socket_t fd, short what, void *arg);
void control_on_signal(evutil_socket_t sig, short what, void *arg);
void control_on_message(void *arg, const struct message *m);
void control_on_plan(void *arg, const struct plan *old, const struct plan *new);

/* Ends the workers; connections that are left are cut. Waits for them. */
void control_stop(struct control *c);

#endif
