/*
 * Pods that names resolve to: which names the config in force has, when each
 * is asked for again, and what the answers do to the sets of pods. Main
 * thread only.
 */
#ifndef CONTROL_DISCOVERY_H
#define CONTROL_DISCOVERY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "control/dns_answer.h"
#include "control/name.h"

struct conf;
struct discovery;
struct event_base;
struct events;
struct pods;

/* Asks nothing yet. NULL without memory. The others outlive it. */
struct discovery *discovery_new(
    struct event_base *base, struct pods *pods, struct events *events);
/* Implies discovery_stop(); NULL is fine. */
void discovery_free(struct discovery *d);

/*
 * Names and resolver are those of this config from now on; it is in force, and
 * the pods know it. All names are asked for, spread over a millisecond for
 * each; those that were there before keep what they resolved to until they are
 * answered. 0, or -1 when something was left out, which the log says.
 */
int discovery_update(struct discovery *d, const struct conf *conf);

/* Nothing is asked any more; questions under way are dropped. */
void discovery_stop(struct discovery *d);

/* For status and metrics; texts are borrowed until the loop's turn ends. */
struct discovery_view {
	const char *service, *version, *name;
	enum name_state state;
	const char *problem; /* "" when nothing is wrong */
	size_t addresses;
	bool cut;	   /* there are more, which are left out */
	bool asking;	   /* questions are under way */
	uint64_t since_us; /* when it came into the config */
	uint64_t good_us;  /* when it resolved last; 0: never */
	uint64_t due_us;   /* when it is asked for again, unless it is now */
};

/* False after the last one. They are in the order of the config. */
bool discovery_get(
    const struct discovery *d, size_t i, struct discovery_view *view);

/* Questions that ended so, since the start. */
uint64_t discovery_questions(
    const struct discovery *d, enum dns_outcome outcome);

#endif
