/* Shares of pods as whole pods. */
#include "strategies/portion.h"

unsigned
portion_up(struct portion p, unsigned all)
{
	if (p.share == 0)
		return p.count;
	return (
	    unsigned)(((uint64_t)p.share * all + SHARE_ALL - 1) / SHARE_ALL);
}

unsigned
portion_down(struct portion p, unsigned all)
{
	if (p.share == 0)
		return p.count;
	return (unsigned)((uint64_t)p.share * all / SHARE_ALL);
}

bool
portion_none(struct portion p)
{
	return p.share == 0 && p.count == 0;
}

bool
portion_same(struct portion a, struct portion b)
{
	return a.share == b.share && a.count == b.count;
}
