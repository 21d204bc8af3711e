/*
 * Where pods that shunt runs take connections: ports that nobody has, and
 * Unix sockets in folders of our own. Main thread only.
 */
#ifndef CONTROL_LAUNCH_PLACE_H
#define CONTROL_LAUNCH_PLACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct address;
struct launch_spec;

/* Whether somebody is known to have the address already. */
typedef bool launch_place_taken(void *arg, const struct address *a);

/*
 * A port of the spec's range, the first from `*next` on that is neither taken
 * nor in use, and where to go on the next time; `seed` says where to begin
 * where *next is outside of the range. False when there is none.
 */
bool launch_port(const struct launch_spec *spec, uint32_t seed, uint32_t *next,
    launch_place_taken *taken, void *arg, struct address *found);

/* Whether a process that listens there would be the only one. */
bool launch_port_free(const struct address *a);

/*
 * A new folder, in TMPDIR or /tmp, in which the spec's user may make sockets.
 * The caller frees the path; NULL with errno.
 */
char *launch_folder(const struct launch_spec *spec);

/* A socket's address there, by number. False when the path is too long. */
bool launch_socket(const char *folder, uint64_t number, struct address *made);

#endif
