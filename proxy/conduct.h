/*
 * What a pod's answers and failures add to what is known of it, where its
 * service ejects pods that fail (router/outlier.h). Worker thread only.
 */
#ifndef PROXY_CONDUCT_H
#define PROXY_CONDUCT_H

#include <stdbool.h>

#include "base/errs.h"

struct pod;
struct service;
struct worker;

/* An attempt was answered; `error`: that counts against the version. */
void conduct_answer(
    struct worker *w, const struct service *s, struct pod *pod, bool error);

/* An attempt failed, retried or not; what is not the pod's doing is none. */
void conduct_failure(
    struct worker *w, const struct service *s, struct pod *pod, enum err e);

#endif
