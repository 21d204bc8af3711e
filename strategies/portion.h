/*
 * A number of pods as the config says it: so many, or a share of all that
 * there are to be. It becomes a number only when it is asked for, so that it
 * follows when there are others. Pure, any thread.
 */
#ifndef STRATEGIES_PORTION_H
#define STRATEGIES_PORTION_H

#include <stdbool.h>
#include <stdint.h>

/* The whole, of shares of pods and of traffic. */
#define SHARE_ALL 1000000u

struct portion {
	uint32_t share; /* of SHARE_ALL; 0: it is a number */
	unsigned count; /* else 0 */
};

/* Of so many; a share is rounded to a whole pod. */
unsigned portion_up(struct portion p, unsigned all);
unsigned portion_down(struct portion p, unsigned all);

/* Whether it is 0 of any number. */
bool portion_none(struct portion p);
bool portion_same(struct portion a, struct portion b);

#endif
