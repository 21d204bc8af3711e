/*
 * From what the file says to a job for the launcher: placeholders filled in,
 * the environment, the pipe for what it writes. Main thread only.
 */
#ifndef CONTROL_LAUNCH_JOB_H
#define CONTROL_LAUNCH_JOB_H

#include <stddef.h>

struct address;
struct launch;
struct launch_spec;
struct launched;

/* Whose pod it is, and where it is to take connections. */
struct launch_place {
	const char *service, *version;
	const struct address *address;
};

/* News are told with this arg. NULL with why: then nothing has begun. */
struct launched *launch_job_start(struct launch *l,
    const struct launch_spec *spec, const struct launch_place *place, void *arg,
    char *why, size_t why_size);

#endif
