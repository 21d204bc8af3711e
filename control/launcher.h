/*
 * What starts pods and ends them: the interface behind which a launcher
 * works. The one there is runs processes on this machine (control/guard.h);
 * others may follow, see docs/architecture.md. Main thread only.
 */
#ifndef CONTROL_LAUNCHER_H
#define CONTROL_LAUNCHER_H

#include <stddef.h>
#include <stdint.h>

struct event_base;
struct launch_spec;

/* One process to be started; nothing of it is needed afterwards. */
struct launch_job {
	const struct launch_spec *spec;
	char *const *argv;  /* both end with a NULL */
	char *const *env;   /* NAME=VALUE, besides that of shunt */
	const char *socket; /* a file of its own, to be removed when nobody
			     * else is left to do so; NULL = none */
	int output; /* its stdout and stderr; the launcher's, whatever comes */
};

/* In this order; only the last one always comes. */
enum launcher_event {
	LAUNCHER_STARTED,
	LAUNCHER_FAILED, /* it never ran */
	LAUNCHER_EXITED, /* the process itself; what it made may still run */
	LAUNCHER_GONE,	 /* nothing of it is left */
};

struct launcher_news {
	enum launcher_event event;
	int pid;	 /* with STARTED */
	const char *why; /* with FAILED, EXITED: how, for people */
};

/* Told from the loop, never from within a call; arg is launch_job's. */
typedef void launcher_told(void *arg, const struct launcher_news *news);

struct launcher;
struct launched; /* one job; good until GONE was told */

struct launcher_ops {
	const char *name;
	/* NULL without memory. Nothing runs before the first start. */
	struct launcher *(*open)(struct event_base *base, launcher_told *told);
	/*
	 * Nothing is told of any job any more. Whatever still runs is killed,
	 * also when nobody waits for it.
	 */
	void (*close)(struct launcher *l);
	/* NULL without memory. What goes wrong later is told. */
	struct launched *(*start)(
	    struct launcher *l, const struct launch_job *job, void *arg);
	/* Asks it to end; kill leaves it no choice. Both may be repeated. */
	void (*stop)(struct launcher *l, struct launched *job);
	void (*kill)(struct launcher *l, struct launched *job);
};

#endif
