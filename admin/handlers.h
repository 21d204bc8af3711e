/*
 * The admin API's handlers, one per row of the table in endpoints.c. Each
 * answers its call exactly once, now or when the change has been made.
 */
#ifndef ADMIN_HANDLERS_H
#define ADMIN_HANDLERS_H

#include <stdbool.h>

struct call;
struct control;
struct json_t;
struct pod;
struct service;
struct version;

void index_get(struct call *c);
void healthz_get(struct call *c);
void readyz_get(struct call *c);
void metrics_get(struct call *c);
void services_get(struct call *c);
/* These have the service's name as argument 0. */
void service_get(struct call *c);
void weights_put(struct call *c);
void rollout_get(struct call *c);
void rollouts_get(struct call *c);
void rollouts_post(struct call *c);
void rollout_pause(struct call *c);
void rollout_resume(struct call *c);
void rollout_promote(struct call *c);
void rollout_abort(struct call *c);
void rollout_undo(struct call *c);
/* And these the version's as argument 1, and perhaps an address as 2. */
void pods_get(struct call *c);
void pods_post(struct call *c);
void pod_patch(struct call *c);
void pod_delete(struct call *c);
void reload_post(struct call *c);
void diff_get(struct call *c);
void explain_post(struct call *c);
void events_get(struct call *c);

/* Adds "warning" to it when what was just changed is not kept. */
bool set_state_warning(struct call *c, struct json_t *json);
/* A pod as the API shows it; a new reference, NULL without memory. */
struct json_t *pod_json(const struct pod *p);
/* A service as the API shows it; a new reference, NULL without memory. */
struct json_t *service_json(struct control *control, const struct service *s);
/* What runs of a service, or ran last, in short; null when none ever did. */
struct json_t *rollout_json(struct control *control, const char *service);
/* The service of argument 0; NULL when the call was answered with 404. */
const struct service *service_or_404(struct call *c);
/* A version of it; NULL when the call was answered with 404. */
const struct version *service_version_or_404(
    struct call *c, const struct service *s, const char *name);
/* The body's object; NULL when the call was answered with 400. */
struct json_t *object_or_400(struct call *c, const char *shape);

#endif
