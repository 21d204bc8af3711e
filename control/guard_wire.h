/*
 * What main and the guard say to each other over their socket, a packet each;
 * both are the same program. Main sends orders, the guard reports.
 */
#ifndef CONTROL_GUARD_WIRE_H
#define CONTROL_GUARD_WIRE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "router/launch_spec.h"

/* The guard finds its end of the socket there. */
#define GUARD_FD 3
/* Room for a start with all its texts, placeholders filled in. */
#define GUARD_PACKET_MAX (128u * 1024)
#define GUARD_GROUPS_MAX 256u

enum guard_verb {
	GUARD_START, /* with guard_start, texts, and the output as a right */
	GUARD_STOP,
	GUARD_KILL,
};

struct guard_order {
	uint32_t verb;
	uint32_t id;
};

/*
 * Behind it come texts, each with its NUL: directory, socket ("" = none), argc
 * arguments, envc settings.
 */
struct guard_start {
	struct guard_order order;
	uint32_t grace_ms;
	uint32_t argc, envc;
	uint32_t with_user, with_group; /* else as the guard is */
	uid_t uid;
	gid_t gid;
	gid_t groups[GUARD_GROUPS_MAX];
	uint32_t ngroups;
	uint64_t memory; /* limits; 0 = as the guard has */
	uint32_t files, processes;
};

/* At which step it failed. */
enum guard_step {
	GUARD_STEP_FORK,
	GUARD_STEP_LIMITS,
	GUARD_STEP_USER,
	GUARD_STEP_DIRECTORY,
	GUARD_STEP_COMMAND,
	GUARD_STEPS,
};

enum guard_word {
	GUARD_STARTED, /* a: pid */
	GUARD_FAILED,  /* a: guard_step, b: errno */
	GUARD_EXITED,  /* a: as waitpid() has it */
	GUARD_GONE,
};

struct guard_report {
	uint32_t word;
	uint32_t id;
	int32_t a, b;
};

#endif
