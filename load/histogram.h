/*
 * Latencies in nanoseconds, kept to three digits: 1024 buckets per power of
 * two, so a bucket's middle is at most 0.05 % off. One thread writes; others
 * may read at any time (relaxed atomics).
 */
#ifndef LOAD_HISTOGRAM_H
#define LOAD_HISTOGRAM_H

#include <stdatomic.h>
#include <stdint.h>

/* Up to 2^42 ns, above an hour; longer ones land in the last bucket. */
#define HISTOGRAM_MAX_BITS 42u
#define HISTOGRAM_SUB_BITS 10u
#define HISTOGRAM_BUCKETS \
	((HISTOGRAM_MAX_BITS - HISTOGRAM_SUB_BITS + 1u) << HISTOGRAM_SUB_BITS)

struct histogram {
	_Atomic uint64_t counts[HISTOGRAM_BUCKETS];
	_Atomic uint64_t n, sum_ns, max_ns;
};

/*
 * The arithmetic for any number of buckets per power of two, 2^sub_bits. The
 * bucket of a value, and the value in a bucket's middle.
 */
unsigned histogram_bucket(uint64_t value, unsigned sub_bits);
uint64_t histogram_middle(unsigned bucket, unsigned sub_bits);

void histogram_add(struct histogram *h, uint64_t ns);
/* `from` may be NULL, and may be written to meanwhile. */
void histogram_merge(struct histogram *to, const struct histogram *from);

/*
 * The value that q (0..1) of all values are not above, the highest one for 1;
 * in nanoseconds, 0 when there is none.
 */
uint64_t histogram_quantile(const struct histogram *h, double q);
double histogram_mean(const struct histogram *h);

/* How many are below 2^bits nanoseconds: no estimate. */
uint64_t histogram_below(const struct histogram *h, unsigned bits);

#endif
