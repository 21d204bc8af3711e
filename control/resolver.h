/*
 * Questions to name servers and their answers: over UDP, over TCP where the
 * answer is too long; the next server when one fails, first the one that
 * answered last. Main thread only; nothing here waits.
 */
#ifndef CONTROL_RESOLVER_H
#define CONTROL_RESOLVER_H

#include <stdbool.h>
#include <stddef.h>

#include "control/dns_answer.h"

struct event_base;
struct resolver;
struct resolver_settings;

/* Questions under way at one time; more wait in order. */
#define RESOLVER_PARALLEL 32u

/*
 * By these settings, which need not outlive the call; without servers in them
 * by /etc/resolv.conf as it is now. NULL with the reason in why.
 */
struct resolver *resolver_new(struct event_base *base,
    const struct resolver_settings *settings, char *why, size_t why_size);
/*
 * Who waits is told DNS_CANCELLED. Not to be called by who is being told.
 * NULL is fine.
 */
void resolver_free(struct resolver *r);

/* The answer is the caller's to clear; it has records only with DNS_OK. */
typedef void resolver_done(
    void *arg, enum dns_outcome outcome, struct dns_answer *answer);

/*
 * Asks. With `search` the domains of /etc/resolv.conf are tried, too, unless
 * the servers are those of the settings. May call done before it returns, and
 * always calls it once.
 */
void resolver_ask(struct resolver *r, const char *name, enum dns_type type,
    bool search, resolver_done *done, void *arg);

#endif
