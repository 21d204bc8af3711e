/*
 * The access log: a ring per worker, and one thread that takes entries from
 * all rings and writes lines to the file. A worker never waits: with its
 * ring full the entry is dropped and counted.
 */
#ifndef PROXY_ACCESS_LOG_H
#define PROXY_ACCESS_LOG_H

#include <stddef.h>
#include <stdint.h>

#include "proxy/access_entry.h"

struct access_log;
struct access_log_settings;
struct access_ring;

/*
 * Copies the entry. The worker's thread; the spans may be reused after the
 * call.
 */
void access_log_put(struct access_ring *r, const struct access_entry *e);

/* What follows is main's. */

/*
 * Without a file yet: nothing is written until access_log_commit(). Starts
 * the writer's thread. NULL with errno set.
 */
struct access_log *access_log_new(unsigned nworkers);

/*
 * Writes what is in the rings, waiting at most a second for a reader that
 * does not read, then ends the thread. The workers must be gone; NULL is
 * fine.
 */
void access_log_free(struct access_log *log);

/* The worker's ring; lives as long as the log. */
struct access_ring *access_log_ring(struct access_log *log, unsigned worker);

/*
 * Opens what the settings name, when that is not what is in force. A path of
 * NULL ends the log; workers must have stopped putting by the commit.
 * -1 with the reason in why, and nothing has changed.
 */
int access_log_prepare(struct access_log *log,
    const struct access_log_settings *s, char *why, size_t why_size);
/* Puts what was prepared, if anything, in force, or closes it again. */
void access_log_commit(struct access_log *log);
void access_log_cancel(struct access_log *log);

/*
 * Opens the path anew, after a rotation. Returns at once; when the path
 * cannot be opened, that is logged and the old file goes on.
 */
void access_log_reopen(struct access_log *log);

/* Entries that never reached the file. Any thread. */
uint64_t access_log_dropped(const struct access_log *log);

#endif
