/*
 * Where an attempt goes: the pod, by the balance policy and by what this
 * worker has just seen, and the version of a retry. Worker thread only.
 */
#ifndef PROXY_PICK_H
#define PROXY_PICK_H

struct pod;
struct service;
struct version;
struct worker;

#define PICK_TRIED_MAX 12u

/* NULL when every ready pod was tried, or none is ready. */
struct pod *pick_pod(struct worker *w, const struct service *s,
    const struct version *v, struct pod *const *tried, unsigned ntried);

/* It refused a connection: passed over for a second, if there is another. */
void pick_avoid(struct worker *w, struct pod *pod);

/* The version that retry.version says, `failed` itself where it has none. */
const struct version *pick_retry_version(
    const struct service *s, const struct version *failed);

#endif
