/*
 * One call of a webhook: a POST of JSON to http://host:port/path, or https,
 * over a connection of its own (RFC 9110 9.3.3, RFC 9112). A host that is a
 * name is looked up for each call. Main thread only; it never blocks.
 */
#ifndef CONTROL_WEBHOOK_H
#define CONTROL_WEBHOOK_H

#include <stddef.h>
#include <stdint.h>

struct event_base;
struct resolver_settings;
struct webhook;

/*
 * Called once, from the event loop: with the status of the answer, or with 0
 * and why there was none. The call is over then.
 */
typedef void webhook_done(void *arg, int status, const char *why);

/*
 * Texts and settings are copied; all of it takes at most so long. NULL when it
 * could not be begun, with the reason in why: then done is never called.
 */
struct webhook *webhook_post(struct event_base *base,
    const struct resolver_settings *settings, const char *url, const char *body,
    uint32_t timeout_ms, webhook_done *done, void *arg, char *why,
    size_t why_size);
/* Ends it without telling anybody; NULL is fine. */
void webhook_cancel(struct webhook *w);

#endif
