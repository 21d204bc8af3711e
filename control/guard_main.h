/*
 * The process beside shunt in which its pods live: it outlives shunt by as
 * long as it takes to end them, whatever shunt died of. Runs as a program of
 * its own, without threads and without libevent.
 */
#ifndef CONTROL_GUARD_MAIN_H
#define CONTROL_GUARD_MAIN_H

/* The word that makes the binary this program; not for people. */
#define GUARD_WORD "pod-guard"

/* Its exit status. */
int guard_main(void);

#endif
