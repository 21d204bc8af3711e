/*
 * The processes whose parent is this one, also those that became so when
 * their own parent died (PR_SET_CHILD_SUBREAPER). For the guard's processes,
 * and for main when the guard is dead.
 */
#ifndef CONTROL_CHILDREN_H
#define CONTROL_CHILDREN_H

#include <stdbool.h>
#include <sys/types.h>

/* Whether to leave it alone. */
typedef bool children_spare(void *arg, pid_t pid);

/*
 * Kills them all but those spared (NULL = none) and those that are dead
 * already; how many. Theirs become ours when they die: to be repeated until
 * nobody is left.
 */
unsigned children_kill(children_spare *spare, void *arg);

/*
 * SIGTERM to them, and to all below them, but to those of that group, who have
 * had it. Who is begun meanwhile may be missed.
 */
void children_ask_to_end(pid_t group);

#endif
