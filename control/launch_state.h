/*
 * What the launcher's files share: launch.c knows how many are wanted of each
 * version, launch_slot.c looks after one of them. Main thread only.
 */
#ifndef CONTROL_LAUNCH_STATE_H
#define CONTROL_LAUNCH_STATE_H

#include <event2/event_struct.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/address.h"
#include "base/queue.h"
#include "control/launch.h"
#include "control/launch_output.h"
#include "control/launch_policy.h"
#include "control/launcher.h"

struct launch_slot;
struct launch_spec;
struct pod;

/* One version with `launch`, or with processes of one. */
struct launch_version {
	LIST_ENTRY(launch_version) link;
	struct launch *launch;
	char *service, *name;
	struct launch_spec *spec; /* held; NULL = the file has it no longer */
	bool filed;		  /* in the file under work */
	bool changed;		  /* whoever listens is to be told */
	uint32_t told;		  /* what launch_want() said last */
	unsigned wanted;	  /* what follows from it now */
	unsigned failed;
	char why[192];
	struct launch_totals totals;
	char *folder; /* of its sockets; NULL until there is one */
	TAILQ_HEAD(, launch_slot) slots;
};

struct launch {
	unsigned magic;
	bool stopping;
	struct launch_parts parts;
	const struct launcher_ops *ops;
	struct launcher *launcher;
	LIST_HEAD(, launch_version) versions;
	struct launch_outputs outputs;
	struct event turn; /* all that is to be done when this turn is over */
	uint32_t port_seed, next_port;
	uint64_t slots; /* that there ever were */
	void (*told)(void *arg, const char *service);
	void *told_arg;
	void (*done)(void *arg);
	void *done_arg;
};

/* Something about the version is another; steps follow soon. */
void launch_changed(struct launch_version *v);
/* Whether some other slot, or the file, has the address. */
bool launch_taken(void *launch, const struct address *a);

#endif
