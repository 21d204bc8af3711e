/*
 * What a run is to do, read and checked; nothing in it changes while it runs,
 * and all threads read it.
 */
#ifndef LOAD_TRIAL_H
#define LOAD_TRIAL_H

#include "load/expect.h"
#include "load/judge.h"
#include "load/load.h"
#include "load/profile.h"
#include "load/request.h"
#include "load/schedule.h"
#include "load/target.h"

#define TRIAL_MAGIC 0x10ad0001u

struct trial {
	unsigned magic;
	struct load_options options;
	struct target target;
	struct profiles profiles;
	struct request requests[BOARD_PROFILES]; /* of each profile */
	struct judge judge;
	struct schedule schedule; /* of an open loop */
	struct expectations expectations;
	uint64_t duration_ns;  /* UINT64_MAX: until all requests are done */
	uint64_t requests_max; /* UINT64_MAX: until the time is over */
};

/* Of the n-th of all requests of an open loop. */
static inline uint64_t
trial_at(const void *trial, uint64_t k)
{
	return schedule_at(&((const struct trial *)trial)->schedule, k);
}

#endif
