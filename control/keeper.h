/*
 * The process that keeps one pod: it starts the pod's own process, and does
 * not end before everything that this one ever made has ended. Runs in a
 * process that the guard forked, without threads and without libevent.
 */
#ifndef CONTROL_KEEPER_H
#define CONTROL_KEEPER_H

#include <signal.h>
#include <sys/types.h>

struct guard_start;

/* To a keeper: ask the pod to end; end it. */
#define KEEPER_STOP SIGTERM
#define KEEPER_KILL SIGUSR1

struct keeper {
	const struct guard_start *start;
	const char *directory;
	char **argv, **env; /* as struct launch_job has them */
	int output;	    /* the pod's */
	int reports;	    /* where to write struct guard_report */
	pid_t guard;	    /* when that is gone the pod is killed */
};

/* All signals are blocked, and stay so. Returns when nothing is left. */
void keeper_run(const struct keeper *k);

#endif
