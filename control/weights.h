/*
 * Weights in words, and which weights win when the config file is read
 * again: those set at run time or the file's. Pure.
 */
#ifndef CONTROL_WEIGHTS_H
#define CONTROL_WEIGHTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct service;
struct service_spec;
struct spec;

/* "v1 80 -> 50, v2 20 -> 50", and whose cookies are void now; cut short when
 * it does not fit. */
void weights_describe_change(const struct service *from,
    const struct service *to, char *buf, size_t size);
/* "v1 80, v2 20" */
void weights_describe(const struct service *s, char *buf, size_t size);

enum weights_choice {
	WEIGHTS_FILE,	/* nothing was set at run time: the file's */
	WEIGHTS_KEPT,	/* the spec now has those set at run time */
	WEIGHTS_EDITED, /* the file's, as they changed since the last load */
	WEIGHTS_UNFIT,	/* the file's, as the others no longer work */
};

/*
 * Decides about one service of a file just read. `last` is the service as
 * the file had it at the last load, NULL when it had none; `now` the one in
 * force. Only with WEIGHTS_KEPT are the weights of `next` changed; with
 * WEIGHTS_UNFIT why says what is wrong with them.
 */
enum weights_choice weights_keep(struct service_spec *next,
    const struct service_spec *last, const struct service *now, char *why,
    size_t why_size);
/* The same; the log says what was decided. */
void weights_keep_told(struct service_spec *next,
    const struct service_spec *last, const struct service *now);

/* Whether the weights in force are others than the file's at its last load. */
bool weights_set_at_run_time(
    const struct service_spec *last, const struct service *now);

/* The weight that the file has for a version; 0 when it has no such one. */
uint64_t weights_filed(const struct service_spec *file, const char *version);

/*
 * The file's own weights and stable versions, in its order, and back into the
 * spec. The caller frees; NULL without memory.
 */
uint64_t *weights_save(const struct spec *spec);
void weights_restore(struct spec *spec, const uint64_t *saved);

/* The spec's service of that name; NULL when there is none. */
struct service_spec *weights_service(const struct spec *spec, const char *name);

#endif
