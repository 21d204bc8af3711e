/*
 * The admin API's handlers, one per row of the table in endpoints.c. Each
 * answers its call exactly once, now or when the change has been made.
 */
#ifndef ADMIN_HANDLERS_H
#define ADMIN_HANDLERS_H

struct call;
struct control;
struct json_t;
struct service;

void index_get(struct call *c);
void healthz_get(struct call *c);
void readyz_get(struct call *c);
void metrics_get(struct call *c);
void services_get(struct call *c);
/* These have the service's name as argument 0. */
void service_get(struct call *c);
void weights_put(struct call *c);
void reload_post(struct call *c);
void explain_post(struct call *c);

/* A service as the API shows it; a new reference, NULL without memory. */
struct json_t *service_json(
    const struct control *control, const struct service *s);
/* The service of argument 0; NULL when the call was answered with 404. */
const struct service *service_or_404(struct call *c);

#endif
