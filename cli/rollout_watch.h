/* Following a rollout to its end, for `shunt rollout ... --wait`. */
#ifndef CLI_ROLLOUT_WATCH_H
#define CLI_ROLLOUT_WATCH_H

#include <stdint.h>

#include "strategies/phase.h"

struct invocation;
struct rollout_row;

/*
 * From here on SIGINT and SIGTERM end the watching, and only that: before
 * the rollout is asked for, so that there is no moment in between.
 */
void rollout_watch_prepare(void);

/*
 * Asks how the rollout of this id stands until it is over, and shows that: a
 * line that is written anew on a terminal, else a line for each change; with
 * -o json only the last document. Shunt may be away for a minute. The exit
 * status: 0 when it ended in the wanted phase.
 */
int rollout_watch(const struct invocation *in, const char *service, uint64_t id,
    enum rollout_phase wanted);

/* How it ended, in a line; for one that is over. */
void rollout_watch_tell(const char *service, const struct rollout_row *r);

#endif
