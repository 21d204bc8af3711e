/*
 * One pod that shunt runs: its address, and the process there, again and
 * again, until it is told to go. Main thread only.
 */
#ifndef CONTROL_LAUNCH_SLOT_H
#define CONTROL_LAUNCH_SLOT_H

#include "control/launch_state.h"

/* Where its process is. */
enum slot_state {
	SLOT_IDLE,     /* there is none */
	SLOT_STARTING, /* it takes no connections yet */
	SLOT_RUNNING,
	SLOT_ENDING,  /* it was asked to end */
	SLOT_KILLING, /* it had no choice */
	SLOT_DYING,   /* it has ended; what it made has not yet */
	SLOT_STATES,
};

/* Where the slot itself is; one way only. */
enum slot_way {
	SLOT_STAYS,
	SLOT_EMPTIES, /* no new requests; those in flight finish */
	SLOT_LEAVES,  /* none is left: the process is to end */
};

struct launch_slot {
	unsigned magic;
	enum slot_state state;
	enum slot_way way;
	TAILQ_ENTRY(launch_slot) link;
	struct launch_version *version;
	struct launch_spec *spec; /* held */
	uint64_t number;	  /* newer ones have more */
	struct address address;	  /* len 0: it has none yet */
	bool listed;		  /* it is among the pods of its version */
	unsigned asked;		  /* pods that are to tell us of a change */
	struct pod *pod;	  /* held, once they have; or NULL */
	struct launched *job;
	bool came_up;	     /* this process took connections */
	uint64_t begun_us;   /* of this process */
	uint64_t up_us;	     /* since when it takes connections */
	uint64_t patient_us; /* until then requests may finish */
	unsigned look_ms;    /* until it is looked at again */
	int knock;	     /* a connection under way, or -1 */
	struct event knocked;
	struct event timer; /* by state */
	struct event empty; /* while it empties without anybody to say so */
	struct launch_backoff backoff;
	char why[128]; /* its process ended, or failed */
};

/* Starts at once. NULL without memory. */
struct launch_slot *slot_new(struct launch_version *v);
/* Whatever runs is the launcher's to kill. */
void slot_free(struct launch_slot *s);

/* Told to go: drained, then ended, then freed. */
void slot_leave(struct launch_slot *s);
/* The same without waiting for requests. */
void slot_end(struct launch_slot *s);
/* Its grace time is over. */
void slot_kill(struct launch_slot *s);

/* It takes requests, or would but for people's orders. */
bool slot_ready(const struct launch_slot *s);

launcher_told slot_on_news;

/* launch_knock.c: tries to connect, and tells slot_on_knock(), perhaps later.
 */
void slot_knock(struct launch_slot *s);
void slot_knock_end(struct launch_slot *s);
void slot_on_knock(struct launch_slot *s, bool open);

#endif
