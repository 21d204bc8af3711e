/*
 * Buckets of a latency histogram: eight per power of two, so a quantile read
 * from it is at most 1/8 above the true value. Pure; the counts belong to
 * the caller.
 */
#ifndef BASE_HIST_H
#define BASE_HIST_H

#include <stdint.h>

/* Up to 2^36 us, about 19 hours; longer values land in the last bucket. */
#define HIST_BUCKETS 272u

/* The bucket of a value in microseconds. */
unsigned hist_bucket(uint64_t us);

/* The first value above the bucket, in microseconds (exclusive bound). */
uint64_t hist_upper(unsigned bucket);

/*
 * The upper bound of the bucket in which the q-th (0..1) value lies, in
 * microseconds; 0 when nothing was counted.
 */
uint64_t hist_quantile(const uint64_t counts[HIST_BUCKETS], double q);

#endif
