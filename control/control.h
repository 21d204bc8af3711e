/*
 * The main thread: owns the current plan and the workers, and carries out
 * every change. Nothing here may be called from another thread.
 */
#ifndef CONTROL_CONTROL_H
#define CONTROL_CONTROL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proxy/h2_guard.h"
#include "router/plan.h"

struct conf;
struct conf_errors;
struct control;
struct diff;
struct discovery;
struct event_base;
struct events;
struct launch;
struct pods;
struct rollouts;
struct settings;
struct windows;

/*
 * Binds the listeners, starts workers and checks. Consumes the conf, also on
 * failure; NULL with the reason in why, and nothing is left running.
 * The config path is read again by control_reload().
 */
struct control *control_new(
    const char *config_path, struct conf *conf, char *why, size_t why_size);
void control_free(struct control *c);

struct event_base *control_base(struct control *c);

/*
 * Runs until stopped. SIGHUP reloads; SIGTERM and SIGINT drain: listeners
 * close, requests in flight finish, at most timeouts.drain long, then pods
 * that we run end; a second one stops at once. SIGUSR1 reopens the access log.
 * 0, or -1 when the loop failed.
 */
int control_run(struct control *c);

/* What is now in force (published last). Borrowed until the loop's turn ends.
 */
const struct plan *control_plan(const struct control *c);
const struct settings *control_settings(const struct control *c);
const struct windows *control_windows(const struct control *c);
struct events *control_events(struct control *c);
struct pods *control_pods(struct control *c);
const struct discovery *control_discovery(const struct control *c);
struct rollouts *control_rollouts(struct control *c);
const struct launch *control_launch(const struct control *c);
/* Why what was set at run time would not outlive the process; NULL: it would,
 * or is not meant to. */
const char *control_state_problem(const struct control *c);
/* Whether every worker goes by the states and weights that are shown. */
bool control_in_force(const struct control *c);
unsigned control_workers(const struct control *c);

/* Listeners are bound, workers run and it is not draining. */
bool control_ready(const struct control *c);

/* Entries that never reached the access log. */
uint64_t control_log_dropped(const struct control *c);

/* HTTP/2 clients that were sent away for too much of something. */
uint64_t control_h2_floods(const struct control *c, enum h2_flood flood);

/* For shunt_connections{listener}: false after the last. */
bool control_listener(const struct control *c, size_t i, const char **address,
    unsigned *connections);

/*
 * What is in force beside the file as it was loaded (control/diff.h), for the
 * caller to free. NULL without memory.
 */
struct diff *control_diff(struct control *c);
/*
 * Whether the file has another text by now; then errors has what is wrong
 * with that, maybe nothing, for conf_errors_free().
 */
bool control_file_changed(struct control *c, struct conf_errors *errors);
const char *control_file(const struct control *c);

/*
 * Called once every worker has the new plan (error NULL), or at once with
 * what was wrong (then nothing has changed). May be called before the
 * function that was given it returns.
 */
typedef void control_done(void *arg, const char *error);

void control_set_weights(struct control *c, const char *service,
    const struct weight_change *changes, size_t n, control_done *done,
    void *arg);

/*
 * Reads the config file again. A broken file changes nothing; the error is
 * all its lines, joined with newlines. Weights set at run time stay in force
 * for versions that are still there, unless the file's own weights for the
 * service changed since the last load.
 */
void control_reload(struct control *c, control_done *done, void *arg);

#endif
