/*
 * The launcher that runs processes on this machine: main's side of the guard
 * (control/guard_main.h), which is started with the first process, and started
 * anew should it die. Main never waits for it. Main thread only; one in a
 * process, which it makes the parent of orphans.
 */
#ifndef CONTROL_GUARD_H
#define CONTROL_GUARD_H

#include "control/launcher.h"

extern const struct launcher_ops launcher_guard;

#endif
