/* Versions whose pods shunt does not run: all of them. */
#include "control/launch.h"

void
launch_want(
    struct launch *l, const char *service, const char *version, uint32_t n)
{
	(void)l;
	(void)service;
	(void)version;
	(void)n;
}

bool
launch_counts(const struct launch *l, const char *service, const char *version,
    struct launch_counts *counts)
{
	(void)l;
	(void)service;
	(void)version;
	(void)counts;
	return false;
}
