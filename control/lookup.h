/*
 * The addresses of one host, now: a question or two to the name servers of
 * the config in force. Main thread only; nothing here waits.
 */
#ifndef CONTROL_LOOKUP_H
#define CONTROL_LOOKUP_H

#include <stddef.h>
#include <stdint.h>

#include "base/address.h"

struct event_base;
struct lookup;
struct resolver_settings;

/* No more addresses of a host are taken. */
#define LOOKUP_MAX 8u

/*
 * Called once, from the event loop: with at least one address, each with the
 * port, or with none and the reason. The lookup is over then, and gone.
 */
typedef void lookup_done(
    void *arg, const struct address *list, size_t n, const char *why);

/*
 * Texts and settings are copied. NULL when nobody can be asked, with the reason
 * in why: then done is never called.
 */
struct lookup *lookup_begin(struct event_base *base,
    const struct resolver_settings *settings, const char *host, uint16_t port,
    lookup_done *done, void *arg, char *why, size_t why_size);
/* Ends it without telling anybody; NULL is fine. */
void lookup_cancel(struct lookup *l);

#endif
