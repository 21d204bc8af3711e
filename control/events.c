/* A ring of the latest events, and who is told of each. */
#include "control/events.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"

struct events {
	uint64_t last;			       /* id of the latest */
	struct event_record ring[EVENTS_KEPT]; /* by id modulo its size */
	LIST_HEAD(, events_listener) listeners;
};

static const char *const kind_names[EVENT_KIND_COUNT] = {
    [EVENT_POD] = "pod",
    [EVENT_WEIGHTS] = "weights",
    [EVENT_RELOAD] = "reload",
    [EVENT_NAME] = "name",
    [EVENT_LAUNCH] = "launch",
    [EVENT_PANIC] = "panic",
    [EVENT_RETRY_BUDGET] = "retry_budget",
    [EVENT_ROLLOUT] = "rollout",
};

const char *
event_kind_name(enum event_kind kind)
{
	CHECK(kind < EVENT_KIND_COUNT);
	return kind_names[kind];
}

struct events *
events_new(void)
{
	struct events *ev = calloc(1, sizeof *ev);

	if (ev != NULL)
		LIST_INIT(&ev->listeners);
	return ev;
}

/* Kept texts are copies of ours. */
static void
record_clear(struct event_record *e)
{
	free((char *)e->service);
	free((char *)e->version);
	free((char *)e->pod);
	free((char *)e->name);
	free((char *)e->from);
	free((char *)e->to);
	free((char *)e->reason);
	*e = (struct event_record){0};
}

void
events_free(struct events *ev)
{
	if (ev == NULL)
		return;
	for (size_t i = 0; i < EVENTS_KEPT; i++)
		record_clear(&ev->ring[i]);
	free(ev);
}

/* Without memory it is NULL: an event then lacks a text. */
static const char *
copy(const char *text)
{
	return text != NULL ? strdup(text) : NULL;
}

/* Keeps a copy and tells it. */
static void
add(struct events *ev, const struct event_record *e)
{
	struct event_record *kept;
	struct events_listener *l, *next;

	kept = &ev->ring[++ev->last % EVENTS_KEPT];
	record_clear(kept);
	kept->id = ev->last;
	kept->time_us = clock_wall_us();
	kept->kind = e->kind;
	kept->service = copy(e->service);
	kept->version = copy(e->version);
	kept->pod = copy(e->pod);
	kept->name = copy(e->name);
	kept->from = copy(e->from);
	kept->to = copy(e->to);
	kept->reason = copy(e->reason);
	for (l = LIST_FIRST(&ev->listeners); l != NULL; l = next) {
		next = LIST_NEXT(l, link);
		l->told(l->arg, kept);
	}
}

void
events_pod(struct events *ev, const char *service, const char *version,
    const char *pod, const char *from, const char *to, const char *reason)
{
	const char *colon = *reason != '\0' ? ": " : "";

	if (strcmp(from, "up") == 0)
		log_warn("pod %s/%s/%s %s -> %s%s%s", service, version, pod,
		    from, to, colon, reason);
	else
		log_info("pod %s/%s/%s %s -> %s%s%s", service, version, pod,
		    from, to, colon, reason);
	add(ev, &(struct event_record){.kind = EVENT_POD,
		    .service = service,
		    .version = version,
		    .pod = pod,
		    .from = from,
		    .to = to,
		    .reason = reason});
}

void
events_name(struct events *ev, const char *service, const char *version,
    const char *name, const char *from, const char *to, const char *reason,
    bool good)
{
	if (good)
		log_info("name %s of %s/%s %s -> %s: %s", name, service,
		    version, from, to, reason);
	else
		log_warn("name %s of %s/%s %s -> %s: %s", name, service,
		    version, from, to, reason);
	add(ev, &(struct event_record){.kind = EVENT_NAME,
		    .service = service,
		    .version = version,
		    .name = name,
		    .from = from,
		    .to = to,
		    .reason = reason});
}

void
events_weights(struct events *ev, const char *service, const char *words)
{
	log_info("weights of %s: %s", service, words);
	add(ev,
	    &(struct event_record){
		.kind = EVENT_WEIGHTS, .service = service, .reason = words});
}

void
events_launch(struct events *ev, const char *service, const char *version,
    const char *pod, bool asked, const char *words)
{
	if (asked)
		log_info("launch %s/%s/%s: %s", service, version, pod, words);
	else
		log_warn("launch %s/%s/%s: %s", service, version, pod, words);
	add(ev, &(struct event_record){.kind = EVENT_LAUNCH,
		    .service = service,
		    .version = version,
		    .pod = pod,
		    .reason = words});
}

void
events_panic(struct events *ev, const char *service, const char *version,
    bool on, const char *reason)
{
	if (on)
		log_warn("version %s/%s panic: %s", service, version, reason);
	else
		log_info("version %s/%s panic is over: %s", service, version,
		    reason);
	add(ev, &(struct event_record){.kind = EVENT_PANIC,
		    .service = service,
		    .version = version,
		    .from = on ? "off" : "on",
		    .to = on ? "on" : "off",
		    .reason = reason});
}

void
events_retry_budget(
    struct events *ev, const char *service, bool spent, const char *reason)
{
	if (spent)
		log_warn("retry budget of %s is spent: %s", service, reason);
	else
		log_info(
		    "retry budget of %s is free again: %s", service, reason);
	add(ev, &(struct event_record){.kind = EVENT_RETRY_BUDGET,
		    .service = service,
		    .from = spent ? "free" : "spent",
		    .to = spent ? "spent" : "free",
		    .reason = reason});
}

void
events_rollout(struct events *ev, const char *service, const char *version,
    const char *from, const char *to, const char *reason)
{
	const bool moved = strcmp(from, to) != 0;
	const bool bad = moved && (strcmp(to, "rolling_back") == 0 ||
				      strcmp(to, "failed") == 0);
	char phases[64];

	snprintf(phases, sizeof phases, "%s%s%s", from, moved ? " -> " : "",
	    moved ? to : "");
	if (bad)
		log_warn("rollout of %s to %s %s: %s", service, version, phases,
		    reason);
	else
		log_info("rollout of %s to %s %s: %s", service, version, phases,
		    reason);
	add(ev, &(struct event_record){.kind = EVENT_ROLLOUT,
		    .service = service,
		    .version = version,
		    .from = from,
		    .to = to,
		    .reason = reason});
}

void
events_reload(struct events *ev, const char *error)
{
	if (error == NULL)
		log_info("reload: in force");
	add(ev, &(struct event_record){.kind = EVENT_RELOAD,
		    .reason = error != NULL ? error : "in force"});
}

uint64_t
events_last(const struct events *ev)
{
	return ev->last;
}

const struct event_record *
events_next(const struct events *ev, uint64_t after)
{
	uint64_t oldest =
	    ev->last >= EVENTS_KEPT ? ev->last - EVENTS_KEPT + 1 : 1;
	uint64_t id = after + 1 > oldest ? after + 1 : oldest;

	return id <= ev->last ? &ev->ring[id % EVENTS_KEPT] : NULL;
}

void
events_listen(struct events *ev, struct events_listener *l)
{
	LIST_INSERT_HEAD(&ev->listeners, l, link);
}

void
events_unlisten(struct events_listener *l)
{
	LIST_REMOVE(l, link);
}
