/* What the phases of a rollout are called. */
#include "strategies/phase.h"

#include <string.h>

static const char *const names[ROLLOUT_PHASE_COUNT] = {
    [ROLLOUT_STARTING] = "starting",
    [ROLLOUT_PROGRESSING] = "progressing",
    [ROLLOUT_PAUSED] = "paused",
    [ROLLOUT_PROMOTING] = "promoting",
    [ROLLOUT_ROLLING_BACK] = "rolling_back",
    [ROLLOUT_DONE] = "done",
    [ROLLOUT_ROLLED_BACK] = "rolled_back",
    [ROLLOUT_FAILED] = "failed",
};

const char *
rollout_phase_name(enum rollout_phase phase)
{
	return names[phase];
}

bool
rollout_phase_over(enum rollout_phase phase)
{
	return phase == ROLLOUT_DONE || phase == ROLLOUT_ROLLED_BACK ||
	       phase == ROLLOUT_FAILED;
}

enum rollout_phase
rollout_phase_find(const char *name)
{
	unsigned i = 0;

	while (i < ROLLOUT_PHASE_COUNT && strcmp(names[i], name) != 0)
		i++;
	return (enum rollout_phase)i;
}
