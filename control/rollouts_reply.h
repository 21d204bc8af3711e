/*
 * An answer that waits for the plans of a change: who asked is told when
 * every worker has all of them, or of the first that could not be published.
 * Main thread only.
 */
#ifndef CONTROL_ROLLOUTS_REPLY_H
#define CONTROL_ROLLOUTS_REPLY_H

#include "control/control.h"

struct rollouts_reply;

/* NULL without memory. `done` may be NULL. */
struct rollouts_reply *rollouts_reply_new(control_done *done, void *arg);
/* What to give to publish_plan(), the reply being its argument; NULL is fine.
 */
control_done *rollouts_reply_add(struct rollouts_reply *reply);
/* No more plans come. It may be told at once, and is gone then. */
void rollouts_reply_seal(struct rollouts_reply *reply);

#endif
