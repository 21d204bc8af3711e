/*
 * The two clocks. Decisions take the time as an argument; only loops and
 * loggers read it here. Any thread.
 */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stddef.h>
#include <stdint.h>

/* Monotonic microseconds since some moment before the process. */
uint64_t clock_now_us(void);

/* Wall-clock microseconds since 1970-01-01 UTC. */
uint64_t clock_wall_us(void);

/* "2026-01-31T12:34:56.789Z" (RFC 3339, UTC); size at least 25. */
void clock_format(uint64_t wall_us, char *buf, size_t size);

#endif
