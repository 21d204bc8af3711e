/*
 * What can be known before it is run: whether a program and a folder are
 * there. Main thread only.
 */
#ifndef CONF_LAUNCH_FILES_H
#define CONF_LAUNCH_FILES_H

#include <stdbool.h>
#include <stddef.h>

struct errors;
struct launch_spec;

#define LAUNCH_FAULT_MAX 512u

/*
 * An absolute path: a relative one starts in the config's folder. The
 * caller's; NULL, and an error, without memory.
 */
char *read_absolute(struct errors *e, const char *text);

/*
 * What speaks against running it, in words of what is expected and found;
 * false when nothing is known. A name without "/" is looked for in the
 * folders of `path` (NULL = the system's).
 */
bool launch_program_fault(
    const char *program, const char *path, char *why, size_t why_size);
bool launch_directory_fault(const char *path, char *why, size_t why_size);

/* Where its program is looked for; NULL = the system's. */
const char *launch_path(const struct launch_spec *l);
/* What speaks against running it now; false when nothing is known. */
bool launch_fault(const struct launch_spec *l, char *why, size_t why_size);

#endif
