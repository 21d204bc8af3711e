/*
 * Pods that shunt runs itself. For every version with `launch` it keeps as
 * many processes as are wanted: starts them, watches them, restarts them with
 * back-off, and tells the version's set of pods (control/pods.h) who comes and
 * goes. A process that is not wanted any more is drained first, then asked to
 * end, then killed. Main thread only.
 */
#ifndef CONTROL_LAUNCH_H
#define CONTROL_LAUNCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct event_base;
struct events;
struct launch;
struct pods;
struct publish;
struct roster;
struct spec;

/* What it works on; all outlive it. */
struct launch_parts {
	struct event_base *base;
	struct publish *publish;
	struct roster *roster;
	struct pods *pods;
	struct events *events;
};

/* One version's processes. */
struct launch_counts {
	unsigned wanted;
	unsigned replicas; /* that the file wants of it when it is in service */
	unsigned pods;	   /* running, or being started again; not told to go */
	unsigned leaving;  /* told to go, and not ended yet */
	unsigned failed;   /* starts that failed since launch_want() last
			    * raised `wanted` from 0 */
	const char *why;   /* the last failure, for people; NULL = none */
};

/* NULL with the reason in why. */
struct launch *launch_new(
    const struct launch_parts *parts, char *why, size_t why_size);
/* What is left is killed; NULL is fine. */
void launch_free(struct launch *l);

/*
 * The file says so, at start and after each reload: versions that are gone
 * are drained and end, those whose command has changed are replaced one by
 * one. -1 without memory: some of it may not be done.
 */
int launch_update(struct launch *l, const struct spec *spec);

/*
 * So many processes from now on; LAUNCH_BY_WEIGHT: as many as the file says
 * while the version is stable, has a weight, or a rule or mirror leads to it,
 * else none. That is what holds until somebody says something else. A version
 * that has no `launch` is left alone.
 */
#define LAUNCH_BY_WEIGHT UINT32_MAX
void launch_want(
    struct launch *l, const char *service, const char *version, uint32_t n);

/* The plan in force is another one: LAUNCH_BY_WEIGHT may mean another. */
void launch_look(struct launch *l);

/* False: shunt does not run its pods. Texts until the loop's turn ends. */
bool launch_counts(const struct launch *l, const char *service,
    const char *version, struct launch_counts *counts);

/* Told, from the event loop, when counts have changed. One listener. */
void launch_on_change(
    struct launch *l, void (*told)(void *arg, const char *service), void *arg);

/*
 * Requests are over: every process is asked to end, and killed after its
 * grace time; `done` is called when none is left, maybe at once.
 */
void launch_stop(struct launch *l, void (*done)(void *arg), void *arg);

/* After that: nobody waits for grace times any more. */
void launch_hurry(struct launch *l);

/* Since the start of the version; false as launch_counts(). */
struct launch_totals {
	uint64_t starts;
	uint64_t exits; /* that nobody asked for, failed starts too */
};
bool launch_totals(const struct launch *l, const char *service,
    const char *version, struct launch_totals *totals);

#endif
