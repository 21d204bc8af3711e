/*
 * Where an attempt goes: the pod, by the balance policy and by what this
 * worker has just seen, and the version of a retry. Worker thread only.
 */
#ifndef PROXY_PICK_H
#define PROXY_PICK_H

#include <stdint.h>

struct pod;
struct service;
struct version;
struct worker;

#define PICK_TRIED_MAX 12u

/*
 * NULL when every ready pod was tried, or none is ready. The key is what
 * hash_key_of() made of the request, where the service's policy hashes.
 */
struct pod *pick_pod(struct worker *w, const struct service *s,
    const struct version *v, uint64_t key, struct pod *const *tried,
    unsigned ntried);

/*
 * The pod that the client sticks to (NULL: none); NULL when it was tried or
 * has just refused a connection.
 */
struct pod *pick_stuck(struct worker *w, struct pod *pod,
    struct pod *const *tried, unsigned ntried);

/*
 * An attempt begins or ends: counted in the pod's requests in flight. Main is
 * told when the last one leaves a pod that is gone; the plan that has the
 * pod is dropped after that.
 */
void pick_enter(struct worker *w, const struct version *v, struct pod *pod);
void pick_leave(struct worker *w, const struct version *v, struct pod *pod);

/* The attempt that began then is answered now, or has failed: policies that
 * go by latency learn from it. */
void pick_note_answer(struct worker *w, const struct service *s,
    struct pod *pod, uint64_t tried_us);
void pick_note_failure(
    struct worker *w, const struct service *s, struct pod *pod);

/* It refused a connection: passed over for a second, if there is another. */
void pick_avoid(struct worker *w, struct pod *pod);

/* The version that retry.version says, `failed` itself where it has none. */
const struct version *pick_retry_version(
    const struct service *s, const struct version *failed);

#endif
