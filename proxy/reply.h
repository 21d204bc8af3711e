/* The proxy's own answers: a status from the error table and its reason. */
#ifndef PROXY_REPLY_H
#define PROXY_REPLY_H

#include <stdbool.h>

#include "base/errs.h"
#include "base/span.h"

struct client;

/*
 * Head, body (a line of text, "503 no pod is ready"), and end. A 503 carries
 * Retry-After. To a HEAD request the body is left out.
 */
void reply_send(struct client *c, enum err e, bool head_method);
/* The same with a Location, which may be reused after the call. */
void reply_redirect(
    struct client *c, enum err e, bool head_method, struct span location);

#endif
