/* What a transaction's outcome adds to which counters. Worker thread only. */
#ifndef PROXY_STATS_H
#define PROXY_STATS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/errs.h"

struct service;
struct version;

/*
 * An answer of the version's pod; its status, or its grpc-status (GRPC_NONE:
 * it has none), or what else it says (REASON_NONE: nothing), may count as an
 * error of the version, once; true when it does. Durations in microseconds
 * since the request's head.
 */
bool stats_answer(const struct service *s, const struct version *v,
    unsigned worker, int status, int grpc_status, enum reason soft,
    uint64_t duration_us);
/* Whether the status alone makes it one. */
bool stats_bad_status(const struct service *s, int status);

/* An attempt that failed without a complete answer, retried or not. */
void stats_failure(const struct version *v, unsigned worker, enum err e);

/* A request that no version was asked for, as the service is closed. */
void stats_refused(const struct service *s, unsigned worker, enum err e);

void stats_retry(
    const struct service *s, const struct version *v, unsigned worker);
/* The budget did not have another attempt. */
void stats_retry_refused(
    const struct service *s, const struct version *v, unsigned worker);

/* An answer that the proxy made itself: booked on no version. */
void stats_reply(
    const struct service *s, unsigned worker, enum err e, uint64_t duration_us);

#endif
