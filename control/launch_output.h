/*
 * What a launched process writes, line by line into the log. It is read as
 * fast as the log takes it and no faster: a process that writes more waits.
 * Main thread only.
 */
#ifndef CONTROL_LAUNCH_OUTPUT_H
#define CONTROL_LAUNCH_OUTPUT_H

#include "base/queue.h"

struct event_base;
struct launch_output;

LIST_HEAD(launch_outputs, launch_output);

/*
 * Each line is logged behind the label. It goes by itself when nobody has
 * *end any more, which is the caller's to hand on: the process's stdout and
 * stderr. -1 with errno.
 */
int launch_output_new(struct launch_outputs *all, struct event_base *base,
    const char *label, int *end);
/* What has been written is logged, and no more is read. */
void launch_outputs_free(struct launch_outputs *all);

#endif
