/* The phases of a rollout, and their words. Any thread. */
#ifndef STRATEGIES_PHASE_H
#define STRATEGIES_PHASE_H

#include <stdbool.h>

enum rollout_phase {
	ROLLOUT_STARTING, /* the candidate has no pod that is ready yet */
	ROLLOUT_PROGRESSING,
	ROLLOUT_PAUSED, /* by a person, a gate or a step */
	ROLLOUT_PROMOTING,
	ROLLOUT_ROLLING_BACK,
	ROLLOUT_DONE,	     /* the candidate is the stable version now */
	ROLLOUT_ROLLED_BACK, /* all is as it was before */
	ROLLOUT_FAILED, /* could not begin, or was ended by what is no verdict
			 */
	ROLLOUT_PHASE_COUNT,
};

/* "starting", "progressing", ... */
const char *rollout_phase_name(enum rollout_phase phase);
/* done, rolled_back, failed */
bool rollout_phase_over(enum rollout_phase phase);

/* By its word; ROLLOUT_PHASE_COUNT when there is none. */
enum rollout_phase rollout_phase_find(const char *name);

#endif
