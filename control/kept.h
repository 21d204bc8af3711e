/*
 * What was set at run time and outlives the process: out of the store into
 * the first plan, and from each change into the store. Main thread only.
 */
#ifndef CONTROL_KEPT_H
#define CONTROL_KEPT_H

#include <stddef.h>

struct plan;
struct pods;
struct rollouts;
struct spec;
struct store;

/*
 * The plan of the file, with what the store has kept; the spec's weights and
 * stable versions are the file's again afterwards. NULL with the reason in why.
 */
struct plan *kept_first_plan(struct store *store, struct pods *pods,
    struct rollouts *rollouts, struct spec *spec, unsigned nworkers, char *why,
    size_t why_size);

/*
 * The epochs of services that come into a plan, which is not published yet: a
 * service that left, or the process, may have voided cookies before. -1 when
 * they cannot be read.
 */
int kept_epochs(struct store *store, struct plan *plan);

/*
 * Writes the weights of the plan that are not those of the file, and the
 * epochs. Before a change of them is published, and when the file was read
 * again.
 */
void kept_weights(
    struct store *store, const struct plan *plan, const struct spec *file);

/* The same within a transaction of the caller's. */
void kept_put_weights(
    struct store *store, const struct plan *plan, const struct spec *file);

/* Writes everything again, if something could not be written before. */
void kept_catch_up(struct store *store, const struct pods *pods,
    struct rollouts *rollouts, const struct plan *plan,
    const struct spec *file);

#endif
