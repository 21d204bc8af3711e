/* A log-linear histogram's arithmetic. */
#include "base/hist.h"

#define SUB_BITS  3u /* 2^3 buckets per power of two */
#define SUB_COUNT (1u << SUB_BITS)

unsigned
hist_bucket(uint64_t us)
{
	unsigned log2, bucket;

	if (us < SUB_COUNT)
		return (unsigned)us;
	log2 = 63u - (unsigned)__builtin_clzll(us);
	bucket = (log2 - SUB_BITS + 1) * SUB_COUNT +
		 (unsigned)((us >> (log2 - SUB_BITS)) & (SUB_COUNT - 1));
	return bucket < HIST_BUCKETS ? bucket : HIST_BUCKETS - 1;
}

uint64_t
hist_upper(unsigned bucket)
{
	unsigned shift;

	if (bucket < SUB_COUNT)
		return bucket + 1;
	shift = bucket / SUB_COUNT - 1;
	return (uint64_t)(SUB_COUNT + bucket % SUB_COUNT + 1) << shift;
}

uint64_t
hist_quantile(const uint64_t counts[HIST_BUCKETS], double q)
{
	uint64_t total = 0, seen = 0, rank;

	for (unsigned i = 0; i < HIST_BUCKETS; i++)
		total += counts[i];
	if (total == 0)
		return 0;
	rank = (uint64_t)(q * (double)total);
	if (rank >= total)
		rank = total - 1;
	for (unsigned i = 0; i < HIST_BUCKETS; i++) {
		seen += counts[i];
		if (seen > rank)
			return hist_upper(i);
	}
	return hist_upper(HIST_BUCKETS - 1);
}
