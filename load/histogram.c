/* Counting latencies to three digits. */
#include "load/histogram.h"

#include <stddef.h>

#include "load/count.h"

unsigned
histogram_bucket(uint64_t value, unsigned sub_bits)
{
	unsigned log2, shift;

	if (value >> (sub_bits + 1) == 0)
		return (unsigned)value;
	log2 = 63u - (unsigned)__builtin_clzll(value);
	shift = log2 - sub_bits;
	return (shift << sub_bits) + (unsigned)(value >> shift);
}

uint64_t
histogram_middle(unsigned bucket, unsigned sub_bits)
{
	unsigned shift;
	uint64_t first;

	if (bucket >> (sub_bits + 1) == 0)
		return bucket;
	shift = (bucket >> sub_bits) - 1;
	first = (uint64_t)(bucket - (shift << sub_bits)) << shift;
	return first + (1ull << shift) / 2;
}

void
histogram_add(struct histogram *h, uint64_t ns)
{
	unsigned bucket = histogram_bucket(ns, HISTOGRAM_SUB_BITS);

	if (bucket >= HISTOGRAM_BUCKETS)
		bucket = HISTOGRAM_BUCKETS - 1;
	count_add(&h->counts[bucket], 1);
	count_add(&h->n, 1);
	count_add(&h->sum_ns, ns);
	if (ns > count_get(&h->max_ns))
		count_set(&h->max_ns, ns);
}

void
histogram_merge(struct histogram *to, const struct histogram *from)
{
	if (from == NULL)
		return;
	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
		uint64_t n = count_get(&from->counts[i]);

		if (n > 0)
			count_add(&to->counts[i], n);
	}
	count_add(&to->n, count_get(&from->n));
	count_add(&to->sum_ns, count_get(&from->sum_ns));
	if (count_get(&from->max_ns) > count_get(&to->max_ns))
		count_set(&to->max_ns, count_get(&from->max_ns));
}

uint64_t
histogram_quantile(const struct histogram *h, double q)
{
	uint64_t n = count_get(&h->n), max = count_get(&h->max_ns);
	uint64_t seen = 0, rank;

	if (n == 0)
		return 0;
	rank = (uint64_t)(q * (double)n);
	if (rank >= n)
		return max;
	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
		seen += count_get(&h->counts[i]);
		if (seen > rank) {
			uint64_t at = histogram_middle(i, HISTOGRAM_SUB_BITS);

			return at < max ? at : max;
		}
	}
	return max;
}

double
histogram_mean(const struct histogram *h)
{
	uint64_t n = count_get(&h->n);

	return n > 0 ? (double)count_get(&h->sum_ns) / (double)n : 0;
}

uint64_t
histogram_below(const struct histogram *h, unsigned bits)
{
	unsigned end = histogram_bucket(1ull << bits, HISTOGRAM_SUB_BITS);
	uint64_t n = 0;

	for (unsigned i = 0; i < end && i < HISTOGRAM_BUCKETS; i++)
		n += count_get(&h->counts[i]);
	return n;
}
