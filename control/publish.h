/*
 * The one door by which a change reaches the workers: what is in force, what
 * is under way, and who still needs what was in force before. Main only.
 */
#ifndef CONTROL_PUBLISH_H
#define CONTROL_PUBLISH_H

#include <stdbool.h>
#include <stddef.h>

#include "control/control.h"

struct mailbox;
struct publish;

/*
 * The first plan, which workers are born with: it is held once for each of
 * them. Consumes plan and conf, only when it does not fail; NULL without
 * memory.
 */
struct publish *publish_new(
    unsigned nworkers, struct plan *plan, struct conf *conf);
/* Where to send to the worker; all must be known before publish_plan(). */
void publish_worker(struct publish *p, unsigned worker, struct mailbox *to);

/*
 * Called with each plan when it is put in the place of another one. It may
 * not publish. One watcher; NULL ends it.
 */
typedef void publish_watcher(
    void *arg, const struct plan *old, const struct plan *new);
void publish_watch(struct publish *p, publish_watcher *watch, void *arg);

/* In force: published last. Owned by publish. */
struct plan *publish_current(const struct publish *p);
const struct conf *publish_conf(const struct publish *p);

/* Whether every worker has the plan in force. */
bool publish_taken_by_all(const struct publish *p);

/*
 * Retires the plan in force, puts this one in its place and sends it to
 * every worker. Consumes plan and conf; a conf of NULL means that the
 * settings stay. `done`, which may be NULL, is called when all workers have
 * taken the plan. -1 without memory: nothing has changed, done was told.
 */
int publish_plan(struct publish *p, struct plan *plan, struct conf *conf,
    control_done *done, void *arg);

/* A worker answered with MSG_PLAN_TAKEN, MSG_PLAN_LEFT. */
void publish_taken(struct publish *p, unsigned worker);
void publish_left(struct publish *p, unsigned worker, const struct plan *plan);

/*
 * The workers are gone: whoever waits is told so, and what the workers held
 * is dropped. Nothing can be published from here on.
 */
void publish_stop(struct publish *p);
/* Implies publish_stop(); NULL is fine. */
void publish_free(struct publish *p);

#endif
