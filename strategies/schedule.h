/*
 * When something may happen: windows of the week such as "mon-fri
 * 09:00-17:00", by the clock on the wall of the process's time zone (TZ,
 * /etc/localtime) or of UTC. Pure: the moment is an argument; any thread.
 *
 * What the clock shows decides, also where it jumps: an hour that is skipped
 * opens nothing, one that comes twice is in a window both times.
 */
#ifndef STRATEGIES_SCHEDULE_H
#define STRATEGIES_SCHEDULE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct schedule;

/* Without a window, which is never open. NULL without memory. */
struct schedule *schedule_new(void);
/* NULL is fine. */
void schedule_free(struct schedule *s);

/*
 * One more window: days, times and a zone, of which at least one of the first
 * two is there. Days are "mon", "mon-fri", or several of them with commas; a
 * range may go over the end of the week. Times are "HH:MM-HH:MM", up to 24:00;
 * an end before the start is on the next day. The zone is "UTC". False, with
 * the reason in why, when it is none, or without memory.
 */
bool schedule_add(
    struct schedule *s, const char *text, char *why, size_t why_size);

/* Moments are microseconds since 1970, as those of the wall clock. */
bool schedule_open(const struct schedule *s, uint64_t wall_us);
/*
 * The first moment from then on at which it is open; then itself, when it is.
 * One that is not open for SCHEDULE_DAYS_MAX gives the end of these.
 */
uint64_t schedule_next(const struct schedule *s, uint64_t wall_us);

/* Beyond a week, as a window of a skipped hour opens a week later only. */
#define SCHEDULE_DAYS_MAX 15u

/* "2026-03-29 03:00 CEST", in the process's time zone, for people. */
void schedule_say(uint64_t wall_us, char *buf, size_t size);

#endif
