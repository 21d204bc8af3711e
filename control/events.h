/*
 * What has happened, for people: the latest changes of pods, weights,
 * releases and config, each with its reason, in the log, in a ring that the API
 * shows, and told to whoever listens. Main thread only.
 */
#ifndef CONTROL_EVENTS_H
#define CONTROL_EVENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/queue.h"

/* As many of the latest are kept. */
#define EVENTS_KEPT 1024u

enum event_kind {
	EVENT_POD,     /* changed its state */
	EVENT_WEIGHTS, /* were shifted */
	EVENT_RELOAD,  /* of the config file, good or not */
	EVENT_NAME,    /* of pods resolves, or no longer does */
	EVENT_LAUNCH,  /* of a process that is a pod: started, ended */
	EVENT_PANIC,   /* of a version began or ended: from, to "on", "off" */
	/* of a service: used up, or no longer: from, to "free", "spent" */
	EVENT_RETRY_BUDGET,
	EVENT_ROLLOUT, /* a decision; from, to: its phases */
	EVENT_KIND_COUNT,
};

struct event_record {
	uint64_t id;	  /* from 1 on, without gaps */
	uint64_t time_us; /* wall clock */
	enum event_kind kind;
	/* NULL where it plays no part */
	const char *service, *version, *pod;
	const char *name;      /* that pods are resolved from */
	const char *from, *to; /* states */
	const char *reason;    /* or what was done, in words */
};

struct events;
struct events_listener;

typedef void events_told(void *arg, const struct event_record *e);

struct events_listener {
	LIST_ENTRY(events_listener) link;
	events_told *told;
	void *arg;
};

/* NULL without memory. */
struct events *events_new(void);
void events_free(struct events *ev);

/* "pod", "weights", ... */
const char *event_kind_name(enum event_kind kind);

/*
 * Texts are copied; NULL where they play no part. It is logged, as a warning
 * when it is a pod's way down.
 */
void events_pod(struct events *ev, const char *service, const char *version,
    const char *pod, const char *from, const char *to, const char *reason);
/* A name of pods; what is not good is a warning. */
void events_name(struct events *ev, const char *service, const char *version,
    const char *name, const char *from, const char *to, const char *reason,
    bool good);
void events_weights(struct events *ev, const char *service, const char *words);
/* As a warning when nobody asked for it. */
void events_launch(struct events *ev, const char *service, const char *version,
    const char *pod, bool asked, const char *words);
/* It is on, or no longer. */
void events_panic(struct events *ev, const char *service, const char *version,
    bool on, const char *reason);
void events_retry_budget(
    struct events *ev, const char *service, bool spent, const char *reason);
/* The version is the candidate; a way back, or a failure, is a warning. */
void events_rollout(struct events *ev, const char *service, const char *version,
    const char *from, const char *to, const char *reason);
/* NULL: the config is in force; an error was logged already. */
void events_reload(struct events *ev, const char *error);

/* Of the latest; 0 = there was none. */
uint64_t events_last(const struct events *ev);

/*
 * The kept ones in order: the oldest whose id is above `after` (0: of all);
 * NULL when there is none. Valid until the next event.
 */
const struct event_record *events_next(const struct events *ev, uint64_t after);

/* The listener is the caller's and told until it is removed. */
void events_listen(struct events *ev, struct events_listener *l);
void events_unlisten(struct events_listener *l);

#endif
